"""A thread that uses the release lock's connection while the migrations run.

It notices when the lock is lost, remembers which sessions block the migrations, and after a signal cancels
the running statement, which the main thread cannot do while it waits inside the driver.
"""

from __future__ import annotations

import contextlib
import select
import threading
from collections.abc import Callable, Iterator
from typing import Any

from railway_release.postgres.blockers import blockers
from railway_release.postgres.lock import HeldLock
from railway_release.postgres.session import fetch, shut_down_sockets
from railway_release.runtime.signals import Interrupts

# It does nothing to a session that is idle.
_CANCEL = """
SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity
WHERE application_name = %s AND datname = current_database() AND usename = session_user
"""


class LockMonitor:
    """Runs the thread, and answers from other threads what it has found out.

    It sends a query every `period` seconds to the sessions named `application`; if there is no answer within
    `silence` seconds, the connections are shut down. With 0 it waits for ever.
    """

    def __init__(
        self, held: HeldLock, application: str, interrupts: Interrupts, period: float, silence: float
    ) -> None:
        self.pid = held.pid  # the process id of the session that holds the lock
        self.silence = silence  # seconds without an answer after which the server counts as gone
        self.silent = False  # whether that has happened
        self._lost = False
        self._connection = held.connection
        self._application = application
        self._interrupts = interrupts
        self._period = period
        self.blocking = ""  # the sessions that block the migrations now, in words
        self._blockers = ""
        self._look: Callable[[], None] = _nothing
        self._may_cancel: Callable[[], bool] = lambda: False
        self._no_cancel = threading.Lock()
        self._ended = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[LockMonitor]:
        """While entered, the thread runs."""
        thread = threading.Thread(target=self._loop, name="lock-monitor", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            self._interrupts.wake()
            thread.join()

    @contextlib.contextmanager
    def cancelling(self, allowed: Callable[[], bool]) -> Iterator[None]:
        """While entered, a signal cancels the running statement if `allowed` returns true."""
        self._may_cancel = allowed
        try:
            yield
        finally:
            with self._no_cancel:  # no cancel may arrive after this
                self._may_cancel = lambda: False

    @contextlib.contextmanager
    def calling(self, look: Callable[[], None]) -> Iterator[None]:
        """While entered, the thread calls `look` after each query."""
        self._look = look
        try:
            yield
        finally:
            self._look = _nothing

    def holds(self) -> bool:
        """Whether the lock is still held; sends a query only if the connection has become readable."""
        try:
            if not self._lost and select.select([self._connection], [], [], 0)[0]:
                fetch(self._connection, "SELECT 1")
        except Exception:  # noqa: BLE001 - as in _loop
            self._lost = True
        return not self._lost

    def fileno(self) -> int:
        """The file descriptor of the lock's connection; -1 if that is closed."""
        try:
            return self._connection.fileno()
        except Exception:  # noqa: BLE001 - each driver raises an error of its own
            return -1

    def mark_lost(self) -> None:
        """Note that another session has found the lock not to be held on the server."""
        self._lost = True

    def take_blockers(self) -> str:
        """A description of the sessions that blocked the migrations since the last call."""
        seen, self._blockers = self._blockers, ""
        return seen

    def _loop(self) -> None:
        while not self._ended.is_set() and not self._lost:
            try:
                self._wait()
                with self._expecting_an_answer():
                    self._check()
            except Exception:  # noqa: BLE001 - after any error the lock may be lost
                self._lost = not self._answers()

    def _answers(self) -> bool:
        """Whether the connection still works, though a query has failed."""
        try:
            return bool(fetch(self._connection, "SELECT 1"))
        except Exception:  # noqa: BLE001 - as in _loop
            return False

    @contextlib.contextmanager
    def _expecting_an_answer(self) -> Iterator[None]:
        """While entered, the server counts as gone if it takes longer than `silence` seconds."""
        timer = threading.Timer(self.silence, self._give_up)
        timer.daemon = True
        if self.silence:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        self.silent = self._lost = True
        shut_down_sockets()

    def _wait(self) -> None:
        # A signal and the end of the lock's connection end the wait at once.
        sources: list[Any] = [self._interrupts, self._connection]
        readable, _, _ = select.select(sources, [], [], self._period)
        if self._interrupts in readable:
            self._interrupts.drain()

    def _check(self) -> None:
        self.blocking = blockers(self._connection, self._application)
        self._blockers = self.blocking or self._blockers
        self._look()
        with self._no_cancel:
            if self._interrupts.requested is not None and self._may_cancel():
                fetch(self._connection, _CANCEL, (self._application,))


def _nothing() -> None:
    pass
