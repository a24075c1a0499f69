"""What in other schemas depends on the objects of one: it follows them where they are renamed to."""

from __future__ import annotations

from railway_release.postgres.session import Queryable, fetch


def followers(connection: Queryable, schema: str) -> list[str]:
    """Views, foreign keys, functions and the like of other schemas, casts and publications.

    In PostgreSQL's words. The text of a function is no dependency, but for SQL functions with a body.
    """
    return [text for (text,) in fetch(connection, _FOLLOWERS, (schema,))]


# Extensions come along with their members. A constraint, rule, default, trigger or policy is where its table
# is. What is in no schema, no archive has.
_FOLLOWERS = """
WITH here AS (
    SELECT 'pg_catalog.pg_namespace'::regclass AS class, oid, pg_catalog.quote_ident(nspname) AS name
    FROM pg_catalog.pg_namespace WHERE nspname = %s
), own AS (
    SELECT 'pg_catalog.pg_class'::regclass AS class, c.oid
    FROM pg_catalog.pg_class c JOIN here ON c.relnamespace = here.oid
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, t.oid
    FROM pg_catalog.pg_type t JOIN here ON t.typnamespace = here.oid
    UNION
    SELECT d.classid, d.objid
    FROM pg_catalog.pg_depend d JOIN here ON d.refclassid = here.class AND d.refobjid = here.oid
    WHERE d.deptype = 'n'
    UNION ALL
    SELECT class, oid FROM here
), dependent AS (
    SELECT DISTINCT d.classid, d.objid, d.objsubid
    FROM pg_catalog.pg_depend d JOIN own ON d.refclassid = own.class AND d.refobjid = own.oid
    WHERE d.deptype IN ('n', 'a') AND d.classid <> 'pg_catalog.pg_namespace'::regclass
      AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend e WHERE e.deptype = 'e'
        AND (e.classid, e.objid) IN ((d.classid, d.objid), (d.refclassid, d.refobjid)))
), tables AS (
    SELECT d.classid, d.objid, d.objsubid,
        coalesce(k.conrelid, r.ev_class, a.adrelid, t.tgrelid, p.polrelid) AS relation
    FROM dependent d
    LEFT JOIN pg_catalog.pg_constraint k
        ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid
    LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
    LEFT JOIN pg_catalog.pg_attrdef a ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND a.oid = d.objid
    LEFT JOIN pg_catalog.pg_trigger t ON d.classid = 'pg_catalog.pg_trigger'::regclass AND t.oid = d.objid
    LEFT JOIN pg_catalog.pg_policy p ON d.classid = 'pg_catalog.pg_policy'::regclass AND p.oid = d.objid
), placed AS (
    SELECT o.*, coalesce(pg_catalog.quote_ident(n.nspname), i.schema) AS schema
    FROM tables o
    LEFT JOIN pg_catalog.pg_class c ON c.oid = o.relation
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(o.classid, o.objid, 0) AS i
)
SELECT DISTINCT pg_catalog.pg_describe_object(classid, objid, objsubid) FROM placed
WHERE CASE WHEN schema IS NULL THEN classid IN (
        'pg_catalog.pg_cast'::regclass, 'pg_catalog.pg_transform'::regclass,
        'pg_catalog.pg_language'::regclass, 'pg_catalog.pg_am'::regclass,
        'pg_catalog.pg_foreign_data_wrapper'::regclass,
        'pg_catalog.pg_event_trigger'::regclass, 'pg_catalog.pg_publication_rel'::regclass,
        to_regclass('pg_catalog.pg_publication_namespace'))
    ELSE schema <> (SELECT name FROM here) AND schema NOT LIKE 'pg\\_toast%%' END
ORDER BY 1
"""
