"""The attempts at one schema, with their retries, and its outcome; the same for every engine."""

from __future__ import annotations

import contextlib
import re
import shlex
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from railway_release.engine import shortage
from railway_release.engine.cancel_token import CancelToken
from railway_release.engine.engine import ExecutionLimits
from railway_release.engine.execution import Execution
from railway_release.engine.identity import ConnectionChanged, Identity
from railway_release.errors import LockLost
from railway_release.migrations.operations import opaque
from railway_release.migrations.outcome import First, Key, Outcome, dotted
from railway_release.migrations.plan import SchemaPlan
from railway_release.postgres.conflicts import conflicts
from railway_release.postgres.failures import (
    DUPLICATES,
    HINTS,
    LOCK_NOT_AVAILABLE,
    OUT_OF_MEMORY,
    QUERY_CANCELED,
    describe,
    is_loss,
    is_transient,
    sqlstate,
)
from railway_release.postgres.retry import Budget, retrying
from railway_release.postgres.session import quote
from railway_release.runtime.plain import place_of
from railway_release.runtime.signals import Interrupted
from railway_release.topology import search_path, tenant_connection

_THERE = "It is there already: a run was cut off before the migration was recorded, or it was made by hand."
_HINTS = HINTS | {
    "25000": "Set atomic = False in the migration, undo by hand what it has committed, then run again.",
    **dict.fromkeys(DUPLICATES, _THERE),
    OUT_OF_MEMORY: f"{HINTS[OUT_OF_MEMORY]} With --jobs 1, fewer are needed at a time.",
}
_CONSTANT = re.compile(r"'(?:[^']|'')*'|(\$\w*\$).*?\1", re.DOTALL)
# The classes of data_exception and integrity_constraint_violation.
_OF_ROWS = ("22", "23")
_MAX_STATEMENT_LENGTH = 300  # characters
NOT_ATOMIC = (
    "This migration is not atomic, so it may be half applied (an interrupted CREATE INDEX CONCURRENTLY "
    "leaves an INVALID index); it is never retried by itself. `repair` shows what of it is there."
)
RECEIVERS = (
    "Receivers were at work, and what they have done is not rolled back. Run again: that calls them again."
)
UNFINISHED = "Run again: that completes content types and permissions, and calls the receivers."


class Stopped(BaseException):
    """A worker was told to stop; a BaseException, so that no `except Exception` swallows it."""


@dataclass(frozen=True)
class SchemaRunner:
    """Runs schemas in this process. Holds what all of them have in common."""

    limits: ExecutionLimits
    budget: Budget
    token: CancelToken
    execution: Execution

    def run(self, plan: SchemaPlan, work: Callable[[], None]) -> Outcome:
        """Call `work` until it succeeds or fails for good, and return the schema's outcome.

        `work` notes in `execution` what it is doing. No error of the project's code is raised here.
        """
        with self.token.watching(plan.schema.name):
            return _Attempts(self, plan, work).outcome()


def _discard_connection(alias: str) -> None:
    """Close Django's connection and drop the object, which may still believe itself in a transaction."""
    with contextlib.suppress(Exception):  # what is broken need not be closed
        connections[alias].close()
    del connections[alias]


def _discard_broken_connections(alias: str) -> None:
    """Drop connections to other databases that a migration has lost, or left in a transaction."""
    for other in connections.all(initialized_only=True):
        if other.alias != alias and other.connection is not None and not _is_usable(other):
            _discard_connection(other.alias)


def _is_usable(connection: BaseDatabaseWrapper) -> bool:
    try:
        return not connection.in_atomic_block and bool(connection.is_usable())
    except Exception:  # noqa: BLE001 - any backend's, in any state
        return False


def _hint_for(error: BaseException) -> str:
    if isinstance(error, ConnectionChanged):
        return error.hint
    return shortage.hint(error) or _HINTS.get(sqlstate(error), "")


def _about_rows(error: BaseException, statement: str, show_values: bool) -> str:
    """How to see the rows that an error is about; the same text for all schemas that fail alike."""
    if sqlstate(error)[:2] not in _OF_ROWS:
        return ""
    hint = "" if show_values else "--show-values shows the values. "
    if queries := "; ".join(one.query() for one in conflicts(statement.replace("%%", "%"))):
        path = ",".join(map(_of_options, search_path()))
        where = f"PGOPTIONS='-c search_path=SCHEMA,{path}' psql \"$DATABASE_URL\" -c"
        hint += f"The rows: {where} {shlex.quote(queries)}. Change them, then run again."
    return hint.strip()


def _of_options(name: str) -> str:
    """A schema's name as PGOPTIONS takes it within quotes of the shell."""
    if re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        return name
    return re.sub(r"([\\ ])", r"\\\1", quote(name)).replace("'", "'\"'\"'")


def _place(error: BaseException) -> str:
    """Where the project's code raised it, in brackets; empty for what no such code has raised."""
    place = place_of(error)
    return f" ({type(error).__name__} in {place})" if place else ""


