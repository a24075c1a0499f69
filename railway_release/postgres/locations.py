"""In which schemas relations and sequences exist, and what one schema contains; one statement each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from railway_release.postgres.session import Connection, fetch
from railway_release.postgres.shape_queries import TABLES


def relations(connection: Connection, names: Collection[str]) -> frozenset[tuple[str, str]]:
    """Schema and name of each table, view, index or sequence that has one of these names."""
    return frozenset((schema, name) for schema, name in fetch(connection, _RELATIONS, (sorted(names),)))


def tables_of(connection: Connection, schema: str) -> frozenset[str]:
    """The names of the tables and views of one schema."""
    return frozenset(name for _, name, *_ in fetch(connection, TABLES, (schema,)))


def commented(connection: Connection, text: str) -> frozenset[str]:
    """The schemas that have this text as their comment."""
    return frozenset(name for (name,) in fetch(connection, _COMMENTED, (text,)))


def used_tables(connection: Connection, schema: str, names: Collection[str]) -> dict[str, bool]:
    """The tables of these names in a schema, and whether each of them has ever held rows.

    Estimated from pg_class (pages on disk, rows at the last ANALYZE), so that no table is opened.
    """
    return dict(fetch(connection, _USED, (schema, sorted(names))))


@dataclass(frozen=True)
class Extension:
    """An extension, the schema that its objects are in, and whether they can be moved to another."""

    name: str
    schema: str
    movable: bool


def extensions(connection: Connection, schemas: Collection[str]) -> list[Extension]:
    """The extensions in these schemas."""
    return [Extension(*row) for row in fetch(connection, _EXTENSIONS, (sorted(schemas),))]


@dataclass(frozen=True)
class OwnedSequence:
    """A serial or identity column, and the last value of its sequence; None before the first one."""

    schema: str
    table: str
    column: str
    sequence: str
    last: int | None


def owned_sequences(connection: Connection, schemas: Collection[str]) -> list[OwnedSequence]:
    """The sequences of the serial and identity columns of these schemas."""
    return [OwnedSequence(*row) for row in fetch(connection, _OWNED, (sorted(schemas),))]


_RELATIONS = """
SELECT n.nspname::text, c.relname::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = ANY(%s)
"""
_COMMENTED = """
SELECT n.nspname::text FROM pg_catalog.pg_namespace n
WHERE pg_catalog.obj_description(n.oid, 'pg_namespace') = %s
"""
_EXTENSIONS = """
SELECT e.extname::text, n.nspname::text, e.extrelocatable
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE n.nspname = ANY(%s) ORDER BY 1
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
