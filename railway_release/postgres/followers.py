"""What in other schemas depends on the objects of one: it follows them where they are renamed to."""

from __future__ import annotations

from railway_release.postgres.session import Queryable, fetch


def followers(connection: Queryable, schema: str) -> list[str]:
    """Views, foreign keys, functions, defaults and the like of other schemas, in PostgreSQL's words.

    The text of a function is no dependency, but for SQL functions with a body.
    """
    return [text for (text,) in fetch(connection, _FOLLOWERS, (schema,))]


# A constraint, rule, default, trigger or policy is where its table is.
_FOLLOWERS = """
WITH here AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = %s),
own AS (
    SELECT 'pg_catalog.pg_class'::regclass AS class, c.oid
    FROM pg_catalog.pg_class c JOIN here ON c.relnamespace = here.oid
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::regclass, p.oid
    FROM pg_catalog.pg_proc p JOIN here ON p.pronamespace = here.oid
    UNION ALL
    SELECT 'pg_catalog.pg_type'::regclass, t.oid
    FROM pg_catalog.pg_type t JOIN here ON t.typnamespace = here.oid
), dependent AS (
    SELECT DISTINCT d.classid, d.objid, d.objsubid
    FROM pg_catalog.pg_depend d JOIN own ON d.refclassid = own.class AND d.refobjid = own.oid
    WHERE d.deptype IN ('n', 'a') AND d.classid <> 'pg_catalog.pg_namespace'::regclass
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
    SELECT o.*, coalesce(c.relnamespace, own_class.relnamespace, f.pronamespace, y.typnamespace) AS namespace
    FROM tables o
    LEFT JOIN pg_catalog.pg_class c ON c.oid = o.relation
    LEFT JOIN pg_catalog.pg_class own_class
        ON o.classid = 'pg_catalog.pg_class'::regclass AND own_class.oid = o.objid
    LEFT JOIN pg_catalog.pg_proc f ON o.classid = 'pg_catalog.pg_proc'::regclass AND f.oid = o.objid
    LEFT JOIN pg_catalog.pg_type y ON o.classid = 'pg_catalog.pg_type'::regclass AND y.oid = o.objid
)
SELECT DISTINCT pg_catalog.pg_describe_object(classid, objid, objsubid) FROM placed
WHERE namespace NOT IN (SELECT oid FROM here)
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_namespace n WHERE n.oid = namespace AND n.nspname LIKE 'pg\\_toast%%')
ORDER BY 1
"""
