"""The queries of pg_catalog for the definitions of tables: digests of all tables, details of some."""

from __future__ import annotations

import re

# The name of the table's own schema is removed from texts, so that equal tables have equal texts.
_OWN = "quote_ident(n.nspname) || '.'"
_TABLE_IS = (
    "JOIN pg_catalog.pg_class c ON c.oid = {} JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
)
_NAMES = (
    "ARRAY(SELECT a.attname::text FROM unnest({}) WITH ORDINALITY AS k(number, place)"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = {} AND a.attnum = k.number ORDER BY k.place)"
)
# What models cannot declare.
_UNDECLARED = """
    SELECT tgrelid::bigint AS oid, regexp_replace(replace(pg_get_triggerdef(g.oid), {own}, ''),
        '^CREATE (CONSTRAINT )?TRIGGER ("[^"]+"|[^ ]+)', 'trigger') AS definition
    FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_class c ON c.oid = tgrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT tgisinternal AND {of_them tgrelid}
    UNION ALL
    SELECT polrelid::bigint, 'policy ' || concat_ws(' ', polcmd, polpermissive,
        (SELECT string_agg(CASE r WHEN 0 THEN 'public' ELSE pg_get_userbyid(r) END, ',')
            FROM unnest(polroles) r),
        replace(concat_ws(' ', pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)),
            {own}, ''))
    FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = polrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE {of_them polrelid}
    UNION ALL
    SELECT tgrelid::bigint, 'triggers disabled: ' || count(*) FROM pg_catalog.pg_trigger
    WHERE tgenabled = 'D' AND {of_them tgrelid} GROUP BY tgrelid
    UNION ALL
    SELECT ev_class::bigint, regexp_replace(regexp_replace(replace(pg_get_ruledef(w.oid), {own}, ''),
        '^CREATE RULE ("[^"]+"|[^ ]+) AS', 'rule'), '[[:space:]]+', ' ', 'g')
    FROM pg_catalog.pg_rewrite w {table_is ev_class}
    WHERE rulename <> '_RETURN' AND {of_them ev_class}
    UNION ALL
    SELECT inhrelid::bigint, 'inheritance from ' || replace(inhparent::regclass::text, {own}, '')
    FROM pg_catalog.pg_inherits {table_is inhrelid} WHERE NOT c.relispartition AND {of_them inhrelid}
"""
# What is in pg_class itself; for a digest, its columns are enough.
_TRAITS = """
    SELECT c.oid::bigint AS oid, one AS definition
    FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace
    CROSS JOIN LATERAL (VALUES
        (CASE c.relpersistence WHEN 'u' THEN 'unlogged' END), ('table space ' || s.spcname),
        (CASE WHEN c.relrowsecurity THEN 'row security' END),
        (CASE WHEN c.relforcerowsecurity THEN 'row security: forced' END),
        ('storage parameters ' || (SELECT string_agg(each, ', ' ORDER BY each)
            FROM unnest(c.reloptions) AS each WHERE each NOT LIKE 'autovacuum%%'))
    ) AS traits (one)
    WHERE {of_them c.oid} AND one IS NOT NULL
"""


_KIND = (
    "CASE WHEN c.relispartition THEN 'partition' ELSE CASE c.relkind WHEN 'p' THEN 'partitioned table'"
    " WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'table'"
    " END END"
)
# PostgreSQL has indnullsnotdistinct since 15. Before, the name is found outside of the inner query.
_INDEXES = (
    "(SELECT false AS indnullsnotdistinct) AS before_15 CROSS JOIN LATERAL"
    " (SELECT pg_index.*, indnullsnotdistinct AS nulls_equal FROM pg_catalog.pg_index)"
)
_ALL, _GIVEN = r"\1 IN (SELECT oid FROM t)", r"\1 = ANY(%s::oid[])"  # the second one uses an index


def _filled(text: str, them: str = _ALL) -> str:
    text = (
        text.replace("{undeclared}", _UNDECLARED)
        .replace("{traits}", _TRAITS)
        .replace("{own}", _OWN)
        .replace("{kind}", _KIND)
        .replace("{indexes}", _INDEXES)
    )
    text = re.sub(r"\{in_share ([\w.]+)\}", r"\1 BETWEEN {first} AND {last}", text)
    text = re.sub(r"\{table_is (\w+)\}", lambda found: _TABLE_IS.format(*found.groups()), text)
    text = re.sub(r"\{names (\w+) (\w+)\}", lambda found: _NAMES.format(*found.groups()), text)
    return re.sub(r"\{of_them ([\w.]+)\}", them, text)


