"""The pool of connections on which a command only reads; each is opened when it is first needed, and kept."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from django.conf import settings

from railway_release.postgres.blockers import blockers
from railway_release.postgres.failures import describe, is_transient, sqlstate
from railway_release.postgres.server import LIFT_TIMEOUTS
from railway_release.postgres.session import (
    KEEPALIVE_SETTINGS,
    Connect,
    Connection,
    fetch_last,
    literal,
    quote,
    register,
    shut_down_sockets,
)
from railway_release.postgres.wait import RetryPolicy, reconnecting
from railway_release.runtime.log import get_logger
from railway_release.runtime.signals import Interrupts
from railway_release.runtime.waiting import Pauses, tell

T = TypeVar("T")

# A read that waits behind a table lock must end, too.
_READ_LOCK_TIMEOUT = "10s"
_CHECK_INTERVAL = 0.5  # seconds between two checks of a running read
_JOIN_SECONDS = 5.0  # for the end of a check that connects


@dataclass(frozen=True)
class Server:
    """What the first statement on a connection says of the server."""

    pooled: bool  # whether a connection pooler stands in between
    version: int  # as server_version_num
    lock_slots: int  # in the lock table that all sessions share


class ReadPool:
    """Connections that cannot write. One that breaks is replaced, and its read is run again.

    `silence` is after how many seconds without an answer a connection counts as lost; 0 is never.
    `application` is the application_name that `connect` gives them.
    """

    def __init__(
        self,
        connect: Connect,
        retry_policy: RetryPolicy,
        silence: float,
        interrupts: Interrupts,
        application: str,
    ) -> None:
        self._connect = connect
        self._silence = silence
        self._retry_policy = retry_policy
        self._interrupts = interrupts
        self._application = application
        self._open: list[Connection] = []
        self.server = Server(pooled=False, version=0, lock_slots=0)  # until the first connection is there
        self.single = False  # whether to use one connection only, since the workers need the others

    def begin(self, wait: Callable[[Connect], Connection]) -> None:
        """Open the first connection with `wait`, which is given the function that opens one."""
        self._open = [wait(self._prepared)]

    def read(
        self,
        read: Callable[[Connection], T],
        is_retryable: Callable[[BaseException], bool] = is_transient,
        most: float | None = None,
        what: str = "the database is being read",
    ) -> T:
        """The result of `read`; run again while its errors are retryable, for `most` seconds at most.

        If it takes long, lines say `what` it is, and which sessions it waits for. Raises DatabaseLost when
        the time is over.
        """
        retry_policy = self._retry_policy if most is None else self._retry_policy.at_most(most)
        once = partial(self._once, read, retry_policy, what)
        return retry_policy.call(once, event="survey.retried", is_retryable=is_retryable)

    def another(self, number: int) -> Connection:
        """The connection of this number, from 0 on; only to be used while `read` runs."""
        while len(self._open) <= number:
            self._open.append(self._prepared())
        return self._open[number]

    def close(self) -> None:
        """Close all connections; the next read opens new ones."""
        while self._open:
            self._open.pop().close()

    def _once(self, read: Callable[[Connection], T], retry_policy: RetryPolicy, what: str) -> T:
        if not self._open:
            self._open.append(reconnecting(self._prepared, retry_policy)())
        try:
            with self._monitored(what):
                return read(self._open[0])
        except BaseException:
            # After any error: a cancel may still arrive, or the connection may be broken.
            self.close()
            raise

    @contextlib.contextmanager
    def _monitored(self, what: str) -> Iterator[None]:
        """While entered, a thread does what the main thread cannot while it waits inside the driver."""
        done = threading.Event()
        monitor = partial(contextvars.copy_context().run, self._monitor, done, what)
        thread = threading.Thread(target=monitor, name="reads", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            # Workers may be forked next, and would inherit what a thread of this process holds.
            thread.join(_JOIN_SECONDS)

    def _monitor(self, done: threading.Event, what: str) -> None:
        """Tell of a long read, cancel it after a signal, and shut it down if the server no longer answers.

        A read that takes long may wait for an answer that was lost in the network. Then a new connection
        gets none either.
        """
        answered, pauses = time.monotonic(), Pauses()
        while not done.wait(_CHECK_INTERVAL):
            self._interrupts.drain()
            if self._interrupts.is_pending:
                self._cancel()
            if pauses.is_due():
                tell(f"{what}{self._blockers()}", pauses.waited)
            if self._silence and time.monotonic() - answered > self._silence:
                if not self._server_answers() and not done.is_set():
                    text = (
                        f"the server has not answered for {self._silence:g} s; its connections are given up"
                    )
                    get_logger().warning("database.silent", message=text)
                    shut_down_sockets()
                answered = time.monotonic()

    def _blockers(self) -> str:
        """The sessions that the reads wait for, in words."""
        with contextlib.suppress(Exception), contextlib.closing(self._connect()) as connection:
            if found := blockers(connection, self._application):
                return f" (waiting for {found})"
        return ""

    def _cancel(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(Exception):
                connection.cancel()

    def _server_answers(self) -> bool:
        try:
            self._connect().close()
        except Exception as error:  # noqa: BLE001 - whatever the driver calls it
            text = describe(error).lower()
            # A refusal is an answer, too.
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
    """Make the connection read-only, with the application's search_path; returns what it says of the server.

    A pooler sends a process id of its own at connect, so libpq's differs from the server's. Then nothing is
    set: it would stay on the server connection for its next client.
    """
    # As topology.search_path(), which cannot be imported before there are settings.
    path = (
        getattr(settings, "PUBLIC_SCHEMA_NAME", "public"),
        *getattr(settings, "PG_EXTRA_SEARCH_PATHS", ()),
    )
    names = literal(", ".join(map(quote, path)))
    statement = _PREPARE.format(pid=connection.info.backend_pid, path=names)
    lift = f"{LIFT_TIMEOUTS} AND pg_backend_pid() = {connection.info.backend_pid}"
    ((pid, version, slots, _),) = fetch_last(connection, lift, statement)
    return Server(pooled=pid != connection.info.backend_pid, version=version, lock_slots=slots)


# Compiling a statement over the catalog takes longer than running it (JIT is on by default since 12).
_PREPARE = f"""
SELECT pg_backend_pid(), current_setting('server_version_num')::int,
    current_setting('max_locks_per_transaction')::int
        * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int),
    CASE WHEN pg_backend_pid() = {{pid}} THEN concat(
        set_config('default_transaction_read_only', 'on', false),
        set_config('jit', 'off', false),
        set_config('lock_timeout', '{_READ_LOCK_TIMEOUT}', false),
        {KEEPALIVE_SETTINGS},
        set_config('search_path', {{path}}, false)) END
"""
