"""What tables hold, as one number of rows and one digest each, that are equal wherever the rows are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from railway_release.postgres.session import Queryable, fetch, quote

# What a row's text depends on, but for the server's version.
SAME_TEXT = "; ".join(
    f"SET SESSION {setting}"
    for setting in (
        "TimeZone = 'UTC'",
        "DateStyle = 'ISO, YMD'",
        "IntervalStyle = 'iso_8601'",
        "extra_float_digits = 1",
        "bytea_output = 'hex'",
        "row_security = off",
        "search_path = pg_catalog",
    )
)
EMPTY = (0, "0")  # rows and digest of a table without rows
_TABLES_AT_ONCE = 50  # in one statement, which locks them and their indexes until its transaction ends


@dataclass(frozen=True)
class Relation:
    """A table, view, sequence or the like, as pg_dump finds it."""

    schema: str
    name: str
    kind: str  # as pg_class.relkind
    owner: str
    oid: int
    estimated_size: int  # bytes on disk, as its last VACUUM or ANALYZE has found it
    file: int | None  # where its rows are, as pg_relation_filenode() has it

    @property
    def has_rows(self) -> bool:
        """Whether it is an ordinary table: others hold no rows of their own, or no lasting ones."""
        return self.kind == "r"


def relations(connection: Queryable, schemas: Collection[str]) -> list[Relation]:
    """Every relation of these schemas that pg_dump dumps; members of extensions are none of them."""
    return [Relation(*row) for row in fetch(connection, _RELATIONS, (sorted(schemas),))]


def sizes(connection: Queryable, seen: Sequence[Relation]) -> dict[int, int]:
    """The bytes on disk of each table by its OID, with what is stored out of line; 0 where no row can be.

    The server opens each of them for that, which takes a second for some ten thousand.
    """
    return dict(fetch(connection, _SIZES, ([one.oid for one in seen if one.kind in "rm"],)))


def existing(connection: Queryable, schemas: Collection[str]) -> tuple[str, ...]:
    """Those of the schemas that exist, by name."""
    sql = "SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname = ANY(%s) ORDER BY nspname"
    return tuple(name for (name,) in fetch(connection, sql, (sorted(schemas),)))


def counts(connection: Queryable, tables: Sequence[Relation]) -> list[tuple[int, str]]:
    """Number of rows and digest of each ordinary table; the session has SAME_TEXT."""
    found: list[tuple[int, str]] = []
    for first in range(0, len(tables), _TABLES_AT_ONCE):
        some = tables[first : first + _TABLES_AT_ONCE]
        sql = " UNION ALL ".join(
            f"SELECT {number}, count(*), {_DIGEST} FROM ONLY {quote(one.schema)}.{quote(one.name)} AS t"  # noqa: S608 - quoted
            for number, one in enumerate(some)
        )
        found += [(rows, digest) for _, rows, digest in sorted(fetch(connection, sql))]
    return found


def rewritten(connection: Queryable, tables: Sequence[Relation]) -> list[Relation]:
    """Those of the tables that were truncated, rewritten or dropped since they were seen.

    An older snapshot finds no rows in such a table, without a word. A table that was locked before this is
    asked stays as it is: https://www.postgresql.org/docs/current/mvcc-caveats.html
    """
    found = fetch(connection, _FILES, ([one.oid for one in tables],))
    return [one for one, (file,) in zip(tables, found, strict=True) if file != one.file]


def are_renamed_or_gone(connection: Queryable, seen: Sequence[Relation]) -> bool:
    """Whether one of these relations is no longer there under its name; nothing is waited for."""
    there = fetch(connection, _NAMES, ([one.oid for one in seen],))
    return not {(one.schema, one.name, one.oid) for one in seen}.issubset(there)


def extensions(connection: Queryable) -> list[tuple[str, str, str]]:
    """Name, schema and version of each extension but plpgsql, which every database has."""
    return [tuple(map(str, row)) for row in fetch(connection, _EXTENSIONS)]  # type: ignore[misc]  # three columns


_DIGEST = "coalesce(sum(pg_catalog.hashtextextended((t.*)::text, 0)::numeric), 0)::text"
_RELATIONS = """
SELECT n.nspname::text, c.relname::text, c.relkind::text, pg_catalog.pg_get_userbyid(c.relowner)::text,
    c.oid::bigint,
    (greatest(c.relpages, 0) + greatest(t.relpages, 0)) * current_setting('block_size')::bigint,
    nullif(c.relfilenode, 0)::bigint
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid
WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
    AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
"""
# A table that was dropped meanwhile has none. One without any rows yet may have some bytes for those that
# would be stored out of line.
_SIZES = """
SELECT t.oid, CASE pg_catalog.pg_relation_size(t.oid::oid) WHEN 0 THEN 0
    ELSE coalesce(pg_catalog.pg_table_size(t.oid::oid), 0) END
FROM unnest(%s::bigint[]) AS t (oid)
"""
_NAMES = """
SELECT n.nspname::text, c.relname::text, c.oid::bigint
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY(%s::bigint[]::oid[])
"""
# The function looks at what is there now, whatever the transaction's snapshot is.
_FILES = """
SELECT pg_catalog.pg_relation_filenode(t.oid::oid)::bigint
FROM unnest(%s::bigint[]) WITH ORDINALITY AS t (oid, number) ORDER BY t.number
"""
_EXTENSIONS = """
SELECT e.extname, n.nspname, e.extversion
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname <> 'plpgsql' ORDER BY e.oid
"""
