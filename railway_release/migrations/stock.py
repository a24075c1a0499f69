"""The stock engine: each schema through django-tenants' own machinery, one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django_tenants.migration_executors.base import run_migrations

from railway_release.errors import LockLost
from railway_release.interrupts import Interrupted, Interrupts
from railway_release.log import get_logger
from railway_release.migrations.command import Command, install, progress
from railway_release.migrations.outcome import Key, Outcome, dotted
from railway_release.migrations.plan import SchemaPlan
from railway_release.postgres.failures import (
    LOCK_NOT_AVAILABLE,
    describe,
    is_transient,
    sqlstate,
)
from railway_release.postgres.retry import Budget, retrying
from railway_release.postgres.watch import Watch
from railway_release.topology import tenant_connection

_UNRECORDED = "a run was cut off before the migration was recorded, or it was made by hand."
_HINTS = {
    LOCK_NOT_AVAILABLE: "Another session held the table's lock all the time: end it, or raise --retry-for.",
    "42P07": f"The table is there already: {_UNRECORDED}",
    "42701": f"The column is there already: {_UNRECORDED}",
    "42501": "The role of the release lacks a privilege; compare it with the owner of the schema's tables.",
}
_NOT_ATOMIC = (
    "This migration is not atomic, so it may be half applied (an interrupted CREATE INDEX CONCURRENTLY "
    "leaves an INVALID index); it is never retried by itself. Undo its part by hand, then run again."
)


@dataclass(frozen=True)
class Terms:
    """What every migration runs under; seconds."""

    alias: str
    lock_timeout: float
    statement_timeout: float
    retry_for: float
    show_values: bool


class StockEngine:
    """See engine.Engine."""

    def __init__(self, terms: Terms, budget: Budget, watch: Watch, interrupts: Interrupts) -> None:
        self._terms = terms
        self._budget = budget
        self._watch = watch
        self._interrupts = interrupts
        install()
        progress.before_each = self._check
        connection_created.connect(self._bound_waits, weak=True)

    def migrate(self, plans: Iterable[SchemaPlan]) -> Iterator[Outcome]:
        """One outcome a schema, lazily; raises Interrupted or LockLost between two schemas."""
        for plan in plans:
            self._check()
            yield self._one(plan)
        self._check()

    def _one(self, plan: SchemaPlan) -> Outcome:
        name, started, run = plan.schema.name, time.monotonic(), _Run()
        try:
            retrying(
                lambda: self._attempt(plan, run),
                seconds=min(self._terms.retry_for, self._budget.left),
                event="schema.retried",
                may_pass=self._may_pass,
                schema=name,
            )
        except (Interrupted, LockLost):
            return self._cut_off(plan, run)
        except BaseException as error:  # noqa: BLE001 - user code may raise anything; the others go on
            # A migration that is not atomic may be half applied, whatever ended it, and that must be told.
            if self._interrupts.requested is not None and progress.tearable:
                return self._cut_off(plan, run)
            return self._failed(plan, run, error, time.monotonic() - started)
        finally:
            self._budget.spend(run.since_first_failure())
        return Outcome(
            name, "migrated", tuple(run.done), duration=time.monotonic() - started, attempts=run.attempts
        )

    def _attempt(self, plan: SchemaPlan, run: _Run) -> None:
        run.attempts += 1
        progress.start_schema()
        try:
            with self._interrupts.shield(), self._watch.cancelling(lambda: progress.tearable):
                self._migrate(plan)
        except BaseException as error:
            run.failed_now()
            self._tell_blockers(plan.schema.name, error)
            raise
        finally:
            run.done += progress.done
            # A new one: after an error in deferred SQL, Django believes itself still in a transaction.
            tenant_connection().close()
            del connections[self._terms.alias]

    def _migrate(self, plan: SchemaPlan) -> None:
        run_migrations(
            (),
            _options(self._terms.alias, plan.cohort.target),
            "release",
            plan.schema.name,
            tenant_type=plan.schema.type,
        )

    def _may_pass(self, error: BaseException) -> bool:
        return (
            is_transient(error)
            and progress.tearable
            and self._watch.holds()
            and not self._interrupts.requested
        )

    def _cut_off(self, plan: SchemaPlan, run: _Run) -> Outcome:
        """The release ends in the middle of this schema; `migrate` says why before the next one."""
        text = f"stopped after {len(run.done)} of {len(plan.cohort.steps)} migrations; nothing is half done"
        return Outcome(plan.schema.name, "not reached", tuple(run.done), message=text, attempts=run.attempts)

    def _failed(self, plan: SchemaPlan, run: _Run, error: BaseException, duration: float) -> Outcome:
        code, at = sqlstate(error), _failed_at(plan, run.done)
        return Outcome(
            schema=plan.schema.name,
            state="failed",
            applied=tuple(run.done),
            failed_at=at,
            sqlstate=code,
            message=describe(error, self._terms.show_values),
            hint=_HINTS.get(code, "") if progress.tearable else _NOT_ATOMIC,
            duration=duration,
            attempts=run.attempts,
        )

    def _tell_blockers(self, schema: str, error: BaseException) -> None:
        blockers = self._watch.take_blockers()
        if sqlstate(error) == LOCK_NOT_AVAILABLE and blockers:
            get_logger().warning(
                "schema.blocked", message=f"{schema}: blocked by {blockers}", schema=schema, blockers=blockers
            )

    def _check(self) -> None:
        """Before each schema and each migration: is there a reason to stop?"""
        self._interrupts.check()
        if not self._watch.holds():
            raise LockLost(
                "The connection that held the release lock was lost.",
                "Nothing more was started; run again. Schemas that were not reached are named above.",
            )

    def _bound_waits(self, connection: BaseDatabaseWrapper, **_: Any) -> None:
        """Every DDL waits for its lock for a bounded time: it queues before all other users of the table."""
        if connection.alias == self._terms.alias:
            with connection.connection.cursor() as cursor:
                cursor.execute(
                    f"SET lock_timeout = {round(self._terms.lock_timeout * 1000)};"
                    f" SET statement_timeout = {round(self._terms.statement_timeout * 1000)}"
                )


class _Run:
    """The attempts at one schema."""

    def __init__(self) -> None:
        self.attempts = 0
        self.done: list[Key] = []
        self._first_failure = 0.0

    def failed_now(self) -> None:
        self._first_failure = self._first_failure or time.monotonic()

    def since_first_failure(self) -> float:
        return time.monotonic() - self._first_failure if self._first_failure else 0.0


def _options(alias: str, target: tuple[str, ...]) -> dict[str, Any]:
    """What `manage.py migrate` would have parsed, with the options of a custom command at their defaults."""
    words = [*target, "--noinput", "--database", alias, "--no-color", "--skip-checks"]
    parsed = Command().create_parser("manage.py", "migrate").parse_args(words)
    return dict(vars(parsed))


def _failed_at(plan: SchemaPlan, done: list[Key]) -> str:
    if progress.in_hand is not None:
        return f"{progress.in_hand.app_label}.{progress.in_hand.name}"
    return next((dotted(step) for step in plan.cohort.steps if step not in done), "")