# pg_class has no index by schema, but pg_depend has one, and each relation depends on its schema.
_TABLES = """
SELECT n.nspname::text, c.relname::text, {kind}, c.oid::bigint
FROM pg_catalog.pg_namespace n
JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = n.oid
  AND d.classid = 'pg_catalog.pg_class'::regclass
JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
WHERE n.nspname = %s
"""

# The tables' OIDs in equal shares, each with its first and last. Schemas would be no shares of the catalog,
# which is ordered by OID: each reader would go through all of it.
SHARES = """
SELECT min(oid), max(oid) FROM (
    SELECT c.oid::bigint, ntile(%s) OVER (ORDER BY c.oid) AS share
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
) AS tables GROUP BY share
"""
# {digests} are of the tables whose OIDs are between {first} and {last}.
_GROUPS = """
WITH t AS MATERIALIZED (
    SELECT c.oid, c.relname::text AS name, {kind} AS kind, c.relnamespace, n.nspname::text AS schema,
        c.relpersistence, c.reltablespace, c.reloptions, c.relrowsecurity, c.relforcerowsecurity
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {in_share c.oid}
)
SELECT name, digest::text, kind, array_agg(schema), min(oid::bigint) FROM (
    SELECT t.*, d.digest FROM t LEFT JOIN (
        SELECT oid, sum(digest) AS digest FROM ({digests}) AS parts(oid, digest) GROUP BY oid
    ) AS d USING (oid)
) AS tables
GROUP BY name, kind, digest
"""

# Hashes joined by XOR or a sum need no sorting, and hashes of rows no texts. OIDs and column numbers are the
# same for equal tables and cheaper than names; two tables that differ only in them are two groups, which
# costs one read more.
_DIGESTS = {
    "columns": """
    SELECT attrelid, bit_xor(hash_record_extended(ROW(attname, attnum, atttypid, atttypmod,
        attnotnull, attcollation, attidentity, attgenerated), 0))
    FROM pg_catalog.pg_attribute JOIN t ON t.oid = attrelid WHERE attnum > 0 AND NOT attisdropped
      AND {in_share attrelid} GROUP BY attrelid
    """,
    "defaults": """
    SELECT adrelid, sum(hashtextextended(adnum
        || replace(pg_get_expr(adbin, adrelid), quote_ident(t.schema) || '.', ''), 1))
    FROM pg_catalog.pg_attrdef JOIN t ON t.oid = adrelid
    WHERE {in_share adrelid} GROUP BY adrelid
    """,
    # An identity is a part of its column.
    "sequences": """
    SELECT refobjid, sum(hashtextextended(refobjsubid::text, 2))
    FROM pg_catalog.pg_class s JOIN pg_catalog.pg_depend d ON d.objid = s.oid JOIN t ON t.oid = d.refobjid
    WHERE s.relkind = 'S' AND d.classid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0
      AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'a'
      AND {in_share refobjid} GROUP BY refobjid
    """,
    "partitions": """
    SELECT partrelid, sum(hashtextextended(pg_get_partkeydef(partrelid), 8))
    FROM pg_catalog.pg_partitioned_table JOIN t ON t.oid = partrelid GROUP BY partrelid
    """,
    "constraints": """
    SELECT conrelid, bit_xor(hash_record_extended(ROW(conname, contype, conkey, confkey, f.relname, a.attname,
        nullif(f.relnamespace, t.relnamespace), convalidated, condeferrable, condeferred, confdeltype,
        confupdtype, conbin::text, conexclop), 3))
    FROM pg_catalog.pg_constraint JOIN t ON t.oid = conrelid
    LEFT JOIN pg_catalog.pg_class f ON f.oid = confrelid AND contype = 'f'
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = confrelid AND a.attnum = confkey[1] AND contype = 'f'
    WHERE contype IN ('p', 'u', 'f', 'c', 'x') AND {in_share conrelid} GROUP BY conrelid
    """,
    "indexes": """
    SELECT indrelid, bit_xor(hash_record_extended(ROW(i.relname, i.relam, indkey::int2[], indclass,
        indcollation, indoption::int2[], indnkeyatts, indisunique, indisvalid, indisready, nulls_equal,
        indexprs::text, indpred::text), 6))
    FROM {indexes} AS x JOIN t ON t.oid = indrelid JOIN pg_catalog.pg_class i ON i.oid = indexrelid
    WHERE {in_share indrelid} GROUP BY indrelid
    """,
    "undeclared": """
    SELECT oid::oid, sum(hashtextextended(definition, 7)) FROM ({undeclared}) AS o GROUP BY oid
    UNION ALL
    SELECT oid, hash_record_extended(ROW(relpersistence, reltablespace, reloptions, relrowsecurity,
        relforcerowsecurity), 9) FROM t
    """,
}

