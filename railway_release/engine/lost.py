"""What became of the schema that a worker process was running when it died or was killed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from railway_release.engine.attempt import NOT_ATOMIC, UNFINISHED
from railway_release.engine.engine import ExecutionLimits
from railway_release.migrations.outcome import First, Key, Outcome, State, dotted
from railway_release.migrations.plan import SchemaPlan
from railway_release.postgres.batch_reader import BatchReader
from railway_release.postgres.failures import describe
from railway_release.postgres.records import records
from railway_release.postgres.session import Connection
from railway_release.postgres.terminate import end_sessions
from railway_release.preflight.read_pool import ReadPool
from railway_release.runtime.log import get_logger

_SECONDS = 10.0  # for the server to end a session whose process is gone


@dataclass(frozen=True)
class WorkerLoss:
    """The end of a worker process, as its parent saw it."""

    plan: SchemaPlan
    cause: str  # how it ended, in words
    stop_requested: bool  # the parent killed it, since it did not stop in time
    not_atomic: Key | None  # the running migration, if that was not atomic
    sessions: frozenset[int]  # process ids on the server, of the worker's connections


OutcomeOfLoss = Callable[[WorkerLoss, ExecutionLimits, ReadPool], Outcome]


def outcome(loss: WorkerLoss, limits: ExecutionLimits, read_pool: ReadPool) -> Outcome:
    """The outcome of a schema whose migrations were running: its records say how far they came.

    They are read when the worker's sessions on the server have ended.
    """
    name, steps = loss.plan.schema.name, loss.plan.cohort.steps
    try:
        at_work, recorded, finished = read_pool.read(partial(_read, loss, limits), most=_SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other schemas go on
        text = f"{loss.cause}; how far it came cannot be read: {describe(error)}"
        return Outcome(name, "failed", message=text, hint="Run again.", attempts=1)
    done = tuple(step for step in steps if step in recorded)
    cut = loss.not_atomic or next((step for step in steps if step not in recorded), None)
    if cut is None and finished:
        text = f"{loss.cause}, but everything is done"
        get_logger().warning("worker.lost", message=f"{name}: {text}", schema=name)
        return Outcome(name, "migrated", done, attempts=1, message=text)
    text = _message(loss, limits, len(done), cut) + _still_at_work(at_work)
    if loss.stop_requested:
        return Outcome(name, "not reached", done, message=text, attempts=1)
    failed_at = dotted(cut) if cut else ""
    hint, first = _hint(loss, cut), _first(loss)
    return Outcome(
        name, "failed", done, failed_at=failed_at, message=text, hint=hint, first=first, attempts=1
    )


def creation_outcome(loss: WorkerLoss, limits: ExecutionLimits, read_pool: ReadPool) -> Outcome:
    """The outcome of a schema that was being created: it is still marked as such, or does not exist."""
    name = loss.plan.schema.name
    try:
        at_work = read_pool.read(partial(_end_sessions, loss, limits), most=_SECONDS)
    except Exception as error:  # noqa: BLE001 - as in outcome()
        get_logger().warning("worker.session_awaited", message=f"{name}: {describe(error)}", schema=name)
        at_work = []
    text = f"{loss.cause} while the schema was being created{_still_at_work(at_work)}"
    state: State = "not reached" if loss.stop_requested else "failed"
    return Outcome(name, state, message=text, hint="Run again: that completes it.", attempts=1)


def _hint(loss: WorkerLoss, cut: Key | None) -> str:
    if cut is None:
        return UNFINISHED
    return NOT_ATOMIC if loss.not_atomic else "Nothing is half done; run again."


def _first(loss: WorkerLoss) -> First:
    return "change" if loss.not_atomic else ""


def _message(loss: WorkerLoss, limits: ExecutionLimits, done: int, cut: Key | None) -> str:
    number = len(loss.plan.cohort.steps)
    if loss.stop_requested:
        what = dotted(cut) if cut else "what follows the last"
        return (
            f"stopped after {done} of {number} migrations; {what} went on for {limits.config.grace:g} s"
            " (--grace), so its process was ended; nothing is half done"
        )
    if cut is None:
        return f"{loss.cause}, with every migration recorded and what follows the last one not done"
    return f"{loss.cause}; {done} of {number} migrations are recorded"


def _still_at_work(pids: Collection[int]) -> str:
    if not pids:
        return ""
    return (
        f"; its session (pid {', '.join(map(str, pids))}) is still at work on the server, so this may change"
    )


def _read(
    loss: WorkerLoss, limits: ExecutionLimits, connection: Connection
) -> tuple[list[int], frozenset[Key], bool]:
    """The process ids of sessions that have not ended, the records, and whether nothing is unfinished."""
    name = loss.plan.schema.name
    at_work = _end_sessions(loss, limits, connection)
    found = records(BatchReader(connection), [name])
    if name in found.unreadable:
        raise RuntimeError(found.unreadable[name])
    return at_work, frozenset(found.histories.get(name, ())), name not in found.unfinished


def _end_sessions(loss: WorkerLoss, limits: ExecutionLimits, connection: Connection) -> list[int]:
    return end_sessions(connection, limits.application, loss.sessions, _SECONDS)
