"""Looks: the connections on which a command only reads, opened when first needed and kept for the next."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from django.conf import settings

from railway_release.postgres.failures import describe, is_transient, sqlstate
from railway_release.postgres.server import LIFT_TIMEOUTS
from railway_release.postgres.session import (
    KEEPALIVE_SETTINGS,
    Connect,
    Connection,
    fetch,
    literal,
    quote,
    register,
    shut_down_sockets,
)
from railway_release.postgres.wait import RetryPolicy, reconnecting
from railway_release.runtime.log import get_logger
from railway_release.runtime.signals import Interrupts

T = TypeVar("T")

# A read that waits behind a table lock must end, too.
_READ_LOCK_TIMEOUT = "10s"
_GLANCE = 0.5  # seconds between two glances at a read in hand


@dataclass(frozen=True)
class Server:
    """What the first statement on a connection tells of the other side."""

    pooled: bool  # whether a connection pooler stands in between
    version: int  # as server_version_num
    lock_slots: int  # that all sessions share


class ReadPool:
    """Kept connections that cannot write. One that breaks is replaced, and what was asked is asked again."""

    def __init__(
        self, connect: Connect, retry_policy: RetryPolicy, silence: float, interrupts: Interrupts
    ) -> None:
        self._connect = connect
        self._silence = silence
        self._retry_policy = retry_policy
        self._interrupts = interrupts
        self._open: list[Connection] = []
        self.server = Server(pooled=False, version=0, lock_slots=0)  # until the first connection is there
        self.single = False  # whether others need the connections that there are

    def begin(self, wait: Callable[[Connect], Connection]) -> None:
        """Open the first connection as `wait` does it."""
        self._open = [wait(self._prepared)]

    def read(
        self,
        read: Callable[[Connection], T],
        is_retryable: Callable[[BaseException], bool] = is_transient,
        most: float | None = None,
    ) -> T:
        """What `read` finds; tried again while errors may pass, for `most` seconds at most.

        Raises DatabaseLost when they do not.
        """
        retry_policy = self._retry_policy if most is None else self._retry_policy.at_most(most)
        once = partial(self._once, read, retry_policy)
        return retry_policy.call(once, event="survey.retried", is_retryable=is_retryable)

    def another(self, number: int) -> Connection:
        """The kept connection of this number, from 0 on; only within a look."""
        while len(self._open) <= number:
            self._open.append(self._prepared())
        return self._open[number]

    def close(self) -> None:
        """Close them all; the next look opens new ones."""
        while self._open:
            self._open.pop().close()

    def _once(self, read: Callable[[Connection], T], retry_policy: RetryPolicy) -> T:
        if not self._open:
            self._open.append(reconnecting(self._prepared, retry_policy)())
        try:
            with self._attended():
                return read(self._open[0])
        except BaseException:
            # Whatever it was: a cancel may be under way, or the connection may be broken.
            self.close()
            raise

    @contextlib.contextmanager
    def _attended(self) -> Iterator[None]:
        """While entered, somebody else minds what the main thread cannot while it waits inside a driver."""
        done = threading.Event()
        threading.Thread(target=self._attend, args=(done,), name="looks", daemon=True).start()
        try:
            yield
        finally:
            done.set()

    def _attend(self, done: threading.Event) -> None:
        """Cancel the read after a signal, and give it up where no answer can come.

        One that takes long may be waiting for an answer that the network has swallowed: then a new
        connection gets none either, and those that wait are cut.
        """
        heard = time.monotonic()
        while not done.wait(_GLANCE):
            self._interrupts.drain()
            if self._interrupts.is_pending:
                self._cancel()
            if self._silence and time.monotonic() - heard > self._silence:
                if not self._anybody_answers() and not done.is_set():
                    text = (
                        f"the server has not answered for {self._silence:g} s; its connections are given up"
                    )
                    get_logger().warning("database.silent", message=text)
                    shut_down_sockets()
                heard = time.monotonic()

    def _cancel(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(Exception):
                connection.cancel()

    def _anybody_answers(self) -> bool:
        try:
            self._connect().close()
        except Exception as error:  # noqa: BLE001 - whatever the driver calls it
            text = describe(error).lower()
            # A refusal is an answer, too, whatever it is about.
            return bool(sqlstate(error)) or "fatal" in text or "timeout" not in text
        return True

    def _prepared(self) -> Connection:
        connection = self._connect()
        try:
            self.server = prepare(connection)
        except BaseException:
            connection.close()
            raise
        register(connection)
        return connection


def prepare(connection: Connection) -> Server:
    """From now on it cannot write, and finds types and functions of extensions as the application does.

    A pooler hands out a process id of its own at connect, so libpq's differs from the server's. There
    nothing is set: it would stay behind on the server's connection, for its next user.
    """
    # As topology.search_path(), which cannot be imported before there are settings.
    path = (
        getattr(settings, "PUBLIC_SCHEMA_NAME", "public"),
        *getattr(settings, "PG_EXTRA_SEARCH_PATHS", ()),
    )
    names = literal(", ".join(map(quote, path)))
    statement = _PREPARE.format(pid=connection.info.backend_pid, path=names)
    ((pid, version, slots, _),) = fetch(connection, statement)
    return Server(pooled=pid != connection.info.backend_pid, version=version, lock_slots=slots)


_PREPARE = f"""
SELECT pg_backend_pid(), current_setting('server_version_num')::int,
    current_setting('max_locks_per_transaction')::int
        * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int),
    CASE WHEN pg_backend_pid() = {{pid}} THEN concat(
        set_config('default_transaction_read_only', 'on', false),
        set_config('lock_timeout', '{_READ_LOCK_TIMEOUT}', false),
        ({LIFT_TIMEOUTS}), {KEEPALIVE_SETTINGS},
        set_config('search_path', {{path}}, false)) END
"""
