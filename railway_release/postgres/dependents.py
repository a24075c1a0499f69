"""What uses a column, so that the server refuses to change its type or to drop it while that is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from railway_release.postgres import deparse
from railway_release.postgres.session import Connection, fetch, quote

_OF_EXPRESSIONS = ("index", "check", "policy")  # which may have no meaning for another type
_KEPT = ("view", "function", "rule", "policy", "trigger")  # what can be made again as it was
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
    here = f"{quote(schema)}.{quote(table)}"
    source = f"FROM (SELECT {others}{cast} FROM ONLY {here}) AS {quote(table)}"  # noqa: S608 - quoted
    named = [one for one in rows if one.kind in _OF_EXPRESSIONS]
    lost = [one for one in named if not _fits(connection, one, source)]
    lost += [
        one for one in rows if one.kind in ("opclass", "foreign key") and kind_of(one.text) != kind_of(type)
    ]
    kept = [one for one in rows if one.kind in _KEPT]
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
    kept = [one for one in rows if one.kind in _KEPT]
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
    return _unique(f"{one.kind} {one.name}" for one in rows if one.kind == "publication")


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
    WHERE classid = 'pg_rewrite'::regclass AND rulename = '_RETURN'
    UNION
    SELECT ev_class, depth + 1 FROM views JOIN pg_depend d ON refobjid = views.oid
        AND refclassid = 'pg_class'::regclass AND classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = objid AND rulename = '_RETURN' WHERE ev_class <> views.oid
),
relying AS (
    SELECT classid, objid FROM users UNION
    SELECT classid, objid FROM views JOIN pg_depend
        ON refobjid = views.oid AND refclassid = 'pg_class'::regclass
),
states(state, verb) AS (
    VALUES ('D'::"char", 'DISABLE'), ('A', 'ENABLE ALWAYS'), ('R', 'ENABLE REPLICA')
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
    SELECT 'view', c.oid::regclass::text,
        format('DROP %%sVIEW %%s;', CASE relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END, c.oid::regclass),
        format('CREATE %%sVIEW %%s%%s AS %%s', CASE relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END,
            c.oid::regclass, ' WITH (' || array_to_string(reloptions, ', ') || ')',
            CASE WHEN pg_get_viewdef(c.oid) ~ '[''"]' THEN pg_get_viewdef(c.oid)
                ELSE btrim(regexp_replace(pg_get_viewdef(c.oid), '[[:space:]]+', ' ', 'g')) END)
            || coalesce((SELECT ' ' || string_agg(pg_get_indexdef(indexrelid) || ';', ' ')
                FROM pg_index WHERE indrelid = c.oid), '')
            || CASE WHEN relowner <> current_user::regrole
                THEN format(' ALTER TABLE %%s OWNER TO %%s;', c.oid::regclass, relowner::regrole) ELSE '' END
            || coalesce((SELECT string_agg(format(' GRANT %%s ON %%s TO %%s%%s;',
                    privilege_type, c.oid::regclass,
                    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
                    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '')
                FROM aclexplode(relacl) WHERE grantee <> relowner), ''), '', max(depth)
    FROM views JOIN pg_class c ON c.oid = views.oid GROUP BY c.oid, relkind, reloptions, relowner, relacl
    UNION ALL
    SELECT 'function', objid::regprocedure::text,
        format('DROP %%s %%s;', CASE prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,
            objid::regprocedure),
        pg_get_functiondef(objid) || ';', '', 1000
    FROM relying JOIN pg_proc p ON p.oid = objid WHERE classid = 'pg_proc'::regclass
    UNION ALL
    SELECT 'rule', rulename::text, format('DROP RULE %%I ON %%s;', rulename, ev_class::regclass),
        pg_get_ruledef(r.oid) || coalesce((
            SELECT format(' ALTER TABLE %%s %%s RULE %%I;', ev_class::regclass, verb, rulename)
            FROM states WHERE state = ev_enabled), ''), '', 1001
    FROM relying JOIN pg_rewrite r ON r.oid = objid
    WHERE classid = 'pg_rewrite'::regclass AND rulename <> '_RETURN'
    UNION ALL
    SELECT 'policy', polname::text, format('DROP POLICY %%I ON %%s;', polname, polrelid::regclass),
        format('CREATE POLICY %%I ON %%s AS %%s FOR %%s TO %%s%%s%%s;', polname, polrelid::regclass,
            CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
            CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
            (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE role::regrole::text END, ', ')
                FROM unnest(polroles) AS role),
            ' USING (' || pg_get_expr(polqual, polrelid) || ')',
            ' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')'),
        concat_ws(', ', pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)), 1002
    FROM relying JOIN pg_policy p ON p.oid = objid WHERE classid = 'pg_policy'::regclass
    UNION ALL
    SELECT 'trigger', tgname::text, format('DROP TRIGGER %%I ON %%s;', tgname, tgrelid::regclass),
        pg_get_triggerdef(t.oid) || ';' || coalesce((
            SELECT format(' ALTER TABLE %%s %%s TRIGGER %%I;', tgrelid::regclass, verb, tgname)
            FROM states WHERE state = tgenabled), ''), '', 1003
    FROM relying JOIN pg_trigger t ON t.oid = objid
    WHERE classid = 'pg_trigger'::regclass AND NOT tgisinternal
    UNION ALL
    SELECT 'publication', pubname::text, '', '', '', 0
    FROM users JOIN pg_publication_rel r ON r.oid = objid JOIN pg_publication p ON p.oid = prpubid
    WHERE classid = 'pg_publication_rel'::regclass
) AS found ORDER BY place
"""
