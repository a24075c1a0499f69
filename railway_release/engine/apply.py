"""Runs the program of a cohort in one schema after the other, in this process."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator

from django.db.migrations.migration import Migration
from django.db.migrations.recorder import MigrationRecorder
from django.dispatch import Signal
from django.utils import translation
from django_tenants.migration_executors.base import run_migrations
from django_tenants.signals import schema_migrated, schema_pre_migration
from django_tenants.utils import get_public_schema_name

from railway_release.engine import receivers, statements
from railway_release.engine.attempt import SchemaRunner
from railway_release.engine.compile import Program
from railway_release.engine.identity import Identity, execute
from railway_release.engine.leaks import LeakDetector
from railway_release.engine.schema import SchemaRun
from railway_release.migrations.outcome import Key, Outcome, dotted
from railway_release.migrations.plan import SchemaPlan
from railway_release.runtime.text import some
from railway_release.topology import Schema, tenant_connection


class FewerRecords(Exception):
    """The server has lost migration records since the plan was made."""


class Applier:
    """Runs one program in the schemas of its cohort."""

    def __init__(self, program: Program, runner: SchemaRunner, leaks: LeakDetector) -> None:
        self._program = program
        self._runner = runner
        self._leaks = leaks

    def run(self, plan: SchemaPlan) -> Outcome:
        """Migrate one schema, with retries, and return its outcome."""
        attempts = 0

        def work() -> None:
            nonlocal attempts
            attempts += 1
            # An attempt that failed may have committed more than it knew of, and after a lost connection
            # another server may answer, with fewer records.
            again = attempts > 1 or self._runner.execution.reconnected
            recorded = self._recorded(plan) if again else ()
            self._apply(plan, recorded, complete=plan.complete or again)

        return self._runner.run(plan, work)

    def _recorded(self, plan: SchemaPlan) -> frozenset[Key]:
        found = Identity(tenant_connection(), plan.schema).recorded()
        if self._runner.execution.reconnected and (gone := plan.cohort.applied - found):
            raise FewerRecords(
                f"{len(gone)} migrations that were recorded when the release began are recorded no longer"
                f" ({some([dotted(key) for key in sorted(gone)], 3)}): the server came back with less in it"
                " than it had. Nothing was done; run again"
            )
        return found

    def _apply(self, plan: SchemaPlan, recorded: Collection[Key], *, complete: bool) -> None:
        program, connection = self._program, tenant_connection()
        identity = Identity(connection, plan.schema)
        run = SchemaRun(connection, identity, self._runner, recorded, unfinished=len(plan.unfinished))
        leaks = self._leaks.checking(program, self._runner.execution, listening=has_receivers(program))
        # As under `migrate`, no language is active.
        with translation.override(None), leaks, run.wrapped():
            self._send_schema_signal(schema_pre_migration, "schema_pre_migration", plan.schema)
            self._activate(identity)
            self._send_pre_migrate(identity)
            run.run(program, complete=complete, followed=_is_followed(program))
            # Those of an earlier run that ended before all receivers were called.
            unfinished = [program.nodes[key] for key in plan.unfinished if key in program.nodes]
            self._send_post_migrate(identity, [*unfinished, *program.migrations])
            connection.set_schema_to_public()
            self._send_schema_signal(schema_migrated, "schema_migrated", plan.schema)
            if run.marked:
                execute(statements.unmark(plan.schema.name))

    def _activate(self, identity: Identity) -> None:
        connection, schema = tenant_connection(), identity.schema
        if not self._program.recorded:
            # Alone on the path, or the shared schema's table would be taken for this one's.
            connection.set_schema(schema.name, tenant_type=schema.type, include_public=False)
            MigrationRecorder(connection).ensure_schema()
        identity.activate()
        if schema.role == "shared":
            connection.prepare_database()  # PostGIS creates its extension here, where every tenant finds it

    def _send_pre_migrate(self, identity: Identity) -> None:
        alias, state = self._runner.limits.alias, self._program.pre_migrate_state
        if state is not None:
            with self._receiving(identity):
                receivers.send_pre_migrate(identity, alias, state, self._program.migrations)

    def _send_post_migrate(self, identity: Identity, migrations: list[Migration]) -> None:
        alias, state = self._runner.limits.alias, self._program.post_migrate_state
        if state is not None:
            with self._receiving(identity):
                receivers.send_post_migrate(identity, alias, state, migrations)

    def _send_schema_signal(self, signal: Signal, name: str, schema: Schema) -> None:
        if signal.has_listeners(run_migrations):
            shared = Identity(tenant_connection(), Schema(get_public_schema_name(), "shared"))
            with self._receiving(shared):
                shared.send(signal, name, run_migrations, schema_name=schema.name)

    @contextlib.contextmanager
    def _receiving(self, identity: Identity) -> Iterator[None]:
        started = time.monotonic()
        with tenant_connection().cursor():
            pass  # django-tenants sets the path for a cursor of Django's, and receivers may use another
        execute(identity.require_schema)
        self._runner.execution.receiving = True
        yield
        self._runner.execution.receiving = False
        self._runner.execution.receivers += time.monotonic() - started


def has_receivers(program: Program) -> bool:
    """Whether receivers of the project or its packages are called around the program's migrations."""
    first = program.pre_migrate_state is not None or schema_pre_migration.has_listeners(run_migrations)
    return first or _is_followed(program)


def _is_followed(program: Program) -> bool:
    return program.post_migrate_state is not None or schema_migrated.has_listeners(run_migrations)
