"""Foreign keys in the catalog: which ones reference a table, and what deleting from it locks.

To check a key, PostgreSQL reads the table that the key is on, and locks it and its indexes until the
transaction ends.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from railway_release.postgres.session import Queryable, fetch

TableName = tuple[str, str]  # schema and table


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key that references one of the tables that were asked for."""

    target: str  # the referenced table
    schema: str
    table: str
    only: bool  # whether ONLY may be used, since the table is not partitioned
    name: str
    action: str  # of ON DELETE, as in pg_constraint.confdeltype
    columns: tuple[str, ...]
    targets: tuple[str, ...]  # the referenced columns
    set: tuple[str, ...]  # the columns that SET NULL and SET DEFAULT change


def pointing_at(connection: Queryable, schema: str, tables: Collection[str]) -> list[ForeignKey]:
    """All foreign keys, of any schema, that reference these tables; without those that are NOT ENFORCED."""
    return [
        ForeignKey(*row[:6], *(tuple(names) for names in row[6:]))
        for row in fetch(connection, _POINTING_AT, (schema, sorted(tables)))
    ]


def referenced(connection: Queryable, schema: str) -> frozenset[str]:
    """The tables of this schema that any foreign key references."""
    return frozenset(name for (name,) in fetch(connection, _REFERENCED, (schema,)))


def locks(connection: Queryable, changed: Collection[TableName], checked: Collection[TableName]) -> int:
    """How many relations are locked by changing rows of `changed`, and checking the keys to `checked`."""
    ((number,),) = fetch(connection, _LOCKS, (*_columns(changed), *_columns(checked)))
    return int(number)


def counts(connection: Queryable, schema: str, tables: Collection[str]) -> dict[str, int]:
    """How many foreign keys reference each of these tables; without tables that none references."""
    return dict(fetch(connection, _COUNTS, (schema, sorted(tables)))) if tables else {}


def most_checked(connection: Queryable, schema: str) -> tuple[str, int] | None:
    """The table of this schema whose deletions lock most, and how many relations that is."""
    rows = fetch(connection, _MOST_CHECKED, (schema,))
    return (str(rows[0][0]), int(rows[0][1])) if rows else None


def obstacles(connection: Queryable, schema: str, tables: Sequence[str]) -> dict[str, str]:
    """Why rows of these tables may not be deleted with session_replication_role = replica, by table.

    Either more than foreign keys would be skipped, or rows that reference them cannot be seen. One reason in
    words for each table that has any.
    """
    return dict(fetch(connection, _OBSTACLES, (schema, list(tables))))


def may_skip_checks(connection: Queryable) -> bool:
    """Whether the current role may set session_replication_role."""
    ((version, superuser),) = fetch(
        connection,
        "SELECT current_setting('server_version_num')::int / 10000, rolsuper"
        " FROM pg_catalog.pg_roles WHERE rolname = current_user",
    )
    if superuser or version < 15:  # noqa: PLR2004 - the first version with privileges on settings
        return bool(superuser)
    asked = "SELECT has_parameter_privilege('session_replication_role', 'SET')"
    return bool(fetch(connection, asked)[0][0])


def _columns(places: Collection[TableName]) -> tuple[list[str], list[str]]:
    ordered = sorted(places)
    return [schema for schema, _ in ordered], [table for _, table in ordered]


_NAMES = """ARRAY(
        SELECT a.attname::text FROM unnest({numbers}) WITH ORDINALITY AS key(number, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = {table} AND a.attnum = key.number ORDER BY place)"""
# Columns that only newer servers have are read through JSON.
_SET = "translate(coalesce(to_jsonb(k) ->> 'confdelsetcols', to_jsonb(k) ->> 'conkey'), '[]', '{}')::int2[]"
_POINTING_AT = f"""
SELECT t.relname::text, n.nspname::text, c.relname::text, c.relkind <> 'p', k.conname::text,
    k.confdeltype::text,
    {_NAMES.format(numbers="k.conkey", table="k.conrelid")},
    {_NAMES.format(numbers="k.confkey", table="k.confrelid")},
    CASE WHEN k.confdeltype IN ('n', 'd') THEN {_NAMES.format(numbers=_SET, table="k.conrelid")}
    ELSE '{{}}' END
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class t ON t.oid = k.confrelid
JOIN pg_catalog.pg_namespace s ON s.oid = t.relnamespace
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND s.nspname = %s AND t.relname = ANY(%s)
  AND to_jsonb(k) ->> 'conenforced' IS DISTINCT FROM 'false'
ORDER BY 1, 2, 3, 5
"""  # noqa: S608 - constants
_COUNTS = """
SELECT c.relname::text, count(*)::int FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.confrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND n.nspname = %s AND c.relname = ANY(%s) GROUP BY c.relname
"""
_MOST_CHECKED = """
WITH indexes AS MATERIALIZED (
    SELECT indrelid, count(*) AS number FROM pg_catalog.pg_index GROUP BY indrelid)
SELECT c.relname::text, (count(*) + sum(coalesce(i.number, 0)))::int
FROM (SELECT DISTINCT confrelid, conrelid FROM pg_catalog.pg_constraint WHERE contype = 'f') AS k
JOIN pg_catalog.pg_class c ON c.oid = k.confrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN indexes i ON i.indrelid = k.conrelid
WHERE n.nspname = %s GROUP BY c.oid, c.relname ORDER BY 2 DESC, 1 LIMIT 1
"""
_REFERENCED = """
SELECT relname::text FROM pg_catalog.pg_class
WHERE relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = %s)
  AND oid IN (SELECT confrelid FROM pg_catalog.pg_constraint WHERE contype = 'f')
"""
_PLACES = """
    SELECT c.oid FROM unnest(%s::text[], %s::text[]) AS place(schema, name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = place.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = place.name"""
_LOCKS = f"""
WITH tables AS MATERIALIZED ({_PLACES}
    UNION
    SELECT conrelid FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confrelid IN ({_PLACES}))
SELECT (SELECT count(*) FROM tables)
    + (SELECT count(*) FROM pg_catalog.pg_index WHERE indrelid IN (SELECT oid FROM tables))
"""  # noqa: S608 - constants
# A trigger that is enabled for the origin alone would be skipped; one for replicas alone would be run.
# 8 is TRIGGER_TYPE_DELETE: https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_trigger.h
_OBSTACLES = """
WITH targets AS MATERIALIZED (
    SELECT c.* FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relname = ANY(%s)),
reasons (target, reason) AS (
    SELECT tgrelid, 'its trigger ' || quote_ident(tgname) || ' would not be run as it is otherwise'
    FROM pg_catalog.pg_trigger WHERE NOT tgisinternal AND tgtype & 8 <> 0 AND tgenabled IN ('O', 'R')
    UNION ALL
    SELECT ev_class, 'its rule ' || quote_ident(rulename) || ' would not be followed as it is otherwise'
    FROM pg_catalog.pg_rewrite WHERE ev_type = '4' AND ev_enabled IN ('O', 'R')
    UNION ALL
    SELECT oid, 'it has partitions or heirs' FROM targets
    WHERE relkind = 'p' OR relispartition OR relhassubclass
    UNION ALL
    SELECT confrelid, 'the role cannot see all rows of ' || conrelid::regclass
    FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    WHERE contype = 'f' AND confrelid IN (SELECT oid FROM targets) AND NOT (
        has_schema_privilege(c.relnamespace, 'USAGE') AND has_table_privilege(conrelid, 'SELECT')
        AND NOT row_security_active(conrelid))
)
SELECT relname::text, min(reason) FROM reasons JOIN targets ON targets.oid = target GROUP BY relname
"""
