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
from railway_release.engine.channel import Message, readable
from railway_release.engine.guard import OwnGuard
from railway_release.engine.lost import Judge, Loss
from railway_release.engine.member import Member
from railway_release.engine.turn import Turns
from railway_release.engine.worker import Take
from railway_release.migrations.outcome import Outcome, dotted
from railway_release.migrations.plan import SchemaPlan
from railway_release.preflight.looks import Looks
from railway_release.runtime.log import get_logger

CAN_FORK = sys.platform == "linux"  # elsewhere, the system's own libraries may not survive it

# One in hand and one at the ready, so that nobody waits for the parent.
_TASKS_AHEAD = 2
_LOOK_EVERY_SECONDS = 0.1
_SAY_STOP_EVERY_SECONDS = 1.0


class Crew:
    """Shares out the plans, takes in the outcomes."""

    def __init__(  # noqa: PLR0913 - what the work is, and what it is done with
        self,
        plans: Sequence[SchemaPlan],
        take: Take,
        turns: Turns,
        guard: OwnGuard,
        looks: Looks,
        *,
        jobs: int = 1,
        judge: Judge = lost.outcome,
    ) -> None:
        self._jobs = min(jobs, len(plans))
        self._judge = judge
        self._plans = plans
        self._take = take
        self._turns = turns
        self._guard = guard
        self._looks = looks
        self._waiting = deque(range(len(plans)))
        self._members: list[Member] = []
        self._told = ""
        self._say_stop_at = 0.0

    def outcomes(self, enough: Callable[[], bool]) -> Iterator[Outcome]:
        """As the schemas end. Signals wait meanwhile: the workers are told, and finish first."""
        if not CAN_FORK:
            yield from self.here(enough)
            return
        connections.close_all()  # or they would be used on both sides of the fork
        with self._guard.interrupts.shield():
            gc.freeze()  # the workers' collectors would touch, and so copy, what is shared
            try:
                self._hire()
                while any(member.tasks for member in self._members) or self._waiting:
                    self._heed(enough)
                    self._share_out()
                    yield from self._take_in(enough)
            finally:
                self._dismiss()
                gc.unfreeze()

    def here(self, enough: Callable[[], bool]) -> Iterator[Outcome]:
        """In this process, one after the other."""
        for number in range(len(self._plans)):
            self._guard.check()
            if enough():
                return
            yield self._take(number, self._turns)

    def _hire(self) -> None:
        """As many as there should be, or can be."""
        while len(self._members) < self._jobs:
            lock = self._guard.watch.fileno()
            try:
                self._members.append(Member(self._take, self._turns, self._members, lock))
            except OSError:
                if not self._members:
                    raise
                self._jobs = len(self._members)

    def _heed(self, enough: Callable[[], bool]) -> None:
        """Tell the workers that there is a reason to stop, and see to it that they do."""
        order = "stop" if self._guard.stopping else "drain" if enough() else ""
        order = "abort" if self._guard.watch.silent else order
        if order and self._told not in (order, "abort") and (self._told != "stop" or order == "abort"):
            self._told = order
            self._waiting.clear()
            for member in self._members:
                member.channel.send(order)
                member.deadline = self._deadline()
        if self._told in ("stop", "abort"):
            self._insist()

    def _deadline(self) -> float:
        return time.monotonic() + self._turns.terms.grace if self._told in ("stop", "abort") else math.inf

    def _insist(self) -> None:
        """A statement that was not cancelled, or the next one, is cancelled now; Python is given its time."""
        if say_it := time.monotonic() >= self._say_stop_at:
            self._say_stop_at = time.monotonic() + _SAY_STOP_EVERY_SECONDS
        for member in self._members:
            if member.tasks and time.monotonic() >= member.deadline:
                self._end(member)
            elif member.tasks and say_it:
                member.channel.send(self._told)

    def _end(self, member: Member) -> None:
        """Only what is atomic: the server rolls it back. All that it has said by then has to be known."""
        if not member.freeze() or readable([member.channel], 0):
            return
        schema = self._plans[member.tasks[0]].schema.name
        grace = f"{self._turns.terms.grace:g} s (--grace)"
        if member.holding:
            text = (
                f"{schema}: {dotted(member.holding)} is not atomic, so it is waited for, also after {grace}"
            )
            member.thaw(math.inf)
        else:
            text = f"{schema}: what is in hand went on for {grace}; it is ended and rolled back"
            member.end()
        get_logger().warning("schema.insisted", message=text, schema=schema)

    def _share_out(self) -> None:
        for ahead in range(1, _TASKS_AHEAD + 1):
            for member in self._members:
                if self._waiting and len(member.tasks) < ahead:
                    number = self._waiting.popleft()
                    member.tasks.append(number)
                    budget = self._turns.budget.left
                    member.channel.send("take", number=number, budget=budget, spent=member.spent)

    def _take_in(self, enough: Callable[[], bool]) -> Iterator[Outcome]:
        ready = readable([member.channel for member in self._members], _LOOK_EVERY_SECONDS)
        for member in list(self._members):
            try:
                messages = member.channel.receive() if member.channel in ready else _alive(member)
            except (EOFError, OSError, ValueError) as end:
                yield from self._lost(member, end)
                continue
            if messages and member.frozen:
                # It has ended, or begun something, in time.
                member.thaw(self._deadline())
            for message in messages:
                for outcome in self._answered(member, message):
                    yield outcome
                    # By now it is counted. A worker waits for this after a failure, which may be the last.
                    self._heed(enough)
                    if outcome.state == "failed":
                        member.channel.send("go on")

    def _answered(self, member: Member, message: Message) -> Iterator[Outcome]:
        kind, content = message
        if kind == "ended":
            member.tasks.remove(content["number"])
            member.holding = None
            self._turns.budget.spend(content["spent"])
            member.spent += content["spent"]
            yield _outcome(content["outcome"])
        elif kind == "returned":
            member.tasks.remove(content["number"])
        elif kind == "connected":
            self._connected(member, **content)
        elif kind == "holding":
            member.holding = content["step"] and (content["step"][0], content["step"][1])
            member.deadline = self._deadline()
        elif kind == "blocked":
            self._guard.blocked(content["schema"])
        elif kind == "lost":
            self._guard.lose()
        elif kind == "logged":
            event = content["event"]
            getattr(get_logger(), content["method"])(event.pop("event"), **event)

    def _connected(self, member: Member, thread: int, pid: int) -> None:
        """A thread has one session at a time; and a process id that is used again was somebody's before."""
        for one in self._members:
            one.sessions = {key: value for key, value in one.sessions.items() if value != pid}
        member.sessions[thread] = pid

    def _lost(self, member: Member, end: Exception) -> Iterator[Outcome]:
        """A worker died: its schema's records say how far it came; another one goes on with the rest."""
        self._members.remove(member)
        member.bury()
        how = "a worker process sent what is no message" if isinstance(end, ValueError) else member.how()
        in_hand = [member.tasks.popleft()] if member.tasks else []
        if not self._told:
            self._waiting.extendleft(reversed(member.tasks))
        for number in in_hand:
            sessions = frozenset(member.sessions.values())
            loss = Loss(self._plans[number], how, member.ended_by_us, member.holding, sessions)
            yield self._judge(loss, self._turns.terms, self._looks)
        if self._waiting:
            self._hire()

    def _dismiss(self) -> None:
        """Let them go, and see that they do. What is still in hand, after an error here, is the last."""
        for member in self._members:
            if member.tasks:
                member.channel.send("stop")
            member.channel.send("leave")
        patience = self._turns.terms.grace
        until = time.monotonic() + patience
        for member in self._members:
            if not member.dismiss(until):
                text = (
                    f"the worker process {member.process.pid} was ended {patience:g} s after its last one: "
                    "a thread or a process that a migration had started was at work there still"
                )
                get_logger().warning("worker.lingered", message=text)


def _alive(member: Member) -> list[Message]:
    """Others may hold a dead worker's end open: what it had forked."""
    if not member.process.is_alive():
        raise EOFError
    return []


def _outcome(content: dict[str, Any]) -> Outcome:
    applied = tuple((app, name) for app, name in content["applied"])
    return Outcome(**{**content, "applied": applied, "repairs": tuple(content["repairs"])})
