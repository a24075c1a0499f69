"""Names that are taken: what has a name in a schema that a statement is about to give to something else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from railway_release.postgres.session import Connection, fetch, quote


@dataclass(frozen=True)
class Holder:
    """What has the name: its kind as PostgreSQL calls it, and the table that it belongs to, if to any.

    Of a constraint and of the index behind one, `is_constraint` is true.
    """

    name: str
    kind: str
    table: str = ""
    is_constraint: bool = False

    def __str__(self) -> str:
        article = "an" if self.kind[0] in "aeiou" else "a"
        return f"{article} {self.kind}" + (f" of {self.table}" if self.table else "")

    def rename(self, schema: str, to: str) -> str:
        """The statement that gives it another name; `schema` is quoted."""
        if self.is_constraint:
            alter = f"ALTER TABLE {schema}.{quote(self.table)}"
            return f"{alter} RENAME CONSTRAINT {quote(self.name)} TO {quote(to)};"
        return f"ALTER {self.kind.upper()} {schema}.{quote(self.name)} RENAME TO {quote(to)};"

    def drop(self, schema: str) -> str:
        """The statement that drops it; empty for what may hold rows."""
        if self.is_constraint:
            return f"ALTER TABLE {schema}.{quote(self.table)} DROP CONSTRAINT {quote(self.name)};"
        if self.kind not in ("index", "sequence", "type", "view"):
            return ""
        return f"DROP {self.kind.upper()} {schema}.{quote(self.name)};"


def relations(connection: Connection, names: Mapping[str, Collection[str]]) -> dict[tuple[str, str], Holder]:
    """By schema and name, the tables, indexes, sequences and types that have one of a schema's names."""
    asked = sorted({name for some in names.values() for name in some})
    schemas = sorted(names)
    found = fetch(connection, _RELATIONS, (schemas, asked) * 2) if asked else ()
    return {(schema, row[0]): Holder(*row) for schema, *row in found if row[0] in names[schema]}


def constraints(
    connection: Connection, names: Mapping[str, Collection[tuple[str, str]]]
) -> dict[tuple[str, str, str], Holder]:
    """By schema, table and name, the constraints that have one of these names, of a table and schema."""
    asked = sorted({name for some in names.values() for _, name in some})
    found = fetch(connection, _CONSTRAINTS, (sorted(names), asked)) if asked else ()
    held = ((schema, Holder(*row)) for schema, *row in found)
    return {
        (schema, one.table, one.name): one for schema, one in held if (one.table, one.name) in names[schema]
    }


# A table's own type has its name; that of an array has another one.
_RELATIONS = """
SELECT n.nspname::text, c.relname::text, CASE c.relkind
    WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view'
    WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type'
    ELSE 'table' END, coalesce(t.relname::text, ''), o.oid IS NOT NULL
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = c.oid LEFT JOIN pg_catalog.pg_class t ON t.oid = x.indrelid
LEFT JOIN pg_catalog.pg_constraint o ON o.conindid = c.oid AND o.contype IN ('p', 'u', 'x')
WHERE n.nspname = ANY(%s) AND c.relname = ANY(%s)
UNION ALL
SELECT n.nspname::text, t.typname::text, 'type', '', false
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = ANY(%s) AND t.typname = ANY(%s) AND t.typrelid = 0 AND t.typcategory <> 'A'
"""
_CONSTRAINTS = """
SELECT n.nspname::text, conname::text, CASE contype
    WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique constraint'
    WHEN 'f' THEN 'foreign key' WHEN 'x' THEN 'exclusion constraint' ELSE 'check' END, c.relname::text, true
FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_class c ON c.oid = o.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%s) AND conname = ANY(%s)
"""
