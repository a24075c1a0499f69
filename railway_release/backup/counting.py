"""Counts and hashes rows as a snapshot has them, beside the dump."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from itertools import groupby

from railway_release.backup.manifest import TableContents
from railway_release.postgres.exported_snapshot import imported_snapshot
from railway_release.postgres.server import LIFT_TIMEOUTS
from railway_release.postgres.session import Connect, Connection, fetch
from railway_release.postgres.table_contents import SAME_TEXT, Relation, counts

Contents = dict[str, dict[str, TableContents]]

_SEQUENCE = "S"


@contextlib.contextmanager
def counted_beside(
    connect: Connect, snapshot: str, seen: Sequence[Relation], limit: int
) -> Iterator[Callable[[], Contents]]:
    """While entered, rows are counted in a thread; what it yields waits for the result.

    Tables of more than `limit` bytes are left out; 0 is without a limit. An error in the block ends it.
    """
    pool = ThreadPoolExecutor(1)
    with contextlib.closing(connect()) as connection:
        future: Future[Contents] = pool.submit(copy_context().run, count, connection, snapshot, seen, limit)
        try:
            yield future.result
        except BaseException:
            connection.cancel()
            raise
        finally:
            pool.shutdown()


def count(connection: Connection, snapshot: str, seen: Sequence[Relation], limit: int) -> Contents:
    """What each table of each schema holds; the locks of one schema go before the next one is read."""
    fetch(connection, LIFT_TIMEOUTS)
    prepare(connection)
    found: Contents = {}
    for schema, several in groupby(seen, key=lambda one: one.schema):
        tables = [one for one in several if one.kind != _SEQUENCE]
        with imported_snapshot(connection, snapshot):
            found[schema] = _contents(connection, tables, limit)
    return found


def prepare(connection: Connection) -> None:
    """Let rows have the text that they have everywhere."""
    connection.cursor().execute(SAME_TEXT)


def _contents(connection: Connection, tables: Sequence[Relation], limit: int) -> dict[str, TableContents]:
    small = [one for one in tables if one.has_rows and not (limit and one.size > limit)]
    numbers = dict(zip(small, counts(connection, small), strict=True))
    return {one.name: TableContents(one.kind, one.owner, *numbers.get(one, ())) for one in tables}
