"""Counts and hashes rows as a snapshot has them, beside the dump."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from itertools import groupby

from railway_release.backup.manifest import TableContents
from railway_release.postgres.exported_snapshot import imported_snapshot
from railway_release.postgres.session import Connect, Connection
from railway_release.postgres.table_contents import (
    EMPTY,
    SAME_TEXT,
    Relation,
    counts,
    rewritten,
    sizes,
)

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
    prepare(connection)
    on_sizes(bytes_of := sizes(connection, seen))
    found: Contents = {}
    for schema, several in groupby(seen, key=lambda one: one.schema):
        tables = [one for one in several if one.kind != _SEQUENCE]
        small = [one for one in tables if one.has_rows and not (limit and bytes_of[one.oid] > limit)]
        with imported_snapshot(connection, snapshot):
            numbers = _numbers(connection, small, bytes_of)
        found[schema] = {
            one.name: TableContents(one.kind, one.owner, *numbers.get(one, ())) for one in tables
        }
    return found


def prepare(connection: Connection) -> None:
    """Let rows have the text that they have everywhere."""
    connection.cursor().execute(SAME_TEXT)


def _numbers(
    connection: Connection, tables: Sequence[Relation], bytes_of: Mapping[int, int]
) -> dict[Relation, tuple[int, str]]:
    """Rows and digest of each table whose rows are still those of the snapshot."""
    # The dump may have the rows of a table that holds others, or none, by now.
    lost = rewritten(connection, tables)
    kept = [one for one in tables if one not in lost]
    # Many tables of many tenants are empty, and nothing takes away rows that the snapshot has.
    filled = [one for one in kept if bytes_of[one.oid]]
    numbers = dict.fromkeys(kept, EMPTY) | dict(zip(filled, counts(connection, filled), strict=True))
    for one in rewritten(connection, filled):
        del numbers[one]
    return numbers
