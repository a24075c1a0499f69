"""Runs a program in one schema, on one connection: each migration with its record in one transaction."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator
from functools import partial

from django.apps import apps
from django.db import DatabaseError, router, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor as SchemaEditor
from django.db.migrations import operations
from django_tenants.postgresql_backend.introspection import DatabaseSchemaIntrospection

from railway_release.engine import receivers, statements
from railway_release.engine.attempt import SchemaRunner
from railway_release.engine.buffer import StatementBuffer, buffering_editor
from railway_release.engine.compile import Action, CustomApply, Program, Rename, Step
from railway_release.engine.identity import Identity, execute
from railway_release.engine.limits import timeouts
from railway_release.engine.user_code import restoring_connection
from railway_release.migrations.outcome import Key, dotted
from railway_release.migrations.rows import Rows
from railway_release.migrations.user_states import in_use
from railway_release.postgres.failures import is_transient, sqlstate
from railway_release.postgres.records import is_mark, mark
from railway_release.postgres.session import fetch
from railway_release.runtime.log import get_logger
from railway_release.topology import TenantConnection

# Not imported by name: in Django 6.1 its module and the backend's import each other.
_DjangosIntrospection = DatabaseSchemaIntrospection.__bases__[0]
_ASK_EVERY_SECONDS = 0.2


class SchemaRun:
    """Runs a program in the schema of `identity`, to which the connection must be set.

    `recorded` are the records that the plan may not know of, and `unfinished` is the number of records that
    an earlier run left without what follows them.
    """

    def __init__(
        self,
        connection: TenantConnection,
        identity: Identity,
        runner: SchemaRunner,
        recorded: Collection[Key],
        *,
        unfinished: int,
    ) -> None:
        self._connection = connection
        self._identity = identity
        self._runner = runner
        self._execution = runner.execution
        self._recorded = recorded
        self._buffer = StatementBuffer(connection, runner.execution, identity, timeouts(runner.limits))
        # Steps without statements, such as all those of apps that are not of this schema: their records are
        # written in the next transaction.
        self._carried: list[Step] = []
        self._unfinished = unfinished
        self._mark = 0  # the number of unfinished records that a mark beside the last one would name
        # Whether the schema is marked as unfinished.
        self.marked = bool(unfinished) or any(map(is_mark, recorded))

    def run(self, program: Program, *, complete: bool, followed: bool) -> None:
        """Run every step that is not recorded yet, then add the content types and permissions.

        If they or receivers (`followed`) come after the last record, the schema is marked as unfinished in
        its transaction. With `complete`, all content types and permissions are added, not only new ones.
        """
        recorded = {*self._recorded}
        steps = [step for step in program.steps if not recorded.issuperset(step.records)]
        squashes = [key for key in program.records if key not in self._recorded]
        self._execution.end(*(step.key for step in program.steps if step not in steps))
        if followed or (program.rows if complete else program.new_rows):
            self._mark = self._unfinished + sum(len(step.records) for step in steps) + len(squashes)
        for step in steps:
            if not step.atomic:  # before it begins, or it would be taken for half applied
                execute(self._identity.require_schema)
            with self._runner.token.beginning():
                self._execution.begin(step.key, atomic=step.atomic)
            with self._exclusively(step):
                self._run_step(step, last=step is steps[-1] and not squashes)
        self._record_carried(*squashes, last=True)
        if rows := program.rows if complete or self._execution.content_rows_changed else program.new_rows:
            self._complete_rows(rows, program, last=not followed)

    def wrapped(self) -> contextlib.AbstractContextManager[None]:
        """While entered, all that Django sends passes the buffer."""
        return self._connection.execute_wrapper(self._buffer.before_each)

    def _run_step(self, step: Step, *, last: bool) -> None:
        if not step.atomic:
            self._record_carried()
            self._without_transaction(step, last=last)
            return
        try:
            self._in_transaction(step, buffers_editor=step.plain, last=last)
        except DatabaseError as error:
            known = self._execution.statement or not step.plain or sqlstate(error) == statements.ENDED
            if known or is_transient(error) or self._runner.token.stopping:
                raise
            # The server does not say which of the statements failed, so they are sent again, one by one.
            self._connection.close()
            self._in_transaction(step, buffers_editor=False, last=last)

    def _in_transaction(self, step: Step, *, buffers_editor: bool, last: bool) -> None:
        buffer, has_own_code = self._buffer, step.runs_sql or step.runs_code
        called_at_commit = "a function given to on_commit()"
        with (
            self._identity.restored_after(called_at_commit) if step.runs_code else contextlib.nullcontext(),
            buffer.transaction(buffers_editor=buffers_editor, marked=has_own_code),
            self._djangos_introspection(step),
        ):
            self._run_actions(step)
            calls_at_commit = bool(self._connection.run_on_commit)
            # By now the deferred statements of the editor have been sent or buffered.
            nothing_to_do = buffer.is_unused
            if not nothing_to_do:
                self._record(*self._carried, step, last=last, has_own_code=has_own_code)
        if nothing_to_do:
            self._carried.append(step)
        else:
            self._committed(*self._carried, step)
        if calls_at_commit:
            buffer.reset_session()

    @contextlib.contextmanager
    def _djangos_introspection(self, step: Step) -> Iterator[None]:
        """While entered, use Django's introspection for operations of Django.

        django-tenants' own sets and restores the search path around each query, and finds the same, since the
        schema comes first on the path.
        """
        own = self._connection.introspection
        if step.plain and isinstance(own, DatabaseSchemaIntrospection):
            self._connection.introspection = _DjangosIntrospection(self._connection)
        try:
            yield
        finally:
            self._connection.introspection = own

    @contextlib.contextmanager
    def _exclusively(self, step: Step) -> Iterator[None]:
        """While entered, no other schema runs a step that is `exclusive`, if this step is.

        The lock is polled, since a session that waits for one holds a snapshot, and CREATE INDEX CONCURRENTLY
        waits for snapshots.
        """
        if not step.exclusive:
            yield
            return
        self._connection.ensure_connection()
        raw = self._connection.connection
        while not fetch(raw, statements.TRY_EXCLUSIVE)[0][0]:
            with self._runner.token.beginning():
                time.sleep(_ASK_EVERY_SECONDS)
        yield
        # After an error the connection is closed, and the lock goes with it.
        if self._connection.connection is raw:
            fetch(raw, statements.END_EXCLUSIVE)

    def _without_transaction(self, step: Step, *, last: bool) -> None:
        with self._buffer.no_transaction():
            self._run_actions(step)
            self._record(step, last=last, has_own_code=step.runs_sql or step.runs_code)
        self._committed(step)

    def _run_actions(self, step: Step) -> None:
        with buffering_editor(self._connection, self._buffer, atomic=step.atomic) as editor:
            for action in step.actions:
                self._run_action(step, action, editor)

    def _record(
        self, *steps: Step, squashes: tuple[Key, ...] = (), last: bool = False, has_own_code: bool = False
    ) -> None:
        """Send the records with the last message; `has_own_code` is whether the project's SQL or code ran."""
        if has_own_code:
            self._buffer.reset_session_at_end()
        keys = [*(key for step in steps for key in step.records), *squashes]
        if last and self._mark:
            keys.append(mark(self._mark))
            self.marked = True
        self._buffer.add_last(statements.record(self._identity.schema.name, keys))

    def _committed(self, *steps: Step, squashes: tuple[Key, ...] = ()) -> None:
        self._carried = []
        self._execution.end(*(step.key for step in steps), *squashes)
        schema = self._identity.schema.name
        for step in steps:
            name = dotted(step.key)
            get_logger().debug(
                "migration.applied", message=f"{schema}: {name}", schema=schema, migration=name
            )

    def _record_carried(self, *squashes: Key, last: bool = False) -> None:
        """Write the records of the steps without statements."""
        if self._carried or squashes:
            with self._buffer.transaction(buffers_editor=False):
                self._record(*self._carried, squashes=squashes, last=last)
            self._committed(*self._carried, squashes=squashes)

    def _run_action(self, step: Step, action: Action | Rename | CustomApply, editor: SchemaEditor) -> None:
        if isinstance(action, Rename):
            self._rename(action, editor)
        elif isinstance(action, CustomApply):
            self._run_custom_apply(step, action, editor)
        elif not action.plain:
            if self._would_run(step, action):
                self._run_own_code(step, action, editor)
        else:
            with self._transaction_kept(action), self._atomic_operation(step, action):
                self._forwards(step, action, editor)
            if action.is_sql:
                self._buffer.restore_session(role=False)

    def _rename(self, action: Rename, editor: SchemaEditor) -> None:
        """Rename the content type, where the router allows it: Django does that in a RunPython of the app."""
        belongs = router.allow_migrate(self._connection.alias, action.app)
        if belongs and self._allowed("contenttypes", "ContentType"):
            editor.execute(statements.rename_content_type(action), None)

    def _run_own_code(self, step: Step, action: Action, editor: SchemaEditor) -> None:
        # The project's code may use the driver's cursors, and would run before statements that wait.
        self._buffer.flush()
        receivers.clear_content_type_caches(action.before.apps, action.after.apps)
        with (
            self._identity.restored_after(type(action.operation).__name__),
            receivers.with_djangos_own(),
            in_use(action.before, action.after),
            self._atomic_operation(step, action),
        ):
            self._forwards(step, action, editor)
        self._buffer.restore_session(role=True)

    def _run_custom_apply(self, step: Step, action: CustomApply, editor: SchemaEditor) -> None:
        """Call the migration's apply() as Django's executor does, with a state that it may change."""
        self._buffer.flush()
        state = action.before.clone()
        receivers.clear_content_type_caches(state.apps)
        restore_role = partial(self._buffer.restore_session, role=True)
        with (
            self._identity.restored_after("apply"),
            receivers.with_djangos_own(),
            in_use(action.before),
            restoring_connection(step.migration, self._identity, editor, restore_role),
        ):
            step.migration.apply(state, editor)
        restore_role()

    @staticmethod
    def _forwards(step: Step, action: Action, editor: SchemaEditor) -> None:
        app = step.migration.app_label
        action.operation.database_forwards(app, editor, action.before, action.after)

    @contextlib.contextmanager
    def _transaction_kept(self, action: Action) -> Iterator[None]:
        """Fail if SQL that may end the transaction has done so; it is sent by itself, after what waits."""
        with self._identity.restored_after("RunSQL") if action.ends_transaction else contextlib.nullcontext():
            if action.ends_transaction:
                self._buffer.flush()
            yield

    def _would_run(self, step: Step, action: Action) -> bool:
        """Whether the router lets a RunPython run, which the operation itself asks first."""
        if type(action.operation) is not operations.RunPython:
            return True
        app, hints = step.migration.app_label, action.operation.hints
        return router.allow_migrate(self._connection.alias, app, **hints)

    @contextlib.contextmanager
    def _atomic_operation(self, step: Step, action: Action) -> Iterator[None]:
        """A transaction for an atomic operation in a migration that is not atomic."""
        if step.atomic or not action.operation.atomic:
            yield
        else:
            whose = type(action.operation).__name__
            with transaction.atomic(using=self._connection.alias), self._identity.restored_after(whose):
                yield

    def _complete_rows(self, rows: Rows, program: Program, *, last: bool) -> None:
        """Add what Django's receivers of post_migrate would add; if nothing follows, delete the mark."""
        with self._buffer.transaction(buffers_editor=False):
            if rows.content_types and self._allowed("contenttypes", "ContentType"):
                self._buffer.add(statements.complete_content_types(rows))
            if rows.permissions and self._allowed("auth", "Permission"):
                for statement in statements.rename_permissions(program.renames, program.after):
                    self._buffer.add(statement)
                self._buffer.add(statements.complete_permissions(rows))
            unmark = statements.unmark(self._identity.schema.name)
            self._buffer.add_last(unmark if last and self.marked else self._identity.require_schema)
        self.marked &= not last

    def _allowed(self, app: str, model: str) -> bool:
        return router.allow_migrate_model(self._connection.alias, apps.get_model(app, model))