# OFFSET 0 keeps the planner from joining with all constraints, columns and defaults of the database.
_DETAILS = {
    "columns": """
    SELECT attrelid::bigint, attname::text,
        replace(format_type(atttypid, atttypmod), {own}, ''), attnotnull,
        CASE WHEN attcollation <> y.typcollation THEN l.collname::text ELSE '' END,
        attidentity <> '' OR s.has_sequence IS NOT NULL,
        CASE WHEN attgenerated = '' AND s.has_sequence IS NULL
            THEN coalesce(pg_get_expr(adbin, adrelid), '') ELSE '' END,
        CASE WHEN attgenerated <> '' THEN pg_get_expr(adbin, adrelid) ELSE '' END
    FROM pg_catalog.pg_attribute {table_is attrelid}
    JOIN pg_catalog.pg_type y ON y.oid = atttypid
    LEFT JOIN pg_catalog.pg_collation l ON l.oid = attcollation
    LEFT JOIN LATERAL (SELECT adrelid, adbin FROM pg_catalog.pg_attrdef
        WHERE atthasdef AND adrelid = attrelid AND adnum = attnum OFFSET 0) AS v ON true
    LEFT JOIN LATERAL (
        SELECT true AS has_sequence FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class q ON q.oid = d.objid
        WHERE d.refobjid = attrelid AND d.refobjsubid = attnum AND q.relkind = 'S' AND d.deptype = 'a'
          AND d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = d.classid
          AND pg_get_expr(adbin, adrelid) LIKE 'nextval(%%' LIMIT 1
    ) AS s ON true
    WHERE attrelid = ANY(%s::oid[]) AND attnum > 0 AND NOT attisdropped ORDER BY attrelid, attnum
    """,
    "partitions": """
    SELECT partrelid::bigint, pg_get_partkeydef(partrelid), {names partattrs partrelid}
    FROM pg_catalog.pg_partitioned_table WHERE partrelid = ANY(%s::oid[])
    """,
    "uniques": """
    SELECT conrelid::bigint, conname::text, {names conkey conrelid}, contype = 'p',
        coalesce((to_jsonb(x) ->> 'indnullsnotdistinct')::boolean, false), condeferrable, condeferred
    FROM pg_catalog.pg_constraint LEFT JOIN pg_catalog.pg_index x ON indexrelid = conindid
    WHERE conrelid = ANY(%s::oid[]) AND contype IN ('p', 'u') ORDER BY conname
    """,
    "foreign_keys": """
    SELECT conrelid::bigint, conname::text, {names conkey conrelid},
        CASE WHEN f.relnamespace = c.relnamespace THEN '' ELSE m.nspname::text END, f.relname::text,
        {names confkey confrelid}, convalidated, condeferrable, condeferred,
        confdeltype::text, confupdtype::text
    FROM pg_catalog.pg_constraint {table_is conrelid}
    JOIN pg_catalog.pg_class f ON f.oid = confrelid
    JOIN pg_catalog.pg_namespace m ON m.oid = f.relnamespace
    WHERE conrelid = ANY(%s::oid[]) AND contype = 'f' ORDER BY conname
    """,
    "checks": """
    SELECT conrelid::bigint, conname::text,
        CASE contype WHEN 'c' THEN pg_get_expr(conbin, conrelid)
            ELSE replace(pg_get_constraintdef(k.oid), {own}, '') END,
        convalidated, contype = 'x'
    FROM pg_catalog.pg_constraint k {table_is conrelid}
    WHERE conrelid = ANY(%s::oid[]) AND contype IN ('c', 'x') ORDER BY conname
    """,
    "indexes": """
    SELECT indrelid::bigint, i.relname::text, am.amname::text,
        array_agg(coalesce(a.attname::text, pg_get_indexdef(indexrelid, k, true)) ORDER BY k),
        array_agg(indkey[k - 1] <> 0 ORDER BY k),
        array_agg(CASE WHEN o.opcdefault THEN '' ELSE o.opcname::text END ORDER BY k),
        array_agg(CASE indoption[k - 1] & 3 WHEN 1 THEN 'DESC NULLS LAST' WHEN 2 THEN 'NULLS FIRST'
            WHEN 3 THEN 'DESC' ELSE '' END ORDER BY k),
        array_agg(CASE WHEN indkey[k - 1] <> 0 AND l.oid <> a.attcollation THEN l.collname::text ELSE '' END
            ORDER BY k),
        indisunique,
        ARRAY(SELECT b.attname::text FROM pg_catalog.pg_attribute b
            WHERE b.attrelid = indrelid AND b.attnum = ANY((indkey::int2[])[indnkeyatts:])
            ORDER BY b.attname),
        coalesce(pg_get_expr(indpred, indrelid), ''),
        coalesce((to_jsonb(x) ->> 'indnullsnotdistinct')::boolean, false), indisvalid AND indisready
    FROM pg_catalog.pg_index x
    JOIN pg_catalog.pg_class i ON i.oid = indexrelid JOIN pg_catalog.pg_am am ON am.oid = i.relam
    CROSS JOIN LATERAL generate_series(1, indnkeyatts) AS k
    JOIN pg_catalog.pg_opclass o ON o.oid = indclass[k - 1]
    LEFT JOIN pg_catalog.pg_collation l ON l.oid = indcollation[k - 1]
    LEFT JOIN LATERAL (SELECT * FROM pg_catalog.pg_attribute
        WHERE attrelid = indrelid AND attnum = indkey[k - 1] OFFSET 0) AS a ON true
    WHERE indrelid = ANY(%s::oid[])
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint
          WHERE conrelid = indrelid AND conindid = indexrelid AND contype IN ('p', 'u', 'x') OFFSET 0)
    GROUP BY x.*, indrelid, indexrelid, i.relname, am.amname, indisunique, indkey, indnkeyatts, indpred,
        indisvalid, indisready
    ORDER BY i.relname
    """,
    "undeclared": """
    SELECT oid, definition FROM ({undeclared} UNION ALL {traits}) AS o ORDER BY definition
    """,
}

