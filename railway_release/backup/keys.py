"""Adds foreign keys to a restored schema; the rows that they point to may have been deleted since."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from railway_release.errors import RestoreFailed
from railway_release.postgres.failures import sqlstate
from railway_release.postgres.session import Connection, fetch, quote
from railway_release.runtime.text import count, some

_FOREIGN_KEY_VIOLATION = "23503"
_WRONG_OBJECT_TYPE = "42809"
_MOST_VALUES = 5


@dataclass(frozen=True)
class Orphans:
    """Rows of a table that point to rows which are gone."""

    key: str  # the constraint, with its table
    target: str  # the table in which rows are gone
    number: int  # of the rows that point there
    values: tuple[str, ...]  # some of what they point to

    def __str__(self) -> str:
        rows, gone = count(self.number, "row"), some(self.values)
        return f"{self.key}: {rows} of it point to rows of {self.target} that are gone ({gone})"


def add(connection: Connection, sql: bytes) -> list[Orphans]:
    """Add a key; NOT VALID if rows that it points to are gone, which are returned."""
    cursor = connection.cursor()
    cursor.execute("SAVEPOINT key")
    orphans: list[Orphans] = []
    try:
        cursor.execute(sql)  # type: ignore[arg-type]  # bytes, in the archive's own encoding
    except Exception as error:
        if sqlstate(error) != _FOREIGN_KEY_VIOLATION:
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT key")
        before = _not_valid(connection)
        _add_not_valid(connection, sql, " ".join(str(error).split()))
        orphans = [_orphans(connection, *key) for key in _not_valid(connection) - before]
    cursor.execute("RELEASE SAVEPOINT key")
    return orphans


def _add_not_valid(connection: Connection, sql: bytes, why: str) -> None:
    try:
        connection.cursor().execute(sql[: sql.rindex(b";\n")] + b" NOT VALID")  # type: ignore[arg-type]  # as above
    except Exception as error:
        if sqlstate(error) != _WRONG_OBJECT_TYPE:
            raise
        raise RestoreFailed(
            why,
            "Bring these rows back first: before PostgreSQL 18, a partitioned table takes no key NOT VALID.",
        ) from error


def check(orphans: Iterable[Orphans], not_valid: bool) -> None:
    """Raise RestoreFailed, which names all these rows, unless `not_valid` allows them."""
    if not not_valid and (text := "\n".join(map(str, orphans))):
        raise RestoreFailed(
            text, "Bring these rows back first, or add the keys without checking what is there: --not-valid."
        )


def _not_valid(connection: Connection) -> set[tuple[str, str, str, str]]:
    """Name, table, referenced table and condition of each key that is NOT VALID."""
    return {tuple(map(str, row)) for row in fetch(connection, _NOT_VALID)}  # type: ignore[misc]  # four columns


def _orphans(connection: Connection, name: str, table: str, target: str, condition: str) -> Orphans:
    columns, matches = condition.split("|", 1)
    ((number, values),) = fetch(
        connection,
        f"SELECT count(*), (array_agg(DISTINCT concat_ws(', ', {columns})))[1:{_MOST_VALUES + 1}] "  # noqa: S608 - quoted by the server
        f"FROM {table} AS c WHERE num_nulls({columns}) = 0 "
        f"AND NOT EXISTS (SELECT FROM {target} AS p WHERE {matches})",
    )
    return Orphans(f"{quote(name)} of {table}", target, number, tuple(values or ()))


_NOT_VALID = """
SELECT k.conname, format('%I.%I', own.nspname, o.relname), format('%I.%I', its.nspname, r.relname), (
    SELECT string_agg(format('c.%I', a.attname), ', ' ORDER BY n)
        || '|' || string_agg(format('c.%I = p.%I', a.attname, b.attname), ' AND ' ORDER BY n)
    FROM unnest(k.conkey, k.confkey) WITH ORDINALITY AS pair (own, other, n)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = pair.own
    JOIN pg_catalog.pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = pair.other)
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class o ON o.oid = k.conrelid JOIN pg_catalog.pg_namespace own ON own.oid = o.relnamespace
JOIN pg_catalog.pg_class r ON r.oid = k.confrelid JOIN pg_catalog.pg_namespace its ON its.oid = r.relnamespace
WHERE k.contype = 'f' AND NOT k.convalidated
"""
