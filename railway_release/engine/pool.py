"""The pool of worker processes that migrate one batch of schemas, as the parent process runs it.

What the parent reports is true and comes in time, whatever a worker does: it may exit, hang, be killed, write
something else than messages, or leave child processes behind. The two usual pools cannot promise this:

- Killed workers: concurrent.futures.ProcessPoolExecutor raises BrokenProcessPool for all schemas as soon as
  one of its processes has died. pebble replaces the process, but does not say how far its schema came.
- Signals: neither of them can say anything to a running task, such as "stop, and cancel your statement".
  pebble can end a task after a timeout, but does not know that a migration without a transaction must not be.
- The release lock: it belongs to a connection of the parent. A worker that finds the lock lost has to stop
  all others at once, and a process that a migration forks must not keep the lock's socket open.
- Both unpickle results in the parent, which runs code of the migrations there; and pebble forks while threads
  of its own are running.
"""

from __future__ import annotations

import gc
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.db import connections

from railway_release.engine import lost
from railway_release.engine.attempt import SchemaRunner
from railway_release.engine.cancel_token import OwnCancelToken
from railway_release.engine.channel import Message, readable
from railway_release.engine.handle import WorkerHandle
from railway_release.engine.lost import OutcomeOfLoss, WorkerLoss
from railway_release.engine.watch import say
from railway_release.engine.worker import RunTask
from railway_release.migrations.outcome import Outcome, dotted
from railway_release.migrations.plan import SchemaPlan
from railway_release.preflight.read_pool import ReadPool
from railway_release.runtime.log import get_logger
from railway_release.runtime.text import in_time, some
from railway_release.runtime.waiting import told

CAN_FORK = sys.platform == "linux"  # elsewhere, the system's own libraries may not survive it

# One running and one queued, so that no worker waits for the parent.
_TASKS_AHEAD = 2
_POLL_SECONDS = 0.1
_REPEAT_STOP_SECONDS = 1.0
_ORDERS = ("", "drain", "stop", "abort")  # to all workers, in rising urgency