# Without objects that belong to an extension.
_OBJECTS = """
WITH n AS (SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE nspname = ANY(%s))
SELECT text, array_agg(schema ORDER BY schema) FROM (
    SELECT n.nspname::text AS schema, 'function ' || proname || '('
        || replace(pg_get_function_identity_arguments(p.oid), {own}, '') || ') '
        || left(md5(replace(concat_ws(' ', prosrc, prosqlbody, replace(proconfig::text, n.nspname, ''),
            prosecdef, provolatile, prorettype::regtype), {own}, '')), 6) AS text
    FROM pg_catalog.pg_proc p JOIN n ON n.oid = pronamespace
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE objid = p.oid AND deptype = 'e')
    UNION ALL
    SELECT n.nspname::text, 'view ' || relname || ' '
        || left(md5(replace(pg_get_viewdef(c.oid), {own}, '')), 6)
    FROM pg_catalog.pg_class c JOIN n ON n.oid = relnamespace WHERE relkind IN ('v', 'm')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE objid = c.oid AND deptype = 'e')
    UNION ALL
    SELECT n.nspname::text, 'type ' || typname || ' ('
        || (SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder)
            FROM pg_catalog.pg_enum WHERE enumtypid = t.oid) || ')'
    FROM pg_catalog.pg_type t JOIN n ON n.oid = typnamespace WHERE typtype = 'e'
    UNION ALL
    SELECT n.nspname::text, 'sequence ' || relname
    FROM pg_catalog.pg_class s JOIN n ON n.oid = relnamespace
    WHERE relkind = 'S' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend
        WHERE objid = s.oid AND deptype IN ('a', 'i', 'e'))
) AS found
GROUP BY text
"""

TABLES, GROUPS = _filled(_TABLES), _filled(_GROUPS)
OBJECTS = _filled(_OBJECTS)
DIGESTS = {name: _filled(text) for name, text in _DIGESTS.items()}
DETAILS = {name: _filled(text, _GIVEN) for name, text in _DETAILS.items()}
