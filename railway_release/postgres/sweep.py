"""Sweep: the same question to the same tables of every schema, in batches, on a few connections at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

from railway_release.postgres.failures import describe, sqlstate
from railway_release.postgres.session import Connection, fetch, literal, quote

Rows = list[tuple[Any, ...]]

# One statement takes a lock on each table and index it reads, and lock slots are few: 64 for each connection.
_BATCH = 50
# Without a privilege, with another table of that name, or behind a lock: that schema's trouble alone.
_UNREADABLE = {"42501", "42703", "42804", "55P03"}


class Sweep:
    """Asks on `connection`, and for many schemas on up to `most` connections, which `another` opens.

    The server opens tables for the first time in a session at some tenth of a millisecond each, which is
    nearly all that a sweep takes; so it is worth to let several sessions do it.
    """

    def __init__(
        self, connection: Connection, another: Callable[[], Connection] | None = None, most: int = 1
    ) -> None:
        self.connection = connection
        self._connections = [connection]
        self._another = another
        self._most = most

    def ask(
        self, schemas: Sequence[str], select: str, unreadable: dict[str, str]
    ) -> Iterator[tuple[Any, ...]]:
        """The rows of `select`, in which {schema} and {literal} stand for a name, from each schema.

        A schema in which it cannot be asked goes to `unreadable`, with the reason.
        """
        batches = [schemas[start : start + _BATCH] for start in range(0, len(schemas), _BATCH)]
        self._open(len(batches))
        for rows in self._in_parallel(batches, lambda one, batch: _read(one, batch, select, unreadable)):
            yield from rows

    def _open(self, wanted: int) -> None:
        while self._another is not None and len(self._connections) < min(wanted, self._most):
            try:
                self._connections.append(self._another())
            except Exception:  # noqa: BLE001 - too few are left, say; those that we have do it alone
                self._another = None

    def _in_parallel(
        self, batches: list[Sequence[str]], read: Callable[[Connection, Sequence[str]], Rows]
    ) -> Iterator[Rows]:
        if len(self._connections) == 1:
            yield from (read(self.connection, batch) for batch in batches)
            return
        idle: SimpleQueue[Connection] = SimpleQueue()
        for connection in self._connections:
            idle.put(connection)

        def work(batch: Sequence[str]) -> Rows:
            connection = idle.get()
            try:
                return read(connection, batch)
            finally:
                idle.put(connection)

        with ThreadPoolExecutor(len(self._connections)) as pool:
            try:
                found = list(pool.map(work, batches))
            except BaseException:
                self._cancel()  # nobody waits for a read that is stuck behind a lock
                raise
        yield from found

    def _cancel(self) -> None:
        for connection in self._connections:
            with contextlib.suppress(Exception):
                connection.cancel()


def _read(connection: Connection, schemas: Sequence[str], select: str, unreadable: dict[str, str]) -> Rows:
    """What can be read, so that one schema's trouble stays its own."""
    parts = (select.format(literal=literal(name), schema=quote(name)) for name in schemas)
    try:
        return fetch(connection, " UNION ALL ".join(parts))
    except Exception as error:
        if sqlstate(error) not in _UNREADABLE:
            raise
        if len(schemas) == 1:
            unreadable[schemas[0]] = describe(error)
            return []
    return [row for name in schemas for row in _read(connection, [name], select, unreadable)]
