"""What uses a column, so that the server refuses to change its type or to drop it while that is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from railway_release.postgres import deparse
from railway_release.postgres.session import Connection, fetch, quote

# Types of one line have the same operators, and serve each other in keys.
_ALIKE = (
    ("smallint", "integer", "bigint"),
    ("text", "character varying", "varchar", "character", "bpchar"),
    ("real", "double precision", "numeric"),
)


@dataclass(frozen=True)
class Dependents:
    """The statements that take away what uses a column, and those that make it again afterwards."""

    drops: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()  # what cannot be made again on a column of the new type, in words
    by_hand: tuple[str, ...] = ()  # what only a person can take away and make again, in words
    has_default: bool = False  # which may not fit the new type
    generated: bool = False  # whether a column that is computed from it is among them, with its indexes
    through_text: bool = False  # whether the server knows no cast between the two types


NOTHING = Dependents()


def kind_of(type: str) -> str:
    """A name for all types that serve each other in operators and keys."""
    base = type.partition("(")[0].strip()
    return next((alike[0] for alike in _ALIKE if base in alike), base)


def of_type(connection: Connection, schema: str, table: str, column: str, type: str) -> Dependents:
    """What is in the way of a change to this type."""
    rows = [_Row(*row) for row in fetch(connection, _DEPENDENTS, (schema, table, column))]
    type = type.partition(" COLLATE ")[0]
    others = "".join(f"{quote(one.name)}, " for one in rows if one.kind == "column")
    cast = f"CAST(NULL AS {type}) AS {quote(column)}"
    source = f"FROM (SELECT {others}{cast} FROM ONLY {quote(schema)}.{quote(table)}) AS t"  # noqa: S608 - quoted
    lost = [one for one in rows if one.kind in ("index", "check") and not _fits(connection, one, source)]
    lost += [
        one for one in rows if one.kind in ("opclass", "foreign key") and kind_of(one.text) != kind_of(type)
    ]
    kept = [one for one in rows if one.kind in ("view", "trigger")]
    generated = [one for one in rows if one.kind == "generated column"]
    lost += [one for one in generated if not _fits(connection, one, source)]
    again = [one for one in (*generated, *kept) if one not in lost]
    was = next((one.text for one in rows if one.kind == "type"), type)
    return Dependents(
        drops=_unique(one.drop for one in (*reversed(kept), *generated, *lost)),
        makes=_unique(one.make for one in again),
        lost=_unique(f"{'index' if one.kind == 'opclass' else one.kind} {one.name}" for one in lost),
        by_hand=_by_hand(rows),
        generated=bool(generated),
        has_default=any(one.kind == "default" for one in rows),
        through_text=not deparse.understood(connection, [f"CAST(CAST(NULL AS {was}) AS {type})"])[0],
    )


def of_column(connection: Connection, schema: str, table: str, column: str) -> Dependents:
    """What is in the way of dropping the column; `makes` is only right once it is there again."""
    rows = [_Row(*row) for row in fetch(connection, _DEPENDENTS, (schema, table, column))]
    kept = [one for one in rows if one.kind in ("view", "trigger")]
    generated = [one for one in rows if one.kind == "generated column"]
    pointing = [one for one in rows if one.kind == "foreign key" and one.make]
    return Dependents(
        drops=_unique(one.drop for one in (*reversed(kept), *generated, *pointing)),
        makes=_unique(one.make for one in (*generated, *kept)),
        lost=_unique(f"{one.kind} {one.name}" for one in (*kept, *generated, *pointing)),
        by_hand=_by_hand(rows),
    )


@dataclass(frozen=True)
class _Row:
    kind: str
    name: str
    drop: str = ""
    make: str = ""
    text: str = ""  # an expression, or the type of the column at the other end of a key


def _fits(connection: Connection, one: _Row, source: str) -> bool:
    return all(deparse.understood(connection, [one.text], source))


def _by_hand(rows: Sequence[_Row]) -> tuple[str, ...]:
    return _unique(f"{one.kind} {one.name}" for one in rows if one.kind in ("policy", "rule", "function"))


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


# Names are written with their schemas, since the path is empty while this statement runs.
_DEPENDENTS = """
WITH RECURSIVE path AS MATERIALIZED (SELECT set_config('search_path', 'pg_catalog', true)),
me AS MATERIALIZED (
    SELECT c.oid, c.oid::regclass::text AS name, a.attnum, atttypid, atttypmod
    FROM path, pg_class c JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_attribute a ON attrelid = c.oid
    WHERE nspname = %s AND relname = %s AND attname = %s
),
generated AS (
    SELECT g.attnum, g.attname::text AS name, pg_get_expr(adbin, adrelid) AS expression,
        format_type(g.atttypid, g.atttypmod) || ' GENERATED ALWAYS AS (' || pg_get_expr(adbin, adrelid)
            || ') ' || CASE g.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END
            || CASE WHEN g.attnotnull THEN ' NOT NULL' ELSE '' END AS definition
    FROM me JOIN pg_depend d ON refobjid = me.oid AND refobjsubid = me.attnum
        AND d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
    JOIN pg_attrdef f ON f.oid = d.objid AND f.adrelid = me.oid
    JOIN pg_attribute g ON g.attrelid = me.oid AND g.attnum = f.adnum AND g.attgenerated <> ''
    WHERE g.attnum <> me.attnum
),
users AS MATERIALIZED (
    SELECT d.* FROM me JOIN pg_depend d ON refobjid = me.oid AND refclassid = 'pg_class'::regclass
        AND (refobjsubid = me.attnum OR refobjsubid IN (SELECT attnum FROM generated))
),
views(oid, depth) AS (
    SELECT ev_class, 1 FROM users JOIN pg_rewrite r ON r.oid = objid
    WHERE classid = 'pg_rewrite'::regclass AND ev_class <> refobjid
    UNION
    SELECT ev_class, depth + 1 FROM views JOIN pg_depend d ON refobjid = views.oid
        AND refclassid = 'pg_class'::regclass AND classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = objid WHERE ev_class <> views.oid
)
SELECT kind, name, dropping, making, text FROM (
    SELECT 'type' AS kind, '' AS name, '' AS dropping, '' AS making, format_type(atttypid, atttypmod) AS text,
        0 AS place FROM me
    UNION ALL
    SELECT 'column', o.attname::text, '', '', '', 0 FROM me JOIN pg_attribute o ON attrelid = me.oid
    WHERE o.attnum > 0 AND NOT attisdropped AND o.attnum <> me.attnum AND o.attgenerated = ''
    UNION ALL
    SELECT 'default', '', '', '', '', 0 FROM me JOIN pg_attrdef ON adrelid = me.oid AND adnum = me.attnum
    JOIN pg_attribute a ON a.attrelid = me.oid AND a.attnum = me.attnum AND attgenerated = ''
    WHERE pg_get_expr(adbin, adrelid) NOT LIKE 'nextval(%%'
    UNION ALL
    SELECT 'generated column', g.name, format('ALTER TABLE %%s DROP COLUMN %%I;', me.name, g.name),
        format('ALTER TABLE %%s ADD COLUMN %%I %%s;', me.name, g.name, definition), expression, 0
    FROM me, generated g
    UNION ALL
    SELECT 'index', x.indexrelid::regclass::text, format('DROP INDEX %%s;', x.indexrelid::regclass), '',
        concat_ws(', ', pg_get_expr(indexprs, indrelid),
            'CASE WHEN ' || pg_get_expr(indpred, indrelid) || ' THEN 1 END'), 0
    FROM me JOIN pg_index x ON indrelid = me.oid JOIN users ON objid = indexrelid AND refobjsubid = me.attnum
    WHERE indexprs IS NOT NULL OR indpred IS NOT NULL
    UNION ALL
    SELECT 'opclass', x.indexrelid::regclass::text, format('DROP INDEX %%s;', x.indexrelid::regclass), '',
        opcintype::regtype::text, 0
    FROM me JOIN pg_index x ON indrelid = me.oid
    CROSS JOIN LATERAL unnest(indkey::int2[], indclass::oid[]) AS k(number, class)
    JOIN pg_opclass o ON o.oid = k.class WHERE number = me.attnum AND NOT opcdefault
    UNION ALL
    SELECT CASE contype WHEN 'c' THEN 'check' ELSE 'foreign key' END, conname::text,
        format('ALTER TABLE %%s DROP CONSTRAINT %%I;', conrelid::regclass, conname),
        CASE WHEN confrelid = me.oid AND me.attnum = ANY(confkey) THEN 'pointing' ELSE '' END,
        CASE contype WHEN 'c' THEN pg_get_expr(conbin, conrelid) ELSE format_type(o.atttypid, NULL) END, 0
    FROM me JOIN pg_constraint k ON (conrelid = me.oid AND me.attnum = ANY(conkey))
        OR (confrelid = me.oid AND me.attnum = ANY(confkey))
    LEFT JOIN pg_attribute o ON contype = 'f' AND CASE WHEN conrelid = me.oid AND me.attnum = ANY(conkey)
        THEN o.attrelid = confrelid AND o.attnum = confkey[array_position(conkey, me.attnum)]
        ELSE o.attrelid = conrelid AND o.attnum = conkey[array_position(confkey, me.attnum)] END
    WHERE contype IN ('c', 'f') AND conparentid = 0
    UNION ALL
    SELECT 'trigger', tgname::text, format('DROP TRIGGER %%I ON %%s;', tgname, tgrelid::regclass),
        pg_get_triggerdef(t.oid) || ';', '', 0
    FROM users JOIN pg_trigger t ON t.oid = objid WHERE classid = 'pg_trigger'::regclass AND NOT tgisinternal
    UNION ALL
    SELECT 'view', c.oid::regclass::text,
        format('DROP %%sVIEW %%s;', CASE relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END, c.oid::regclass),
        format('CREATE %%sVIEW %%s%%s AS %%s', CASE relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END,
            c.oid::regclass, ' WITH (' || array_to_string(reloptions, ', ') || ')',
            CASE WHEN pg_get_viewdef(c.oid) ~ '[''"]' THEN pg_get_viewdef(c.oid)
                ELSE btrim(regexp_replace(pg_get_viewdef(c.oid), '[[:space:]]+', ' ', 'g')) END)
            || coalesce((SELECT ' ' || string_agg(pg_get_indexdef(indexrelid) || ';', ' ')
                FROM pg_index WHERE indrelid = c.oid), ''), '', max(depth)
    FROM views JOIN pg_class c ON c.oid = views.oid GROUP BY c.oid, relkind, reloptions
    UNION ALL
    SELECT 'rule', rulename::text, '', '', '', 0 FROM users JOIN pg_rewrite r ON r.oid = objid
    WHERE classid = 'pg_rewrite'::regclass AND ev_class = refobjid
    UNION ALL
    SELECT 'policy', polname::text, '', '', '', 0 FROM users JOIN pg_policy p ON p.oid = objid
    WHERE classid = 'pg_policy'::regclass
    UNION ALL
    SELECT 'function', objid::regprocedure::text, '', '', '', 0 FROM users WHERE classid = 'pg_proc'::regclass
) AS found ORDER BY place
"""
