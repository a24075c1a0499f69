"""Reads the same tables of many schemas, in batches of schemas, on a few connections at once."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from itertools import chain
from threading import Event
from typing import Any, TypeVar

from railway_release.postgres.failures import LOCK_NOT_AVAILABLE, OUT_OF_MEMORY, describe, sqlstate
from railway_release.postgres.session import Connection, fetch, literal, quote

Rows = list[tuple[Any, ...]]
Select = str | Callable[[str], str]  # the same text for all schemas, or a text for each
T = TypeVar("T")

# A statement locks each table and index that it reads, and all sessions share the server's lock slots: all
# connections together take a third of them at most. Statements over more schemas than this gain nothing.
_SHARE_OF_SLOTS = 3
_MAX_BATCH = 200
_UNKNOWN_SLOTS = 6400  # PostgreSQL's defaults
# A missing privilege, another table or view of that name, or a lock: these concern one schema alone.
_UNREADABLE = {"42501", "42703", "42804", "42883", "55000", "55P03"}


def escaped(text: str) -> str:
    """The text with its braces doubled, to be part of a `select`."""
    return text.replace("{", "{{").replace("}", "}}")


class BatchReader:
    """Reads on `connection`, and for many schemas on up to `max_connections`, which `connect` opens.

    Opening a table for the first time in a session takes the server some tenth of a millisecond, which is
    nearly all the time of such a read; so several sessions share it.
    """

    def __init__(
        self,
        connection: Connection,
        connect: Callable[[], Connection] | None = None,
        max_connections: int = 1,
        lock_slots: int = _UNKNOWN_SLOTS,
    ) -> None:
        self.connection = connection
        self._connections = [connection]
        self._connect = connect
        self._max_connections = max_connections
        self._locks = lock_slots // _SHARE_OF_SLOTS // max_connections  # for each connection
        self._stopped = Event()
        self.locked: set[str] = set()  # the schemas in which a table was locked for longer than a read waits

    def read(
        self,
        schemas: Sequence[str],
        select: Select,
        unreadable: dict[str, str],
        wrapper: str = "{rows}",
        locks: int = 40,
    ) -> Iterator[tuple[Any, ...]]:
        """The rows of `select` in each schema, whose name stands for {schema} and {literal} in its text.

        `wrapper` is a statement over the {rows} of one batch, and `locks` is the number of locks for one
        schema. A schema that cannot be read is added to `unreadable`, with the reason.
        """

        def read(connection: Connection, batch: Sequence[str]) -> Rows:
            return self._read(connection, batch, select, unreadable, wrapper)

        size = max(1, min(self._locks // locks, _MAX_BATCH))
        batches = deque(schemas[start : start + size] for start in range(0, len(schemas), size))
        self.open(len(batches))
        for rows in self._in_parallel(batches, read):
            yield from rows

    def read_each(self, shares: Iterable[T], read: Callable[[Connection, T], Rows]) -> Iterator[Rows]:
        """The results of `read` for each of these shares, on all connections that are open."""
        yield from self._in_parallel(deque(shares), read)

    def open(self, wanted: int) -> int:
        """Open as many connections as are wanted, allowed and free; returns how many there are."""
        while self._connect is not None and len(self._connections) < min(wanted, self._max_connections):
            try:
                self._connections.append(self._connect())
            except Exception:  # noqa: BLE001 - no connection may be free; those that are open do it alone
                self._connect = None
        return len(self._connections)

    def _in_parallel(self, batches: deque[T], read: Callable[[Connection, T], Rows]) -> Iterator[Rows]:
        """Let each connection read one batch after the other; the first error ends them all and is raised."""
        if len(self._connections) == 1:
            yield from (read(self.connection, batch) for batch in batches)
            return

        def work(connection: Connection) -> list[Rows]:
            found: list[Rows] = []
            while True:
                try:
                    batch = batches.popleft()
                except IndexError:
                    return found
                found.append(read(connection, batch))

        with ThreadPoolExecutor(len(self._connections)) as pool:
            running = [pool.submit(work, connection) for connection in self._connections]
            try:
                for done in as_completed(running):
                    yield from done.result()
            except BaseException:
                self._stop(batches, running)
                raise

    def _stop(self, batches: deque[Any], running: Collection[Future[list[Rows]]]) -> None:
        """Cancel the reads on all connections, which may be waiting for a lock."""
        self._stopped.set()
        batches.clear()
        while wait(running, timeout=0.2).not_done:
            for connection in self._connections:
                with contextlib.suppress(Exception):
                    connection.cancel()

    def _read(
        self,
        connection: Connection,
        schemas: Sequence[str],
        select: Select,
        unreadable: dict[str, str],
        wrapper: str,
    ) -> Rows:
        """The rows of one batch; after an error that may concern one schema, read one by one."""
        parts = (
            (select if isinstance(select, str) else select(name)).format(
                literal=literal(name), schema=quote(name)
            )
            for name in schemas
        )
        try:
            return fetch(connection, wrapper.replace("{rows}", " UNION ALL ".join(parts)))
        except Exception as error:
            alone = len(schemas) == 1
            expected = _UNREADABLE if alone else _UNREADABLE | {OUT_OF_MEMORY}  # fewer need fewer locks
            if sqlstate(error) not in expected or self._stopped.is_set():
                raise
            if alone:
                unreadable[schemas[0]] = describe(error)
                self.locked |= {schemas[0]} if sqlstate(error) == LOCK_NOT_AVAILABLE else set()
                return []
        each = (self._read(connection, [name], select, unreadable, wrapper) for name in schemas)
        return list(chain.from_iterable(each))
