"""A forked process that migrates the schemas that its parent gives it, and reports to the parent.

Everything that is the same for all schemas was made before the fork and is shared. The project's code runs
here and not in the parent: whatever it does to its process, the parent can still report every schema.

Messages of the parent:
    run         Migrate a schema after those that were given before.
    drain       Begin no other schema.
    stop        Begin nothing more, and cancel the running statement if nothing can be left half done by that.
    abort       Begin nothing more, and shut the connections down: the server does not answer.
    continue    The failure that was reported has been counted.
    exit        There are no more schemas.

Messages of the worker:
    connected   A thread has a new session, with this process id on the server.
    not_atomic  A migration that is not atomic begins, or (null) has ended.
    blocked     A lock was not to be had in this schema.
    lost        The release lock is not held on the server that answers.
    logged      A log event, to be written by the parent.
    ended       The outcome of a schema.
    returned    A schema that was given and not begun.

When the channel ends, the other process is gone.
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
from railway_release.postgres.session import Connection, shut_down_sockets
from railway_release.runtime.plain import plain
from railway_release.runtime.redact import redact

# Migrates the schema of this number, which parent and worker share, with the runner of this process.
RunTask = Callable[[int, SchemaRunner], Outcome]


class Worker:
    """The loop of a worker process; `inherited` are file descriptors that belong to the parent."""

    def __init__(
        self, channel: Channel, run_task: RunTask, runner: SchemaRunner, inherited: tuple[int, ...]
    ) -> None:
        self._channel = channel
        self._run_task = run_task
        self._token = _WorkerCancelToken(channel)
        self._runner = replace(runner, token=self._token, execution=Execution(self._report_not_atomic))
        self._inherited = inherited
        self._queue: queue.SimpleQueue[tuple[int, float] | None] = queue.SimpleQueue()
        self._draining = False
        self._may_continue = threading.Event()
        self._in_child = False
        self._spent = 0.0  # seconds of the budget for retries

    def run(self) -> None:
        """Run tasks until the parent has no more, or is gone."""
        _leave_signals_to_the_parent()
        structlog.configure(processors=[self._forward_log])
        connection_created.connect(self._report_connection)
        os.register_at_fork(after_in_child=self._detach_child)
        threading.Thread(target=self._listen, name="tasks", daemon=True).start()
        while (given := self._queue.get()) is not None:
            number, budget = given
            if self._draining or self._token.stopping:
                self._channel.send("returned", number=number)
            else:
                self._run_and_report(number, Budget(max(0.0, budget - self._spent)))

    def _run_and_report(self, number: int, budget: Budget) -> None:
        given = budget.left
        self._may_continue.clear()
        outcome = self._run_task(number, replace(self._runner, budget=budget))
        if self._in_child:
            _exit_child()
        spent = given - budget.left
        self._spent += spent
        self._channel.send("ended", number=number, outcome=_as_text(outcome), spent=spent)
        if outcome.state == "failed":
            self._may_continue.wait()

    def _listen(self) -> None:
        for kind, content in self._channel.messages():
            if kind == "exit":
                break
            self._obey(kind, content)
        else:
            # The parent is gone, and nobody would report the next migration.
            self._token.stop(cancelling=False)
        self._may_continue.set()
        self._queue.put(None)

    def _obey(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "run":
            # The parent sent this before it knew what was spent meanwhile.
            self._queue.put((content["number"], content["budget"] + content["spent"]))
        elif kind == "drain":
            self._draining = True
        elif kind == "continue":
            self._may_continue.set()
        elif kind in ("stop", "abort"):
            self._token.stop(cancelling=kind == "stop")
            if kind == "abort":
                shut_down_sockets()

    def _report_not_atomic(self, step: Key | None) -> None:
        self._channel.send("not_atomic", step=step)

    def _report_connection(self, connection: BaseDatabaseWrapper, **_: Any) -> None:
        """Report a new session in the tenants' database, which the parent ends if this process is lost.

        A migration may use threads of its own; only the main thread's statements are ever cancelled.
        """
        if connection.alias != self._runner.limits.alias or self._in_child:
            return
        thread = threading.current_thread()
        if thread is threading.main_thread():
            self._token.connection = connection.connection
        self._channel.send("connected", thread=thread.ident, pid=server_pid(connection))

    def _forward_log(self, _: WrappedLogger, method: str, event: EventDict) -> EventDict:
        self._channel.send("logged", method=method, event=redact(plain(dict(event))))
        raise structlog.DropEvent

    def _detach_child(self) -> None:
        """Give up everything that belongs to the worker: a migration has forked, and this is its child.

        The worker's sockets lead nowhere here, so that the child neither uses nor keeps them open. If the
        migration's code returns, _run_and_report ends the process. What the child opens itself is its own.
        """
        if self._in_child:
            return
        self._in_child = True
        self._channel.replace_lock()
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (*self._inherited, self._channel.fileno(), *self._token.descriptors()):
            with contextlib.suppress(OSError):  # closed meanwhile
                os.dup2(nothing, descriptor)
        self._token.detach()


class _WorkerCancelToken:
    """The cancel token of a worker; see cancel_token.CancelToken."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._cancellable: Callable[[], bool] = lambda: False
        self.stopping = False
        self.connection: Connection | None = None

    def stop(self, *, cancelling: bool) -> None:
        """Begin nothing more; cancel the running statement if nothing can be left half done by that."""
        with self._lock:
            self.stopping = True
            if cancelling and self.connection is not None and self._cancellable():
                with contextlib.suppress(Exception):  # it may have ended by itself meanwhile
                    self.connection.cancel()

    def detach(self) -> None:
        """In a forked child: begin and retry nothing. Whoever held the lock does not exist here."""
        self._lock = threading.Lock()
        self.stopping = True

    def descriptors(self) -> Iterator[int]:
        """The file descriptor of the session, if it is open."""
        if self.connection is not None:
            with contextlib.suppress(Exception):
                yield self.connection.fileno()

    @contextlib.contextmanager
    def beginning(self) -> Iterator[None]:
        with self._lock:
            if self.stopping:
                raise Stopped
            yield

    @contextlib.contextmanager
    def working(self, cancellable: Callable[[], bool]) -> Iterator[None]:
        if self.stopping:
            raise Stopped
        self._cancellable = cancellable
        try:
            yield
        finally:
            with self._lock:  # no cancel may arrive after this
                self._cancellable = lambda: False

    def watching(self, schema: str) -> contextlib.AbstractContextManager[None]:  # noqa: ARG002 - a CancelToken
        return contextlib.nullcontext()  # the parent tells

    def report_blocked(self, schema: str) -> None:
        self._channel.send("blocked", schema=schema)

    def mark_lost(self) -> None:
        self.stopping = True
        self._channel.send("lost")


def _as_text(outcome: Outcome) -> dict[str, Any]:
    """The outcome's fields as plain JSON values; an error of the project may put its own classes there."""
    text = {one.name: plain(getattr(outcome, one.name)) for one in fields(outcome)}
    # What the plan says it is, whatever secrets are part of its name: the parent tells schemas apart by that.
    return text | {"schema": outcome.schema, "applied": outcome.applied}


def _exit_child() -> None:
    """End a process that a migration has forked, before it goes on as a second worker."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(1)


def _leave_signals_to_the_parent() -> None:
    """Do nothing on a signal: Ctrl-C reaches every process of the terminal, and the parent decides.

    SIG_IGN would be inherited by programs that a migration starts.
    """

    def nothing(_: int, __: FrameType | None) -> None:
        pass

    signal.set_wakeup_fd(-1)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, nothing)
