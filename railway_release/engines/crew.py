"""Crew: the worker processes of one wave, seen from their parent."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from typing import Any

from railway_release.engines.guard import OwnGuard
from railway_release.engines.turn import NOT_ATOMIC, UNFINISHED, Turns
from railway_release.engines.worker import Task, Worker
from railway_release.log import get_logger
from railway_release.migrations.outcome import Outcome, dotted
from railway_release.postgres.failures import describe
from railway_release.postgres.records import Records, records
from railway_release.postgres.session import Connection, fetch
from railway_release.postgres.sweep import Sweep
from railway_release.preflight.looks import Looks

# One in hand and one at the ready, so that nobody waits for the parent.
_TASKS_AHEAD = 2
_LOOK_EVERY_SECONDS = 0.1
_MOST_IDLE_DEATHS = 3
# How long a look at what became of a schema is tried again, while other workers go on.
_PATIENCE_SECONDS = 10.0


class Member:
    """One worker process."""

    def __init__(self, tasks: Sequence[Task], turns: Turns, others: Sequence[Member]) -> None:
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.tasks: deque[int] = deque()  # given and not answered, oldest first
        self.sessions: set[int] = set()  # process ids on the server
        inherited = [self.pipe, *(other.pipe for other in others)]
        self.process: ForkProcess = context.Process(target=_work, args=(theirs, inherited, tasks, turns))
        with warnings.catch_warnings():
            # Python warns of forking with threads, whose locks the child might wait for. The child uses
            # nothing of the two that there are: the watch's connection, and the screen.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process.start()
        theirs.close()

    def send(self, message: object) -> None:
        """To the worker, if it is still there; its end is noticed elsewhere."""
        with contextlib.suppress(OSError):
            self.pipe.send(message)

    def dismiss(self) -> None:
        """Let it go, and make sure that it does."""
        self.send(None)
        self.process.join(timeout=5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()


def _work(pipe: Pipe, inherited: list[Pipe], tasks: Sequence[Task], turns: Turns) -> None:
    # Held open here, they would hide the parent's end from the others.
    for one in inherited:
        one.close()
    Worker(pipe, tasks, turns).run()


class Crew:
    """Shares out the tasks, takes in the outcomes."""

    def __init__(self, jobs: int, tasks: Sequence[Task], turns: Turns, guard: OwnGuard, looks: Looks) -> None:
        self._jobs = min(jobs, len(tasks))
        self._tasks = tasks
        self._turns = turns
        self._guard = guard
        self._looks = looks
        self._waiting = deque(range(len(tasks)))
        self._members: list[Member] = []
        self._told = ""
        self._idle_deaths = 0

    def outcomes(self, enough: Callable[[], bool]) -> Iterator[Outcome]:
        """As the schemas end. Signals wait meanwhile: the workers are told, and finish first."""
        with self._guard.interrupts.shield():
            gc.freeze()  # the workers' collectors would touch, and so copy, what is shared
            try:
                self._hire()
                while any(member.tasks for member in self._members) or self._waiting:
                    self._heed(enough)
                    self._share_out()
                    yield from self._take_in(enough)
            finally:
                for member in self._members:
                    member.dismiss()
                gc.unfreeze()

    def _hire(self) -> None:
        while len(self._members) < self._jobs:
            self._members.append(Member(self._tasks, self._turns, self._members))

    def _heed(self, enough: Callable[[], bool]) -> None:
        """Tell the workers, once, that there is a reason to stop."""
        order = "stop" if self._guard.stopping else "drain" if enough() else ""
        if order and self._told not in (order, "stop"):
            self._told = order
            self._waiting.clear()
            for member in self._members:
                member.send(order)

    def _share_out(self) -> None:
        for ahead in range(1, _TASKS_AHEAD + 1):
            for member in self._members:
                if self._waiting and len(member.tasks) < ahead:
                    number = self._waiting.popleft()
                    member.tasks.append(number)
                    member.send((number, self._turns.budget.left))

    def _take_in(self, enough: Callable[[], bool]) -> Iterator[Outcome]:
        ready = wait([member.pipe for member in self._members], _LOOK_EVERY_SECONDS)
        for member in [one for one in self._members if one.pipe in ready]:
            try:
                for outcome in self._answered(member, *member.pipe.recv()):
                    yield outcome
                    # By now it is counted. A worker waits for this after a failure, which may be the last.
                    self._heed(enough)
                    if outcome.state == "failed":
                        member.send("go on")
            except (EOFError, OSError):
                yield from self._lost(member)

    def _answered(self, member: Member, kind: str, *content: Any) -> Iterator[Outcome]:
        if kind == "ended":
            number, outcome, spent = content
            member.tasks.remove(number)
            self._turns.budget.spend(spent)
            yield outcome
        elif kind == "returned":
            member.tasks.remove(content[0])
        elif kind == "connected":
            member.sessions.add(content[0])
        elif kind == "blocked":
            self._guard.blocked(content[0])
        elif kind == "logged":
            method, event = content
            getattr(get_logger(), method)(event.pop("event"), **event)

    def _lost(self, member: Member) -> Iterator[Outcome]:
        """A worker died: its schema's records say how far it came; another one goes on with the rest."""
        self._members.remove(member)
        member.process.join()
        in_hand = [member.tasks.popleft()] if member.tasks else []
        if not self._told:
            self._waiting.extendleft(reversed(member.tasks))
        self._idle_deaths += not in_hand
        if self._idle_deaths > _MOST_IDLE_DEATHS:
            raise RuntimeError(f"Worker processes end before their first schema ({_how(member)}).")
        for number in in_hand:
            yield self._of_records(self._tasks[number], member)
        if self._waiting:
            self._hire()

    def _of_records(self, task: Task, member: Member) -> Outcome:
        name, steps = task.plan.schema.name, task.plan.cohort.steps

        def read(connection: Connection) -> Records:
            _end_sessions(connection, member.sessions)
            return records(Sweep(connection), [name])

        try:
            found = self._looks.look(read, most=_PATIENCE_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other workers are healthy
            text = f"{_how(member)}, and its records could not be read: {describe(error)}"
            return Outcome(name, "failed", message=text, hint="Run again.", attempts=1)
        recorded = set(found.histories.get(name, ()))
        done = tuple(step for step in steps if step in recorded)
        cut = next((step for step in task.program.steps if not recorded.issuperset(step.records)), None)
        if name in found.unfinished:
            text = f"{_how(member)}, with every migration recorded and what follows the last one not done"
            return Outcome(name, "failed", done, message=text, hint=UNFINISHED, attempts=1)
        if cut is None:
            text = f"{_how(member)}, but every migration is recorded"
            get_logger().warning("worker.lost", message=f"{name}: {text}", schema=name)
            return Outcome(name, "migrated", done, attempts=1, message=text)
        return Outcome(
            name,
            "failed",
            done,
            failed_at=dotted(cut.key),
            message=f"{_how(member)}; {len(done)} of {len(steps)} migrations are recorded",
            hint="Nothing is half done; run again." if cut.atomic else NOT_ATOMIC,
            attempts=1,
        )


def _end_sessions(connection: Any, pids: set[int]) -> None:
    """What a worker had sent may still be running; nothing can be said before that has ended."""
    for pid in pids:
        fetch(connection, "SELECT pg_terminate_backend(%s)", (pid,))
    alive = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)"
    deadline = time.monotonic() + 10
    while fetch(connection, alive, (list(pids),))[0][0] and time.monotonic() < deadline:
        time.sleep(0.05)


def _how(member: Member) -> str:
    code = member.process.exitcode or 0
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"the worker process {member.process.pid} {how}"
