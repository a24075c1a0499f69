"""The stock engine: each schema through django-tenants' own machinery, one after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from django.db.migrations.migration import Migration
from django.db.migrations.state import ProjectState
from django_tenants.migration_executors.base import run_migrations

from railway_release.engines import statements
from railway_release.engines.bounds import bounded_waits
from railway_release.engines.command import Command, install
from railway_release.engines.crew import Crew
from railway_release.engines.guard import OwnGuard
from railway_release.engines.guarding import guarded
from railway_release.engines.identity import Identity
from railway_release.engines.turn import Turns
from railway_release.migrations.outcome import Key, Outcome
from railway_release.migrations.plan import SchemaPlan
from railway_release.postgres.records import mark
from railway_release.preflight.looks import Looks
from railway_release.topology import tenant_connection


class StockEngine:
    """See engine.Engine."""

    def __init__(self, turns: Turns, guard: OwnGuard, looks: Looks) -> None:
        self._turns = turns
        self._guard = guard
        self._looks = looks

    def migrate(self, plans: Sequence[SchemaPlan], enough: Callable[[], bool]) -> Iterator[Outcome]:
        """One schema after the other, in a process of their own."""

        def take(number: int, turns: Turns) -> Outcome:
            return turns.take(plans[number], partial(_migrate, plans[number], turns))

        self._guard.check()
        with bounded_waits(self._turns.terms):
            yield from Crew(plans, take, self._turns, self._guard, self._looks).outcomes(enough)
        self._guard.check()


def _migrate(plan: SchemaPlan, turns: Turns) -> None:
    def count(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        turns.hand.send(str(sql))
        return execute(sql, *rest)

    with tenant_connection().execute_wrapper(count), install(_Run(plan, turns)):
        run_migrations(
            (),
            _options(turns.terms.alias, plan.cohort.target),
            "release",
            plan.schema.name,
            tenant_type=plan.schema.type,
        )
    if plan.due:
        _execute(statements.unmark(plan.schema.name))


class _Run:
    """One schema's migrations, each of them in the schema that it is meant for."""

    def __init__(self, plan: SchemaPlan, turns: Turns) -> None:
        self._plan = plan
        self._turns = turns
        self._identity = Identity(tenant_connection(), plan.schema)

    def begin(self, migration: Migration) -> None:
        """Whatever receivers of pre_migrate have left behind, it works in its own schema."""
        with self._turns.guard.beginning():
            self._turns.hand.begin(self._key(migration), atomic=bool(migration.atomic))
        self._identity.take_on()
        migration.__dict__["apply"] = partial(self._apply, migration, migration.apply)

    def end(self, migration: Migration) -> None:
        """Its record is committed."""
        self._turns.hand.end(self._key(migration))

    def _apply(
        self,
        migration: Migration,
        apply: Callable[..., ProjectState],
        project_state: ProjectState,
        schema_editor: Any,
    ) -> ProjectState:
        """In the transaction of the migration, which is also that of its record if nothing is deferred."""
        self._restore_role()  # which begins the transaction, so that its end is noticed
        with (
            self._identity.kept("apply"),
            guarded(migration, self._identity, schema_editor, self._restore_role),
        ):
            state = apply(project_state, schema_editor)
        self._restore_role()
        if self._key(migration) == self._plan.cohort.to_apply[-1]:
            records = len(self._plan.unfinished) + len(self._plan.cohort.steps)
            _execute(statements.record(self._plan.schema.name, [mark(records)]))
        return state

    def _restore_role(self) -> None:
        _execute(self._identity.role)

    def _key(self, migration: Migration) -> Key:
        """As it is in the graph: a migration may have given itself the label of another app."""
        named = [key for key in self._plan.cohort.steps if key[1] == migration.name]
        own = (migration.app_label, migration.name)
        return own if own in named or len(named) != 1 else named[0]


def _execute(statement: str) -> None:
    """In the transaction that is open, if one is, and unseen by Django."""
    connection = tenant_connection()
    connection.ensure_connection()
    with connection.wrap_database_errors, contextlib.closing(connection.connection.cursor()) as cursor:
        cursor.execute(statement)


def _options(alias: str, target: tuple[str, ...]) -> dict[str, Any]:
    """What `manage.py migrate` would have parsed, with the options of a custom command at their defaults."""
    words = [*target, "--noinput", "--database", alias, "--no-color", "--skip-checks"]
    parsed = Command().create_parser("manage.py", "migrate").parse_args(words)
    return dict(vars(parsed))