def _shortened(statement: str, show_values: bool) -> str:
    """A statement for the report, on one line; without its string constants unless `show_values` is set."""
    text = statement if show_values else _CONSTANT.sub("'…'", statement)
    return textwrap.shorten(text, _MAX_STATEMENT_LENGTH, placeholder=" …")


class _Attempts:
    def __init__(self, runner: SchemaRunner, plan: SchemaPlan, work: Callable[[], None]) -> None:
        self._runner = runner
        self._plan = plan
        self._work = work
        self._execution = runner.execution
        self._attempts = self._statements = 0
        self._receivers = 0.0
        self._done: list[Key] = []
        self._started = time.monotonic()
        self._first_failure = 0.0
        self._shortage = shortage.Shortage()

    def outcome(self) -> Outcome:
        try:
            self._retry()
        except (Interrupted, LockLost, Stopped):
            return self._stopped()
        except BaseException as error:  # noqa: BLE001 - the project's code may raise anything; the others go on
            # Whatever ended it, a migration that is not atomic may be half applied, and that must be said.
            if self._runner.token.stopping and self._execution.cancellable:
                return self._stopped()
            return self._failed(error)
        return self._as_outcome("migrated")

    def _retry(self) -> None:
        budget = self._runner.budget
        try:
            retrying(
                self._attempt,
                seconds=min(self._runner.limits.config.retry_for, budget.left),
                event="schema.retried",
                is_retryable=self._is_retryable,
                schema=self._plan.schema.name,
            )
        finally:
            if self._first_failure:
                budget.spend(time.monotonic() - self._first_failure)

    def _attempt(self) -> None:
        self._attempts += 1
        self._execution.start_attempt()
        try:
            with self._runner.token.working(lambda: self._execution.cancellable):
                self._work()
        except BaseException as error:
            self._note_failure(error)
            _discard_connection(self._runner.limits.alias)
            raise
        finally:
            _discard_broken_connections(self._runner.limits.alias)
            self._done += (step for step in self._execution.done if step not in self._done)
            self._statements += self._execution.statements
            self._receivers += self._execution.receivers

    def _note_failure(self, error: BaseException) -> None:
        self._first_failure = self._first_failure or time.monotonic()
        self._execution.reconnected |= is_loss(error)
        if isinstance(error, LockLost):
            self._runner.token.mark_lost()
        if sqlstate(error) == LOCK_NOT_AVAILABLE:
            self._runner.token.report_blocked(self._plan.schema.name)

    def _is_retryable(self, error: BaseException) -> bool:
        if not self._execution.cancellable or self._runner.token.stopping:
            return False
        if is_transient(error) or self._shortage.is_retryable(error):
            return True
        return bool(sqlstate(error)) and self._is_already_applied()

    def _is_already_applied(self) -> bool:
        """Whether another session, such as a migrate_schemas, has applied the running migration meanwhile."""
        step = self._execution.step
        try:
            return step is not None and step in Identity(tenant_connection(), self._plan.schema).recorded()
        except Error:
            return False

    def _stopped(self) -> Outcome:
        """The outcome where the release ends in the middle of this schema."""
        text = f"stopped after {len(self._done)} of {len(self._plan.cohort.steps)} migrations; "
        return self._as_outcome("not reached", message=f"{text}nothing is half done")

    def _failed(self, error: BaseException) -> Outcome:
        code, show_values = sqlstate(error), self._runner.limits.config.show_values
        is_of_server = bool(code) or isinstance(error, Error)
        statement = self._execution.statement_of(error) if is_of_server else ""
        return self._as_outcome(
            "failed",
            failed_at=self._failed_at(),
            sqlstate=code,
            message=describe(error, show_values) + ("" if is_of_server else _place(error)),
            statement=_shortened(statement, show_values),
            hint=self._hint(error),
            first=self._first(error),
        )

    def _hint(self, error: BaseException) -> str:
        if not self._execution.cancellable:
            return NOT_ATOMIC
        shown = self._runner.limits.config.show_values
        about_rows = _about_rows(error, self._execution.statement_of(error), shown)
        return _hint_for(error) or about_rows or (RECEIVERS if self._execution.receiving else "")

    def _first(self, error: BaseException) -> First:
        """What has to be done before another run can help."""
        if sqlstate(error) in DUPLICATES:
            node = self._plan.cohort.graph.graph.nodes.get(self._failed_step() or ("", ""))
            return "fake" if node and opaque(node) else "repair"
        if not self._execution.cancellable:
            return "change"
        may_pass = is_transient(error) or sqlstate(error) == QUERY_CANCELED
        return "" if may_pass or self._execution.receiving else "change"

    def _failed_step(self) -> Key | None:
        left = (step for step in self._plan.cohort.steps if step not in self._done)
        return self._execution.step or next(left, None)

    def _failed_at(self) -> str:
        step = self._failed_step()
        return dotted(step) if step else ""

    def _as_outcome(self, state: str, **more: Any) -> Outcome:
        return Outcome(
            self._plan.schema.name,
            state,  # type: ignore[arg-type]  # one of the literals, from the three callers above
            tuple(self._done),
            duration=time.monotonic() - self._started,
            attempts=self._attempts,
            statements=self._statements,
            receivers=self._receivers,
            **more,
        )
