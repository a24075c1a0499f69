"""Apply: run a cohort's program in one schema after the other, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from django.db.migrations.recorder import MigrationRecorder
from django.dispatch import Signal
from django.utils import translation
from django_tenants.migration_executors.base import run_migrations
from django_tenants.signals import schema_migrated, schema_pre_migration

from railway_release.engines import receivers
from railway_release.engines.compile import Program
from railway_release.engines.schema import SchemaRun
from railway_release.engines.session import Session
from railway_release.engines.turn import Turns
from railway_release.migrations.outcome import Key, Outcome
from railway_release.migrations.plan import SchemaPlan
from railway_release.topology import Schema, tenant_connection


class Applier:
    """Runs one program."""

    def __init__(self, program: Program, turns: Turns, session: Session) -> None:
        self._program = program
        self._turns = turns
        self._session = session

    def take(self, plan: SchemaPlan) -> Outcome:
        """One schema's turn."""
        attempts = 0

        def work() -> None:
            nonlocal attempts
            attempts += 1
            # An attempt that was cut off may have committed more than it could tell.
            recorded = _recorded(plan.schema) if attempts > 1 else ()
            self._apply(plan.schema, recorded, complete=plan.complete or attempts > 1)

        return self._turns.take(plan, work)

    def _apply(self, schema: Schema, recorded: Collection[Key], *, complete: bool) -> None:
        program, alias = self._program, self._turns.terms.alias
        # As under `migrate`, no language is active.
        with translation.override(None), self._session.used_by(program, self._turns.hand):
            self._send(schema_pre_migration, schema)
            connection = self._connect(schema)
            if program.first_apps is not None:
                self._receive(receivers.before, alias, program.first_apps, program.migrations)
            SchemaRun(connection, self._turns, recorded).run(program, complete=complete)
            if program.final_apps is not None:
                self._receive(receivers.after, alias, program.final_apps, program.migrations)
            connection.set_schema_to_public()
            self._send(schema_migrated, schema)

    def _connect(self, schema: Schema) -> Any:
        connection = tenant_connection()
        if not self._program.recorded:
            # Alone on the path, or the shared schema's table would be taken for this one's.
            connection.set_schema(schema.name, tenant_type=schema.type, include_public=False)
            MigrationRecorder(connection).ensure_schema()
        connection.set_schema(schema.name, tenant_type=schema.type)
        return connection

    def _send(self, signal: Signal, schema: Schema) -> None:
        if signal.has_listeners(run_migrations):
            self._receive(signal.send, run_migrations, schema_name=schema.name)

    def _receive(self, send: Callable[..., object], *arguments: Any, **named: Any) -> None:
        started = time.monotonic()
        with tenant_connection().cursor():
            pass  # django-tenants sets the path for a cursor, and receivers may do without Django's
        send(*arguments, **named)
        self._turns.hand.receivers += time.monotonic() - started


def _recorded(schema: Schema) -> frozenset[Key]:
    connection = tenant_connection()
    connection.set_schema(schema.name, tenant_type=schema.type, include_public=False)
    return frozenset(MigrationRecorder(connection).applied_migrations())
