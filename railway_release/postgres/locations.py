"""Places: in which schemas something lies, and what lies in one of them; one statement each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from railway_release.postgres.session import Connection, fetch
from railway_release.postgres.shape_queries import TABLES


def columns(
    connection: Connection, tables: Collection[str], names: Collection[str]
) -> frozenset[tuple[str, str, str]]:
    """Schema, table and column, for each of these columns in each of these tables."""
    rows = fetch(connection, _COLUMNS, (sorted(tables), sorted(names)))
    return frozenset((schema, table, column) for schema, table, column in rows)


def relations(connection: Connection, names: Collection[str]) -> frozenset[tuple[str, str]]:
    """Schema and name of each table, view, index or sequence that has one of these names."""
    return frozenset((schema, name) for schema, name in fetch(connection, _RELATIONS, (sorted(names),)))


def tables(connection: Connection, schema: str) -> frozenset[str]:
    """The tables and views of one schema, whatever else there is."""
    return frozenset(name for _, name, *_ in fetch(connection, TABLES, (schema,)))


def commented(connection: Connection, text: str) -> frozenset[str]:
    """The schemas with this comment."""
    return frozenset(name for (name,) in fetch(connection, _COMMENTED, (text,)))


def used_tables(connection: Connection, schema: str, names: Collection[str]) -> dict[str, bool]:
    """Which of these tables a schema has, and whether each has ever held rows.

    The server's own notes answer that (pages on disk, rows at the last ANALYZE); no table is opened.
    """
    return dict(fetch(connection, _USED, (schema, sorted(names))))


@dataclass(frozen=True)
class Owned:
    """A column that a sequence fills, and where that sequence stands; None before its first value."""

    schema: str
    table: str
    column: str
    sequence: str
    last: int | None


def owned_sequences(connection: Connection, schemas: Collection[str]) -> list[Owned]:
    """The sequences that serial and identity columns of these schemas own."""
    return [Owned(*row) for row in fetch(connection, _OWNED, (sorted(schemas),))]


_COLUMNS = """
SELECT n.nspname::text, c.relname::text, a.attname::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
WHERE c.relname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND a.attname = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
"""
_RELATIONS = """
SELECT n.nspname::text, c.relname::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = ANY(%s)
"""
_COMMENTED = """
SELECT n.nspname::text FROM pg_catalog.pg_namespace n
WHERE pg_catalog.obj_description(n.oid, 'pg_namespace') = %s
"""
_USED = """
SELECT c.relname::text, c.relpages > 0 OR c.reltuples > 0
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = ANY(%s) AND c.relkind IN ('r', 'p')
"""
# 'a' is a serial column's sequence, 'i' an identity column's:
# https://www.postgresql.org/docs/current/catalog-pg-depend.html
_OWNED = """
SELECT n.nspname::text, c.relname::text, a.attname::text, s.relname::text, pg_sequence_last_value(s.oid)
FROM pg_catalog.pg_class s
JOIN pg_catalog.pg_depend d ON d.objid = s.oid AND d.classid = 'pg_catalog.pg_class'::regclass
  AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
JOIN pg_catalog.pg_class c ON c.oid = d.refobjid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
WHERE s.relkind = 'S' AND n.nspname = ANY(%s)
"""
