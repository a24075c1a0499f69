"""The stock engine: django-tenants' own migrate command, for one schema after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from django.apps import apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor as SchemaEditor
from django.db.migrations.migration import Migration
from django.db.migrations.state import ProjectState
from django.db.models.signals import post_migrate, pre_migrate
from django.dispatch import Signal
from django_tenants.migration_executors.base import run_migrations
from django_tenants.signals import schema_migrated, schema_pre_migration

from railway_release.engine import statements
from railway_release.engine.attempt import SchemaRunner
from railway_release.engine.cancel_token import OwnCancelToken
from railway_release.engine.command import Command, install, is_nested
from railway_release.engine.engine import Engine
from railway_release.engine.identity import Identity, execute
from railway_release.engine.limits import sessions_with_limits, timeouts
from railway_release.engine.pool import WorkerPool
from railway_release.engine.user_code import restoring_connection
from railway_release.migrations.outcome import Key, Outcome
from railway_release.migrations.plan import SchemaPlan
from railway_release.postgres.lock import MARK_AS_NOT_ATOMIC, NO_LONGER_NOT_ATOMIC
from railway_release.postgres.records import mark
from railway_release.preflight.read_pool import ReadPool
from railway_release.topology import tenant_connection


class StockEngine:
    """See engine.Engine; `finishing` is the engine for schemas in which no migration is pending."""

    def __init__(
        self, runner: SchemaRunner, token: OwnCancelToken, read_pool: ReadPool, finishing: Engine
    ) -> None:
        self._runner = runner
        self._token = token
        self._read_pool = read_pool
        self._finishing = finishing

    def migrate(self, plans: Sequence[SchemaPlan], enough: Callable[[], bool]) -> Iterator[Outcome]:
        """See Engine. All schemas are migrated in one worker process."""
        pending = [plan for plan in plans if plan.pending]

        def run_task(number: int, runner: SchemaRunner) -> Outcome:
            return runner.run(pending[number], partial(_migrate, pending[number], runner))

        if rest := [plan for plan in plans if not plan.pending]:
            yield from self._finishing.migrate(rest, enough)
        self._token.check()
        if pending and not enough():
            with sessions_with_limits(self._runner.limits):
                yield from WorkerPool(pending, run_task, self._runner, self._token, self._read_pool).outcomes(
                    enough
                )
            self._token.check()


def _migrate(plan: SchemaPlan, runner: SchemaRunner) -> None:
    def count(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        runner.execution.send(str(sql))
        return runner.execution.run(execute, sql, *rest)

    run = _StockRun(plan, runner)
    with tenant_connection().execute_wrapper(count), install(run), run.restoring_connection():
        run_migrations(
            (),
            _options(runner.limits.alias, plan.cohort.target),
            "release",
            plan.schema.name,
            tenant_type=plan.schema.type,
        )
    if run.marked:  # on another connection, since the one that has migrated is closed by now
        execute(f"{run.role}; {statements.unmark(plan.schema.name)}")


class _StockRun:
    """Listens to the migrate command of one schema, and keeps each migration in that schema."""

    def __init__(self, plan: SchemaPlan, runner: SchemaRunner) -> None:
        self._plan = plan
        self._runner = runner
        self._identity = Identity(tenant_connection(), plan.schema)
        self.role = self._identity.role
        self.marked = bool(plan.unfinished)  # whether the schema is marked as unfinished
        # Restores what SQL of the project may have set for the session.
        self._settings = f"{statements.OWN_DEFAULTS}; {timeouts(runner.limits)}; {self.role}"

    @contextlib.contextmanager
    def restoring_connection(self) -> Iterator[None]:
        """While entered, the connection's schema and role are restored before the receivers of each app."""
        signals = (schema_pre_migration, pre_migrate, post_migrate)
        for signal in signals:
            signal.connect(self._restore)
        try:
            yield
        finally:
            for signal in signals:
                signal.disconnect(self._restore)

    def _restore(self, signal: Signal, sender: object, **_: Any) -> None:
        if is_nested():
            return
        self._identity.activate()
        self._identity.restore_role()
        self._runner.execution.receiving = signal is not schema_pre_migration
        last = [config for config in apps.get_app_configs() if config.models_module is not None][-1]
        if signal is post_migrate and sender is last and not schema_migrated.has_listeners(run_migrations):
            execute(statements.unmark(self._plan.schema.name))
            self.marked = False

    def begin(self, migration: Migration) -> None:
        """Restore the schema, the role and the settings of the release before a migration begins."""
        if not migration.atomic:  # or it would be taken for half applied
            execute(self._identity.require_schema)
        with self._runner.token.beginning():
            self._runner.execution.begin(self._key(migration), atomic=bool(migration.atomic))
        self._runner.execution.receiving = False
        self._identity.activate()
        settings = f"{self._settings}; {self._identity.require_schema}"
        execute(settings if migration.atomic else f"{settings}; {MARK_AS_NOT_ATOMIC}")
        migration.__dict__["apply"] = partial(self._apply, migration, migration.apply)

    def end(self, migration: Migration) -> None:
        """Note that the migration and its record are committed."""
        if not migration.atomic:
            execute(NO_LONGER_NOT_ATOMIC)
        self._runner.execution.end(self._key(migration))
        self._runner.execution.receiving = True  # until another one begins

    def _apply(
        self,
        migration: Migration,
        apply: Callable[..., ProjectState],
        project_state: ProjectState,
        schema_editor: SchemaEditor,
    ) -> ProjectState:
        """Apply the migration; an atomic one in the transaction in which it is recorded, too."""
        restore_role = self._identity.restore_role
        execute(statements.MARK_TRANSACTION)  # which begins it, so that its end is noticed
        with (
            self._identity.restored_after("apply"),
            restoring_connection(migration, self._identity, schema_editor, restore_role),
        ):
            state = apply(project_state, schema_editor)
        restore_role()
        if migration.atomic:
            execute(statements.SAME_TRANSACTION)
        if self._key(migration) == self._plan.cohort.to_apply[-1]:
            records = len(self._plan.unfinished) + len(self._plan.cohort.steps)
            execute(statements.record(self._plan.schema.name, [mark(records)]))
            self.marked = True
        return state

    def _key(self, migration: Migration) -> Key:
        """The migration's key in the graph; its own app label may be another one."""
        named = [key for key in self._plan.cohort.steps if key[1] == migration.name]
        own = (migration.app_label, migration.name)
        return own if own in named or len(named) != 1 else named[0]


def _options(alias: str, target: tuple[str, ...]) -> dict[str, Any]:
    """The options that `manage.py migrate` would parse; those of a custom command have their defaults."""
    words = [*target, "--noinput", "--database", alias, "--no-color", "--skip-checks"]
    parsed = Command().create_parser("manage.py", "migrate").parse_args(words)
    return dict(vars(parsed))