class WorkerPool:
    """Runs a task for each plan in worker processes, and yields the outcomes.

    A task is the index of its plan. `outcome_of_loss` says what became of the schema of a worker that died.
    """

    def __init__(  # noqa: PLR0913 - what the work is, and what it is done with
        self,
        plans: Sequence[SchemaPlan],
        run_task: RunTask,
        runner: SchemaRunner,
        token: OwnCancelToken,
        read_pool: ReadPool,
        *,
        jobs: int = 1,
        outcome_of_loss: OutcomeOfLoss = lost.outcome,
    ) -> None:
        self._jobs = min(jobs, len(plans))
        self._outcome_of_loss = outcome_of_loss
        self._plans = plans
        self._run_task = run_task
        self._runner = runner
        self._token = token
        self._read_pool = read_pool
        self._waiting = deque(range(len(plans)))
        self._handles: list[WorkerHandle] = []
        self._order = ""  # the last one that was sent to all workers
        self._repeat_order_at = 0.0

    def outcomes(self, enough: Callable[[], bool]) -> Iterator[Outcome]:
        """One outcome for each schema that was run, as they end.

        A signal does not interrupt the parent meanwhile: the workers are told to stop, and their outcomes are
        yielded first. No other schema is begun once `enough` returns true.
        """
        if not CAN_FORK:
            yield from self.in_this_process(enough)
            return
        connections.close_all()  # or they would be used on both sides of the fork
        with self._token.interrupts.shield():
            gc.freeze()  # the workers' collectors would touch, and so copy, what is shared
            try:
                self._start_workers()
                while any(handle.tasks for handle in self._handles) or self._waiting:
                    self._check_for_stop(enough)
                    self._assign()
                    yield from self._receive(enough)
                    self._tell_of_long_ones()
            finally:
                self._shut_down()
                gc.unfreeze()

    def in_this_process(self, enough: Callable[[], bool]) -> Iterator[Outcome]:
        """The same without workers, one schema after the other. Raises Interrupted or LockLost."""
        for number in range(len(self._plans)):
            self._token.check()
            if enough():
                return
            yield self._run_task(number, self._runner)

    def _start_workers(self) -> None:
        """Start those that are missing. Where the system forks no more, fewer have to do; one at least."""
        while len(self._handles) < self._jobs:
            lock = self._token.monitor.fileno()
            try:
                self._handles.append(WorkerHandle(self._run_task, self._runner, self._handles, lock))
            except OSError:
                if not self._handles:
                    raise
                self._jobs = len(self._handles)

    def _check_for_stop(self, enough: Callable[[], bool]) -> None:
        """Send an order to all workers if there is a reason to, and kill those that do not stop in time."""
        order = "stop" if self._token.stopping else "drain" if enough() else ""
        order = "abort" if self._token.monitor.silent else order
        if _ORDERS.index(order) > _ORDERS.index(self._order):
            self._order = order
            self._waiting.clear()
            self._say_what_is_stopped()
            for handle in self._handles:
                handle.channel.send(order)
                handle.deadline = self._deadline()
        if self._order in ("stop", "abort"):
            self._enforce_stop()

    def _say_what_is_stopped(self) -> None:
        names = [self._plans[handle.tasks[0]].schema.name for handle in self._handles if handle.tasks]
        if names and self._order == "stop":
            grace = in_time(self._runner.limits.config.grace)
            text = f"stopping; {some(names)} may take {grace} to end or to be rolled back"
            get_logger().info("schemas.stopped", message=text, schemas=names)

    def _tell_of_long_ones(self) -> None:
        due = [handle for handle in self._handles if handle.tasks and handle.pauses.is_due()]
        if due:
            names = [self._plans[handle.tasks[0]].schema.name for handle in due]
            say(self._token.monitor, names, max(handle.pauses.waited for handle in due))

    def _deadline(self) -> float:
        return (
            time.monotonic() + self._runner.limits.config.grace
            if self._order in ("stop", "abort")
            else math.inf
        )

    def _enforce_stop(self) -> None:
        """Repeat the order, since a worker may have sent another statement; after the deadline, kill it."""
        if repeat := time.monotonic() >= self._repeat_order_at:
            self._repeat_order_at = time.monotonic() + _REPEAT_STOP_SECONDS
        for handle in self._handles:
            if handle.tasks and time.monotonic() >= handle.deadline:
                self._stop_overdue(handle)
            elif handle.tasks and repeat:
                handle.channel.send(self._order)

    def _stop_overdue(self, handle: WorkerHandle) -> None:
        """Kill the worker if its migration is atomic: then the server rolls it back.

        It is suspended first, and everything that it had sent is read, since a migration without a
        transaction may just have begun.
        """
        if not handle.suspend() or readable([handle.channel], 0):
            return
        schema = self._plans[handle.tasks[0]].schema.name
        grace = f"{self._runner.limits.config.grace:g} s (--grace)"
        if handle.not_atomic:
            name = dotted(handle.not_atomic)
            text = f"{schema}: {name} is not atomic, so it is waited for, also after {grace}"
            handle.resume(math.inf)
        else:
            text = f"{schema}: the running migration went on for {grace}; it is ended and rolled back"
            handle.kill()
        get_logger().warning("schema.insisted", message=text, schema=schema)

    def _assign(self) -> None:
        for ahead in range(1, _TASKS_AHEAD + 1):
            for handle in self._handles:
                if self._waiting and len(handle.tasks) < ahead:
                    number = self._waiting.popleft()
                    handle.take(number)
                    budget = self._runner.budget.left
                    handle.channel.send("run", number=number, budget=budget, spent=handle.spent)

    def _receive(self, enough: Callable[[], bool]) -> Iterator[Outcome]:
        """Wait a moment for messages, and handle those that have come."""
        ready = readable([handle.channel for handle in self._handles], _POLL_SECONDS)
        for handle in list(self._handles):
            try:
                messages = handle.channel.receive() if handle.channel in ready else _check_alive(handle)
            except (EOFError, OSError, ValueError) as end:
                yield from self._worker_lost(handle, end)
                continue
            if messages and handle.suspended:
                handle.resume(self._deadline())  # it has ended or begun something in time
            for message in messages:
                for outcome in self._handle_message(handle, message):
                    yield outcome
                    # By now it is counted. A worker waits for this after a failure, which may be the last.
                    self._check_for_stop(enough)
                    if outcome.state == "failed":
                        handle.channel.send("continue")

    def _handle_message(self, handle: WorkerHandle, message: Message) -> Iterator[Outcome]:
        kind, content = message
        if kind == "ended":
            handle.give_back(content["number"])
            handle.not_atomic = None
            self._runner.budget.spend(content["spent"])
            handle.spent += content["spent"]
            yield _outcome(content["outcome"])
        else:
            self._note(handle, kind, content)

    def _note(self, handle: WorkerHandle, kind: str, content: dict[str, Any]) -> None:
        if kind == "returned":
            handle.give_back(content["number"])
        elif kind == "connected":
            self._connected(handle, **content)
        elif kind == "not_atomic":
            handle.not_atomic = content["step"] and (content["step"][0], content["step"][1])
            handle.deadline = self._deadline()
        elif kind == "blocked":
            self._token.report_blocked(content["schema"])
        elif kind == "lost":
            self._token.mark_lost()
        elif kind == "logged":
            event = content["event"]
            getattr(get_logger(), content["method"])(event.pop("event"), **event)

    def _connected(self, handle: WorkerHandle, thread: int, pid: int) -> None:
        """Note the session of a worker's thread, which has one at a time.

        The server uses process ids again: one that another worker had is no longer that worker's.
        """
        for one in self._handles:
            one.sessions = {key: value for key, value in one.sessions.items() if value != pid}
        handle.sessions[thread] = pid

    def _worker_lost(self, handle: WorkerHandle, end: Exception) -> Iterator[Outcome]:
        """Find out what became of the schema that it was running; others run what it had queued."""
        self._handles.remove(handle)
        handle.reap()
        how = (
            "a worker process sent what is no message" if isinstance(end, ValueError) else handle.exit_text()
        )
        running = [handle.tasks.popleft()] if handle.tasks else []
        if not self._order:
            self._waiting.extendleft(reversed(handle.tasks))
        for number in running:
            sessions = frozenset(handle.sessions.values())
            loss = WorkerLoss(self._plans[number], how, handle.killed_by_parent, handle.not_atomic, sessions)
            yield self._outcome_of_loss(loss, self._runner.limits, self._read_pool)
        if self._waiting:
            self._start_workers()

    def _shut_down(self) -> None:
        """Let every worker exit by itself, and kill those that have not within the grace period.

        After an error in this process, a worker may still be running a schema, and finishes it.
        """
        for handle in self._handles:
            if handle.tasks:
                handle.channel.send("stop")
            handle.channel.send("exit")
        grace = self._runner.limits.config.grace
        until = time.monotonic() + grace
        for handle in self._handles:
            with told(f"waiting for the end of the worker process {handle.process.pid}"):
                has_exited = handle.wait_for_exit(until)
            if not has_exited:
                text = (
                    f"the worker process {handle.process.pid} was ended {grace:g} s after its last one: "
                    "a thread or a process that a migration had started was at work there still"
                )
                get_logger().warning("worker.lingered", message=text)


def _check_alive(handle: WorkerHandle) -> list[Message]:
    """No messages. Raises EOFError if the process is dead, though a child of its may hold its socket open."""
    if not handle.process.is_alive():
        raise EOFError
    return []


def _outcome(content: dict[str, Any]) -> Outcome:
    applied = tuple((app, name) for app, name in content["applied"])
    return Outcome(**{**content, "applied": applied, "repairs": tuple(content["repairs"])})
