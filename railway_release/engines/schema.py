"""One schema's migrations, on one connection: each with its record in one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

from django.apps import apps
from django.db import DatabaseError, router, transaction
from django.db.migrations import operations
from django_tenants.postgresql_backend.introspection import DatabaseSchemaIntrospection

from railway_release.engines import receivers, statements
from railway_release.engines.compile import Action, Program, Rename, Step
from railway_release.engines.hold import Hold, holding_editor
from railway_release.engines.turn import Turns
from railway_release.log import get_logger
from railway_release.migrations.outcome import Key, dotted
from railway_release.migrations.rows import Rows
from railway_release.postgres.failures import is_transient

# Not imported by name: in Django 6.1 its module and the backend's import each other.
_DjangosIntrospection = DatabaseSchemaIntrospection.__bases__[0]


class SchemaRun:
    """The connection must be set to the schema."""

    def __init__(self, connection: Any, turns: Turns, recorded: Collection[Key]) -> None:
        self._connection = connection
        self._turns = turns
        self._hand = turns.hand
        self._recorded = recorded
        self._hold = Hold(connection, turns.hand)
        # Done without a statement, as are all those of apps that do not belong here: their records wait for
        # the next transaction.
        self._carried: list[Step] = []

    def run(self, program: Program, *, complete: bool) -> None:
        """Everything that is not recorded yet."""
        with self._connection.execute_wrapper(self._hold.before_each):
            for step in program.steps:
                if self._recorded and set(step.records) <= set(self._recorded):
                    self._hand.end(step.key)
                else:
                    with self._turns.guard.beginning():
                        self._hand.begin(step.key, atomic=step.atomic)
                    self._step(step)
            self._settle(*(key for key in program.records if key not in self._recorded))
            if rows := program.rows if complete or self._hand.contents_changed else program.new_rows:
                self._complete_rows(rows, program)

    def _step(self, step: Step) -> None:
        if not step.atomic:
            self._settle()
            self._without_transaction(step)
            return
        try:
            self._in_transaction(step, closed=step.plain)
        except DatabaseError as error:
            known = self._hand.statement or not step.plain
            if known or is_transient(error) or self._turns.guard.stopping:
                raise
            # The server did not say which of the statements it was, so they go once more, one by one.
            self._connection.close()
            self._in_transaction(step, closed=False)

    def _in_transaction(self, step: Step, *, closed: bool) -> None:
        hold = self._hold
        with hold.transaction(closed=closed), self._looking(plainly=step.plain):
            with holding_editor(self._connection, hold) as editor:
                for action in step.actions:
                    self._act(step, action, editor)
            # By now the deferred statements of the editor have been sent, or wait.
            nothing_to_do = hold.untouched
            if not nothing_to_do:
                self._record(*self._carried, step)
        if nothing_to_do:
            self._carried.append(step)
        else:
            self._committed(*self._carried, step)

    @contextlib.contextmanager
    def _looking(self, *, plainly: bool) -> Iterator[None]:
        """django-tenants' introspection asks for the path, sets it and sets it back around every look.

        Django's own sees the same, since the schema comes first on the path.
        """
        own = self._connection.introspection
        if plainly and isinstance(own, DatabaseSchemaIntrospection):
            self._connection.introspection = _DjangosIntrospection(self._connection)
        try:
            yield
        finally:
            self._connection.introspection = own

    def _without_transaction(self, step: Step) -> None:
        with self._hold.no_transaction():
            with holding_editor(self._connection, self._hold) as editor:
                for action in step.actions:
                    self._act(step, action, editor)
            self._record(step)
        self._committed(step)

    def _record(self, *steps: Step, squashes: tuple[Key, ...] = ()) -> None:
        keys = [*(key for step in steps for key in step.records), *squashes]
        self._hold.add_last(statements.record(self._connection.schema_name, keys))

    def _committed(self, *steps: Step, squashes: tuple[Key, ...] = ()) -> None:
        self._carried = []
        self._hand.end(*(step.key for step in steps), *squashes)
        schema = self._connection.schema_name
        for step in steps:
            name = dotted(step.key)
            get_logger().debug(
                "migration.applied", message=f"{schema}: {name}", schema=schema, migration=name
            )

    def _settle(self, *squashes: Key) -> None:
        """Write the records that wait."""
        if self._carried or squashes:
            with self._hold.transaction(closed=False):
                self._record(*self._carried, squashes=squashes)
            self._committed(*self._carried, squashes=squashes)

    def _act(self, step: Step, action: Action | Rename, editor: Any) -> None:
        if isinstance(action, Rename):
            # Django's own is a RunPython of the app, so it is left out where the app does not belong.
            belongs = router.allow_migrate(self._connection.alias, action.app)
            if belongs and self._allowed("contenttypes", "ContentType"):
                editor.execute(statements.rename_content_type(action), None)
            return
        if not action.plain:
            if not self._concerns(step, action):
                return
            # Not all that user code can do passes Django's cursors: a COPY would run in the last schema.
            self._hold.flush()
            receivers.forget_content_types(action.before.apps, action.after.apps)
        with self._atomic_operation(step, action):
            action.operation.database_forwards(step.key[0], editor, action.before, action.after)
        if action.is_sql or not action.plain:
            self._hold.restore_path()

    def _concerns(self, step: Step, action: Action) -> bool:
        """Whether the code would run at all, which the operation itself asks first."""
        if type(action.operation) is not operations.RunPython:
            return True
        return router.allow_migrate(self._connection.alias, step.key[0], **action.operation.hints)

    @contextlib.contextmanager
    def _atomic_operation(self, step: Step, action: Action) -> Iterator[None]:
        """An atomic operation inside a migration that is not."""
        if step.atomic or not action.operation.atomic:
            yield
        else:
            with transaction.atomic(using=self._connection.alias):
                yield

    def _complete_rows(self, rows: Rows, program: Program) -> None:
        """What Django's receivers of post_migrate would do."""
        with self._hold.transaction(closed=False):
            if rows.content_types and self._allowed("contenttypes", "ContentType"):
                self._hold.add(statements.complete_content_types(rows))
            if rows.permissions and self._allowed("auth", "Permission"):
                for statement in statements.rename_permissions(program.renames, program.after):
                    self._hold.add(statement)
                self._hold.add(statements.complete_permissions(rows))

    def _allowed(self, app: str, model: str) -> bool:
        return router.allow_migrate_model(self._connection.alias, apps.get_model(app, model))
