"""In which schemas relations, rows and sequences exist, and what one schema contains."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from railway_release.postgres.batch_reader import BatchReader, escaped
from railway_release.postgres.session import Connection, fetch, quote
from railway_release.postgres.shape_queries import TABLES


def relations(connection: Connection, names: Collection[str]) -> frozenset[tuple[str, str]]:
    """Schema and name of each table, view, index or sequence that has one of these names."""
    return frozenset((schema, name) for schema, name in fetch(connection, _RELATIONS, (sorted(names),)))


def constraints(connection: Connection, names: Collection[str]) -> frozenset[tuple[str, str, str]]:
    """Schema, table and name of each constraint that has one of these names."""
    rows = fetch(connection, _CONSTRAINTS, (sorted(names),)) if names else ()
    return frozenset((schema, table, name) for schema, table, name in rows)


def tables_of(connection: Connection, schema: str) -> frozenset[str]:
    """The names of the tables and views of one schema."""
    return frozenset(name for _, name, *_ in fetch(connection, TABLES, (schema,)))


def commented(connection: Connection, text: str) -> frozenset[str]:
    """The schemas that have this text as their comment."""
    return frozenset(name for (name,) in fetch(connection, _COMMENTED, (text,)))


def schemas_with_rows(
    reader: BatchReader, table: str, schemas: Collection[str]
) -> tuple[list[str], list[str]]:
    """The schemas in which the table holds rows, and those in which it cannot be read."""
    named = escaped(quote(table))
    select = f"(SELECT {{literal}}, EXISTS (SELECT FROM {{schema}}.{named}))"  # noqa: S608 - quoted
    unreadable: dict[str, str] = {}
    answers = list(reader.read(sorted(set(schemas)), select, unreadable))
    return [schema for schema, any_row in answers if any_row], [*unreadable]


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


_CONSTRAINTS = """
SELECT nspname::text, relname::text, conname::text FROM pg_catalog.pg_constraint
JOIN pg_catalog.pg_class c ON c.oid = conrelid JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
WHERE conname::text = ANY(%s)
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
_EXTENSIONS = """
SELECT e.extname::text, n.nspname::text, e.extrelocatable
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE n.nspname = ANY(%s) ORDER BY 1
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
