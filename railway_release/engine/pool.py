"""Crew: the worker processes of one wave, seen from their parent.

Whatever a worker does, what the parent says is true, and said in time: a worker may leave, hang, be killed,
send what is no message, or start processes that outlive it. ProcessPoolExecutor could not carry that: with
one dead process all its futures break, results are unpickled in the parent, and nothing can be said to a
task that runs (stop, and cancel the statement in hand). pebble replaces dead processes and ends single tasks,
but shares the other two, ends what is not atomic like anything else, and forks with threads of its own.
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
from railway_release.engine.lost import Judge, Loss
from railway_release.engine.worker import RunTask
from railway_release.migrations.outcome import Outcome, dotted
from railway_release.migrations.plan import SchemaPlan
from railway_release.preflight.read_pool import ReadPool
from railway_release.runtime.log import get_logger

CAN_FORK = sys.platform == "linux"  # elsewhere, the system's own libraries may not survive it

# One in hand and one at the ready, so that nobody waits for the parent.
_TASKS_AHEAD = 2
_LOOK_EVERY_SECONDS = 0.1
_SAY_STOP_EVERY_SECONDS = 1.0


class WorkerPool:
    """Shares out the plans, takes in the outcomes."""

    def __init__(  # noqa: PLR0913 - what the work is, and what it is done with
        self,
        plans: Sequence[SchemaPlan],
        run_task: RunTask,
        runner: SchemaRunner,
        token: OwnCancelToken,
        read_pool: ReadPool,
        *,
        jobs: int = 1,
        judge: Judge = lost.outcome,
    ) -> None:
        self._jobs = min(jobs, len(plans))
        self._judge = judge
        self._plans = plans
        self._run_task = run_task
        self._runner = runner
        self._token = token
        self._read_pool = read_pool
        self._waiting = deque(range(len(plans)))
        self._handles: list[WorkerHandle] = []
        self._told = ""
        self._say_stop_at = 0.0

    def outcomes(self, enough: Callable[[], bool]) -> Iterator[Outcome]:
        """As the schemas end. Signals wait meanwhile: the workers are told, and finish first."""
        if not CAN_FORK:
            yield from self.here(enough)
            return
        connections.close_all()  # or they would be used on both sides of the fork
        with self._token.interrupts.shield():
            gc.freeze()  # the workers' collectors would touch, and so copy, what is shared
            try:
                self._hire()
                while any(handle.tasks for handle in self._handles) or self._waiting:
                    self._heed(enough)
                    self._share_out()
                    yield from self._take_in(enough)
            finally:
                self._dismiss()
                gc.unfreeze()

    def here(self, enough: Callable[[], bool]) -> Iterator[Outcome]:
        """In this process, one after the other."""
        for number in range(len(self._plans)):
            self._token.check()
            if enough():
                return
            yield self._run_task(number, self._runner)

    def _hire(self) -> None:
        """As many as there should be, or can be."""
        while len(self._handles) < self._jobs:
            lock = self._token.monitor.fileno()
            try:
                self._handles.append(WorkerHandle(self._run_task, self._runner, self._handles, lock))
            except OSError:
                if not self._handles:
                    raise
                self._jobs = len(self._handles)

    def _heed(self, enough: Callable[[], bool]) -> None:
        """Tell the workers that there is a reason to stop, and see to it that they do."""
        order = "stop" if self._token.stopping else "drain" if enough() else ""
        order = "abort" if self._token.monitor.silent else order
        if order and self._told not in (order, "abort") and (self._told != "stop" or order == "abort"):
            self._told = order
            self._waiting.clear()
            for handle in self._handles:
                handle.channel.send(order)
                handle.deadline = self._deadline()
        if self._told in ("stop", "abort"):
            self._insist()

    def _deadline(self) -> float:
        return time.monotonic() + self._runner.limits.grace if self._told in ("stop", "abort") else math.inf

    def _insist(self) -> None:
        """A statement that was not cancelled, or the next one, is cancelled now; Python is given its time."""
        if say_it := time.monotonic() >= self._say_stop_at:
            self._say_stop_at = time.monotonic() + _SAY_STOP_EVERY_SECONDS
        for handle in self._handles:
            if handle.tasks and time.monotonic() >= handle.deadline:
                self._end(handle)
            elif handle.tasks and say_it:
                handle.channel.send(self._told)

    def _end(self, handle: WorkerHandle) -> None:
        """Only what is atomic: the server rolls it back. All that it has said by then has to be known."""
        if not handle.freeze() or readable([handle.channel], 0):
            return
        schema = self._plans[handle.tasks[0]].schema.name
        grace = f"{self._runner.limits.grace:g} s (--grace)"
        if handle.holding:
            text = (
                f"{schema}: {dotted(handle.holding)} is not atomic, so it is waited for, also after {grace}"
            )
            handle.thaw(math.inf)
        else:
            text = f"{schema}: what is in hand went on for {grace}; it is ended and rolled back"
            handle.end()
        get_logger().warning("schema.insisted", message=text, schema=schema)

    def _share_out(self) -> None:
        for ahead in range(1, _TASKS_AHEAD + 1):
            for handle in self._handles:
                if self._waiting and len(handle.tasks) < ahead:
                    number = self._waiting.popleft()
                    handle.tasks.append(number)
                    budget = self._runner.budget.left
                    handle.channel.send("take", number=number, budget=budget, spent=handle.spent)

    def _take_in(self, enough: Callable[[], bool]) -> Iterator[Outcome]:
        ready = readable([handle.channel for handle in self._handles], _LOOK_EVERY_SECONDS)
        for handle in list(self._handles):
            try:
                messages = handle.channel.receive() if handle.channel in ready else _alive(handle)
            except (EOFError, OSError, ValueError) as end:
                yield from self._lost(handle, end)
                continue
            if messages and handle.frozen:
                # It has ended, or begun something, in time.
                handle.thaw(self._deadline())
            for message in messages:
                for outcome in self._answered(handle, message):
                    yield outcome
                    # By now it is counted. A worker waits for this after a failure, which may be the last.
                    self._heed(enough)
                    if outcome.state == "failed":
                        handle.channel.send("go on")

    def _answered(self, handle: WorkerHandle, message: Message) -> Iterator[Outcome]:
        kind, content = message
        if kind == "ended":
            handle.tasks.remove(content["number"])
            handle.holding = None
            self._runner.budget.spend(content["spent"])
            handle.spent += content["spent"]
            yield _outcome(content["outcome"])
        elif kind == "returned":
            handle.tasks.remove(content["number"])
        elif kind == "connected":
            self._connected(handle, **content)
        elif kind == "holding":
            handle.holding = content["step"] and (content["step"][0], content["step"][1])
            handle.deadline = self._deadline()
        elif kind == "blocked":
            self._token.blocked(content["schema"])
        elif kind == "lost":
            self._token.lose()
        elif kind == "logged":
            event = content["event"]
            getattr(get_logger(), content["method"])(event.pop("event"), **event)

    def _connected(self, handle: WorkerHandle, thread: int, pid: int) -> None:
        """A thread has one session at a time; and a process id that is used again was somebody's before."""
        for one in self._handles:
            one.sessions = {key: value for key, value in one.sessions.items() if value != pid}
        handle.sessions[thread] = pid

    def _lost(self, handle: WorkerHandle, end: Exception) -> Iterator[Outcome]:
        """A worker died: its schema's records say how far it came; another one goes on with the rest."""
        self._handles.remove(handle)
        handle.bury()
        how = "a worker process sent what is no message" if isinstance(end, ValueError) else handle.how()
        in_hand = [handle.tasks.popleft()] if handle.tasks else []
        if not self._told:
            self._waiting.extendleft(reversed(handle.tasks))
        for number in in_hand:
            sessions = frozenset(handle.sessions.values())
            loss = Loss(self._plans[number], how, handle.ended_by_us, handle.holding, sessions)
            yield self._judge(loss, self._runner.limits, self._read_pool)
        if self._waiting:
            self._hire()

    def _dismiss(self) -> None:
        """Let them go, and see that they do. What is still in hand, after an error here, is the last."""
        for handle in self._handles:
            if handle.tasks:
                handle.channel.send("stop")
            handle.channel.send("leave")
        grace = self._runner.limits.grace
        until = time.monotonic() + grace
        for handle in self._handles:
            if not handle.dismiss(until):
                text = (
                    f"the worker process {handle.process.pid} was ended {grace:g} s after its last one: "
                    "a thread or a process that a migration had started was at work there still"
                )
                get_logger().warning("worker.lingered", message=text)


def _alive(handle: WorkerHandle) -> list[Message]:
    """Others may hold a dead worker's end open: what it had forked."""
    if not handle.process.is_alive():
        raise EOFError
    return []


def _outcome(content: dict[str, Any]) -> Outcome:
    applied = tuple((app, name) for app, name in content["applied"])
    return Outcome(**{**content, "applied": applied, "repairs": tuple(content["repairs"])})
