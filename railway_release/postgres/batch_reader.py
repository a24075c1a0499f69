"""Sweep: the same question to the same tables of every schema, in batches, on a few connections at once."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from threading import Event
from typing import Any

from railway_release.postgres.failures import OUT_OF_MEMORY, describe, sqlstate
from railway_release.postgres.session import Connection, fetch, literal, quote

Rows = list[tuple[Any, ...]]
Select = str | Callable[[str], str]  # the same for all schemas, or for each
Read = Callable[[Connection, Sequence[str]], Rows]

# One statement locks each table and index that it reads, and all sessions share the server's lock slots. This
# much of them is taken, by all connections together; and longer statements than this gain nothing.
_SHARE_OF_SLOTS = 3
_MOST_IN_A_BATCH = 200
_UNKNOWN_SLOTS = 6400  # PostgreSQL's defaults
# Without a privilege, with another table or view of that name, or behind a lock: that schema's trouble alone.
_UNREADABLE = {"42501", "42703", "42804", "42883", "55000", "55P03"}


class BatchReader:
    """Asks on `connection`, and for many schemas on up to `most` connections, which `another` opens.

    The server opens tables for the first time in a session at some tenth of a millisecond each, which is
    nearly all that a sweep takes; so it is worth to let several sessions do it.
    """

    def __init__(
        self,
        connection: Connection,
        another: Callable[[], Connection] | None = None,
        most: int = 1,
        lock_slots: int = _UNKNOWN_SLOTS,
    ) -> None:
        self.connection = connection
        self._connections = [connection]
        self._another = another
        self._most = most
        self._locks = lock_slots // _SHARE_OF_SLOTS // most  # for each connection
        self._stopped = Event()

    def ask(
        self,
        schemas: Sequence[str],
        select: Select,
        unreadable: dict[str, str],
        around: str = "{rows}",
        locks: int = 40,
    ) -> Iterator[tuple[Any, ...]]:
        """The rows that `select` asks of each schema; in its text, {schema} and {literal} stand for the name.

        `around` asks of the {rows} of each batch, and `locks` is what one schema takes. A schema in which it
        cannot be asked goes to `unreadable`, with the reason.
        """

        def read(connection: Connection, batch: Sequence[str]) -> Rows:
            return self._read(connection, batch, select, unreadable, around)

        size = max(1, min(self._locks // locks, _MOST_IN_A_BATCH))
        batches = deque(schemas[start : start + size] for start in range(0, len(schemas), size))
        self._open(len(batches))
        for rows in self._in_parallel(batches, read):
            yield from rows

    def divide(self, schemas: Sequence[str], read: Read) -> Iterator[Rows]:
        """What `read` finds for all schemas, asked on each connection for its share of them."""
        self._open(len(schemas))
        share = -(-len(schemas) // len(self._connections)) or 1
        yield from self._in_parallel(
            deque(schemas[start : start + share] for start in range(0, len(schemas), share)), read
        )

    def _open(self, wanted: int) -> None:
        while self._another is not None and len(self._connections) < min(wanted, self._most):
            try:
                self._connections.append(self._another())
            except Exception:  # noqa: BLE001 - too few are left, say; those that we have do it alone
                self._another = None

    def _in_parallel(self, batches: deque[Sequence[str]], read: Read) -> Iterator[Rows]:
        """Each connection takes the next batch, until there are none or something is wrong."""
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

    def _stop(self, batches: deque[Sequence[str]], running: Collection[Future[list[Rows]]]) -> None:
        """Nobody waits for a read that is stuck behind a lock."""
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
        around: str,
    ) -> Rows:
        """What can be read, so that one schema's trouble stays its own."""
        parts = (
            (select if isinstance(select, str) else select(name)).format(
                literal=literal(name), schema=quote(name)
            )
            for name in schemas
        )
        try:
            return fetch(connection, around.replace("{rows}", " UNION ALL ".join(parts)))
        except Exception as error:
            alone = len(schemas) == 1
            may_pass = _UNREADABLE if alone else _UNREADABLE | {OUT_OF_MEMORY}  # fewer need fewer locks
            if sqlstate(error) not in may_pass or self._stopped.is_set():
                raise
            if alone:
                unreadable[schemas[0]] = describe(error)
                return []
        return [row for name in schemas for row in self._read(connection, [name], select, unreadable, around)]
