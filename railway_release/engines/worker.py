"""Worker: a forked process that migrates the schemas it is given, and reports to its parent.

Everything that is the same for all schemas was made before the fork and is shared. Messages are pickled
tuples on a pipe; the end of the pipe is the end of the parent.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection as Pipe
from types import FrameType
from typing import Any

import structlog
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from structlog.typing import EventDict, WrappedLogger

from railway_release.engines.apply import Applier
from railway_release.engines.compile import Program
from railway_release.engines.hand import Hand
from railway_release.engines.session import Session
from railway_release.engines.turn import Stopped, Turns
from railway_release.migrations.plan import SchemaPlan
from railway_release.postgres.retry import Budget


@dataclass(frozen=True)
class Task:
    """A schema, and the program of its cohort."""

    plan: SchemaPlan
    program: Program


class Worker:
    """Lives in the child process; `tasks` are known to both sides by their number."""

    def __init__(self, pipe: Pipe, tasks: Sequence[Task], turns: Turns) -> None:
        self._pipe = pipe
        self._sending = threading.Lock()
        self._tasks = tasks
        self._guard = _WorkerGuard(self.send)
        self._turns = replace(turns, guard=self._guard, hand=Hand())
        self._session = Session()
        self._queue: queue.SimpleQueue[tuple[int, float] | None] = queue.SimpleQueue()
        self._draining = False
        self._may_go_on = threading.Event()

    def run(self) -> None:
        """Until the parent has no more tasks, or is no more."""
        _leave_signals_to_the_parent()
        structlog.configure(processors=[self._forward])
        connection_created.connect(self._connected)
        threading.Thread(target=self._listen, name="tasks", daemon=True).start()
        while (given := self._queue.get()) is not None:
            number, budget = given
            if self._draining or self._guard.stopping:
                self.send("returned", number)
            else:
                self._take(number, Budget(budget))

    def send(self, *message: Any) -> None:
        """To the parent, if there is one."""
        with self._sending, contextlib.suppress(OSError):
            self._pipe.send(message)

    def _take(self, number: int, budget: Budget) -> None:
        task, given = self._tasks[number], budget.left
        turns = replace(self._turns, budget=budget)
        applier = Applier(task.program, turns, self._session)
        self._may_go_on.clear()
        outcome = applier.take(task.plan)
        self.send("ended", number, outcome, given - budget.left)
        if outcome.state == "failed":
            self._may_go_on.wait()

    def _listen(self) -> None:
        try:
            while (message := self._pipe.recv()) is not None:
                if message == "stop":
                    self._guard.stop(cancelling=True)
                elif message == "drain":
                    self._draining = True
                elif message == "go on":
                    self._may_go_on.set()
                else:
                    self._queue.put(message)
        except (EOFError, OSError):
            # The parent is gone, and with it whoever would have told the user: no next migration.
            self._guard.stop(cancelling=False)
        self._may_go_on.set()
        self._queue.put(None)

    def _connected(self, connection: BaseDatabaseWrapper, **_: Any) -> None:
        self._guard.connection = connection.connection
        self.send("connected", connection.connection.info.backend_pid)

    def _forward(self, _: WrappedLogger, method: str, event: EventDict) -> EventDict:
        self.send("logged", method, dict(event))
        raise structlog.DropEvent


class _WorkerGuard:
    """See guard.Guard."""

    def __init__(self, send: Callable[..., None]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._tearable: Callable[[], bool] = lambda: False
        self.stopping = False
        self.connection: Any = None

    def stop(self, *, cancelling: bool) -> None:
        """Begin nothing more; cancel the statement in hand, if that tears nothing."""
        with self._lock:
            self.stopping = True
            if cancelling and self.connection is not None and self._tearable():
                with contextlib.suppress(Exception):  # it may have ended by itself meanwhile
                    self.connection.cancel()

    @contextlib.contextmanager
    def beginning(self) -> Iterator[None]:
        with self._lock:
            if self.stopping:
                raise Stopped
            yield

    @contextlib.contextmanager
    def working(self, tearable: Callable[[], bool]) -> Iterator[None]:
        if self.stopping:
            raise Stopped
        self._tearable = tearable
        try:
            yield
        finally:
            with self._lock:  # no cancel may arrive after this
                self._tearable = lambda: False

    def blocked(self, schema: str) -> None:
        self._send("blocked", schema)


def _leave_signals_to_the_parent() -> None:
    """Ctrl-C reaches every process of the terminal, and the parent decides what has to stop.

    Not SIG_IGN, which the user's own child processes would inherit.
    """

    def nothing(_: int, __: FrameType | None) -> None:
        pass

    signal.set_wakeup_fd(-1)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, nothing)
