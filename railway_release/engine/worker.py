"""Worker: a forked process that migrates the schemas it is given, and reports to its parent.

Everything that is the same for all schemas was made before the fork and is shared. The user's code runs here
and not in the parent, so that whatever it does to its process, the parent can still say what became of whom.

What the parent says: `take` a schema; `stop`, and cancel what is in hand if that tears nothing; `drain`, so
begin no other schema; `go on` after a failure was counted; `leave`. What the worker says: `connected`;
`holding` a migration that is not atomic; `blocked`; `logged`; and of each schema `ended` or `returned`. The
end of the channel is the end of the parent.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from types import FrameType
from typing import Any

import structlog
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from structlog.typing import EventDict, WrappedLogger

from railway_release.engine.attempt import SchemaRunner, Stopped
from railway_release.engine.channel import Channel
from railway_release.engine.execution import Execution
from railway_release.engine.limits import server_pid
from railway_release.migrations.outcome import Key, Outcome
from railway_release.postgres.retry import Budget
from railway_release.postgres.session import cut_all
from railway_release.runtime import log
from railway_release.runtime.redact import redact

# One schema's turn: its number, which both sides know it by, and the terms of this process.
RunTask = Callable[[int, SchemaRunner], Outcome]


class Worker:
    """Lives in the child process; `inherited` are the descriptors that belong to the parent."""

    def __init__(
        self, channel: Channel, run_task: RunTask, runner: SchemaRunner, inherited: tuple[int, ...]
    ) -> None:
        self._channel = channel
        self._run_task = run_task
        self._token = _WorkerCancelToken(channel)
        self._runner = replace(runner, token=self._token, execution=Execution(self._hold))
        self._inherited = inherited
        self._queue: queue.SimpleQueue[tuple[int, float] | None] = queue.SimpleQueue()
        self._draining = False
        self._may_go_on = threading.Event()
        self._in_child = False
        self._spent = 0.0  # of the budget for retries

    def run(self) -> None:
        """Until the parent has no more tasks, or is no more."""
        _leave_signals_to_the_parent()
        structlog.configure(processors=[self._forward])
        connection_created.connect(self._connected)
        os.register_at_fork(after_in_child=self._part)
        threading.Thread(target=self._listen, name="tasks", daemon=True).start()
        while (given := self._queue.get()) is not None:
            number, budget = given
            if self._draining or self._token.stopping:
                self._channel.send("returned", number=number)
            else:
                self._take(number, Budget(max(0.0, budget - self._spent)))

    def _take(self, number: int, budget: Budget) -> None:
        given = budget.left
        self._may_go_on.clear()
        outcome = self._run_task(number, replace(self._runner, budget=budget))
        if self._in_child:
            _leave()
        spent = given - budget.left
        self._spent += spent
        self._channel.send("ended", number=number, outcome=_as_text(outcome), spent=spent)
        if outcome.state == "failed":
            self._may_go_on.wait()

    def _listen(self) -> None:
        for kind, content in self._channel.messages():
            if kind == "abort":
                self._token.stop(cancelling=False)
                cut_all()
            elif kind == "stop":
                self._token.stop(cancelling=True)
            elif kind == "drain":
                self._draining = True
            elif kind == "go on":
                self._may_go_on.set()
            elif kind == "take":
                # The parent has given this ahead, before it knew of what was spent meanwhile.
                self._queue.put((content["number"], content["budget"] + content["spent"]))
            elif kind == "leave":
                break
        else:
            # The parent is gone, and with it whoever would have told the user: no next migration.
            self._token.stop(cancelling=False)
        self._may_go_on.set()
        self._queue.put(None)

    def _hold(self, step: Key | None) -> None:
        self._channel.send("holding", step=step)

    def _connected(self, connection: BaseDatabaseWrapper, **_: Any) -> None:
        """Only the tenants' database is our business; and of a migration's own threads only what to end."""
        if connection.alias != self._runner.limits.alias or self._in_child:
            return
        thread = threading.current_thread()
        if thread is threading.main_thread():
            self._token.connection = connection.connection
        self._channel.send("connected", thread=thread.ident, pid=server_pid(connection))

    def _forward(self, _: WrappedLogger, method: str, event: EventDict) -> EventDict:
        self._channel.send("logged", method=method, event=redact(log.plain(dict(event))))
        raise structlog.DropEvent

    def _part(self) -> None:
        """A migration has forked, and this is its child, where what belongs to the worker must not be used.

        It may talk to nobody in the worker's name, and if it returns to us, it is to end: see _take. What it
        opens itself is its own.
        """
        if self._in_child:
            return
        self._in_child = True
        self._channel.unlock()
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (*self._inherited, self._channel.fileno(), *self._token.descriptors()):
            with contextlib.suppress(OSError):  # closed meanwhile
                os.dup2(nothing, descriptor)
        self._token.part()


class _WorkerCancelToken:
    """See guard.Guard."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
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

    def part(self) -> None:
        """In a forked child: nothing is to be begun or tried again."""
        self._lock = threading.Lock()
        self.stopping = True

    def descriptors(self) -> Iterator[int]:
        """Of the session, if it is open."""
        with contextlib.suppress(Exception):
            yield self.connection.fileno()

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
        self._channel.send("blocked", schema=schema)

    def lose(self) -> None:
        self.stopping = True
        self._channel.send("lost")


def _as_text(outcome: Outcome) -> dict[str, Any]:
    """An error may give values of its own classes as its text or SQLSTATE."""
    return {one.name: log.plain(getattr(outcome, one.name)) for one in fields(outcome)}


def _leave() -> None:
    """A process that a migration has forked, and let return, must not go on as a second worker."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(1)


def _leave_signals_to_the_parent() -> None:
    """Ctrl-C reaches every process of the terminal, and the parent decides what has to stop.

    Not SIG_IGN, which the user's own child processes would inherit.
    """

    def nothing(_: int, __: FrameType | None) -> None:
        pass

    signal.set_wakeup_fd(-1)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, nothing)
