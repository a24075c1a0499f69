"""Counts and hashes rows as a snapshot has them, beside the dump."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from itertools import groupby

from railway_release.backup.manifest import TableContents
from railway_release.postgres.exported_snapshot import imported_snapshot
from railway_release.postgres.server import LIFT_TIMEOUTS
from railway_release.postgres.session import Connect, Connection, fetch
from railway_release.postgres.table_contents import SAME_TEXT, Relation, counts, rewritten, sizes

Contents = dict[str, dict[str, TableContents]]
OnSizes = Callable[[Mapping[int, int]], None]

_SEQUENCE = "S"
_CANCEL_SECONDS = 0.2  # between two requests


@contextlib.contextmanager
def counted_beside(
    connect: Connect, snapshot: str, seen: Sequence[Relation], limit: int, on_sizes: OnSizes
) -> Iterator[Future[Contents]]:
    """While entered, rows are counted in a thread, which gives the result; an error in the block ends it.

    Tables of more than `limit` bytes are left out; 0 is without a limit. Before that, `on_sizes` is called
    with the size of each table in bytes, by its OID.
    """
    with contextlib.closing(connect()) as connection, ThreadPoolExecutor(1) as pool:
        future: Future[Contents] = pool.submit(
            copy_context().run, count, connection, snapshot, seen, limit, on_sizes
        )
        try:
            yield future
        except BaseException:
            while not wait([future], _CANCEL_SECONDS).done:
                with contextlib.suppress(Exception):  # the error that ended the block is to be told
                    connection.cancel()  # one that comes between two statements has no effect
            raise


def count(
    connection: Connection, snapshot: str, seen: Sequence[Relation], limit: int, on_sizes: OnSizes
) -> Contents:
    """What each table of each schema holds; the locks of one schema go before the next one is read."""
    fetch(connection, LIFT_TIMEOUTS)
    prepare(connection)
    on_sizes(found_sizes := sizes(connection, seen))
    large = {oid for oid, size in found_sizes.items() if limit and size > limit}
    found: Contents = {}
    for schema, several in groupby(seen, key=lambda one: one.schema):
        tables = [one for one in several if one.kind != _SEQUENCE]
        with imported_snapshot(connection, snapshot):
            found[schema] = _contents(connection, tables, large)
    return found


def prepare(connection: Connection) -> None:
    """Let rows have the text that they have everywhere."""
    connection.cursor().execute(SAME_TEXT)


def _contents(
    connection: Connection, tables: Sequence[Relation], large: Collection[int]
) -> dict[str, TableContents]:
    small = [one for one in tables if one.has_rows and one.oid not in large]
    # The dump may have the rows of a table that holds others, or none, by now.
    lost = rewritten(connection, small)
    small = [one for one in small if one not in lost]
    numbers = dict(zip(small, counts(connection, small), strict=True))
    for one in rewritten(connection, small):
        del numbers[one]
    return {one.name: TableContents(one.kind, one.owner, *numbers.get(one, ())) for one in tables}
