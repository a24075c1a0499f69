"""A buffer of statements that are sent together in one message, with BEGIN and COMMIT in it.

An atomic migration without queries costs one round trip. A query of Django's is sent in one message with the
statements that wait; before the project's code runs, those are sent by themselves. BEGIN and COMMIT are
written here: Django believes itself in an atomic block, while the driver is in autocommit mode.

psycopg's pipeline mode cannot do this: it refuses several statements in one string, such as Django's own
"…; SET CONSTRAINTS … IMMEDIATE" and the SQL of RunSQL.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from django.db import transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor as SchemaEditor
from django.db.backends.postgresql.psycopg_any import is_psycopg3

from railway_release.engine import statements
from railway_release.engine.execution import Execution
from railway_release.engine.identity import Identity, execute
from railway_release.postgres.lock import MARK_AS_NOT_ATOMIC, NO_LONGER_NOT_ATOMIC
from railway_release.postgres.session import quote
from railway_release.topology import TenantConnection, search_path

# On a line of its own, since a statement may end in a comment.
_SEPARATOR = "\n;\n"
# What the ORM sends, and nothing that could set something for the session.
_READS_OR_WRITES_ROWS = re.compile(
    r"(?!.*(;|set_config))\s*(SELECT|INSERT|UPDATE|DELETE|SAVEPOINT|RELEASE|ROLLBACK TO|SET search_path)\b",
    re.I | re.S,
)


class StatementBuffer:
    """The statements that wait to be sent on Django's connection to the tenants' database."""

    def __init__(
        self, connection: TenantConnection, execution: Execution, identity: Identity, settings: str
    ) -> None:
        self._connection = connection
        self._execution = execution
        self._identity = identity
        self._settings = settings  # the statements that set the release's timeouts
        self._opening: list[str] = []  # statements before the first one of the migration
        self._waiting: list[str] = []
        self._of_migration: list[str] = []  # of those that wait, the migration's own
        self._closing: list[str] = []  # statements after the last one of the migration
        self._after_commit: list[str] = []  # statements after the COMMIT
        self._sent = False
        self._autocommit = False  # whether each statement commits by itself
        self.buffers_editor = False  # whether statements of the schema editor wait as well
        self.editor_statement = ""  # the statement that the schema editor is sending, with its placeholders

    @property
    def is_unused(self) -> bool:
        """Whether nothing was sent, and nothing waits to be."""
        return not self._sent and not self._waiting

    def add(self, statement: str) -> None:
        """Add a statement of the migration."""
        self._waiting.append(statement)
        self._of_migration.append(statement)

    def restore_session(self, *, role: bool) -> None:
        """Set the search path again, and with `role` the role, after the project's SQL or code has run."""
        restoring = [*([self._identity.role] if role else []), self._search_path()]
        if self._waiting:
            self._waiting += restoring
        elif self._sent:
            self._opening += restoring

    def add_last(self, *statements: str) -> None:
        """Add statements that are sent after all others of the migration, in the same transaction."""
        self._closing += statements

    def reset_session_at_end(self) -> None:
        """Undo at the end of the migration what the project's SQL or code may have set for the session.

        The record is written with the session's own role, and only if the transaction is still the one that
        was begun; the next migration finds the settings of the release.
        """
        self.add_last(self._identity.role)
        if self._connection.in_atomic_block:
            self.add_last(statements.SAME_TRANSACTION)
        self._after_commit = [statements.OWN_DEFAULTS, self._settings]

    def reset_session(self) -> None:
        """The same between two migrations, after functions that the project's code gave to on_commit()."""
        execute(f"{self._identity.role}; {statements.OWN_DEFAULTS}; {self._settings}")

    @contextlib.contextmanager
    def transaction(self, *, buffers_editor: bool, marked: bool = False) -> Iterator[None]:
        """Everything that is sent while entered is one transaction, committed with the last message.

        With `marked`, SAME_TRANSACTION finds out whether it was ended early. If it is left `is_unused`,
        nothing is sent.
        """
        self._connection.ensure_connection()
        marks = [statements.MARK_TRANSACTION, self._identity.require_schema] if marked else []
        self._open(self._begin(), *marks, buffers_editor=buffers_editor)
        with transaction.atomic(using=self._connection.alias):
            self._connection.connection.autocommit = True
            yield
            if not self.is_unused or self._closing:
                self._closing += ["COMMIT", *self._after_commit]
                self.flush()
        self._opening = []

    @contextlib.contextmanager
    def no_transaction(self) -> Iterator[None]:
        """Each statement sent while entered commits by itself.

        No rollback undoes them, so before each one of the schema editor, and before the project's code, it is
        checked that the schema has not been renamed.
        """
        self._connection.ensure_connection()
        self._open(MARK_AS_NOT_ATOMIC, buffers_editor=False)
        self._autocommit = True
        yield
        self._closing += [*self._after_commit, NO_LONGER_NOT_ATOMIC]
        self.flush()

    def flush(self) -> None:
        """Send all statements that wait, in one message."""
        require_schema = [self._identity.require_schema] if self._autocommit else []
        statements = [*self._opening, *require_schema, *self._waiting, *self._closing]
        self._execution.send(*self._of_migration)
        self._opening, self._waiting, self._closing, self._of_migration = [], [], [], []
        self._sent = True
        if statements:
            with self._connection.wrap_database_errors, self._connection.connection.cursor() as cursor:
                cursor.execute(_SEPARATOR.join(statements))

    def before_each(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        """An execute wrapper for Django, which sends the statements that wait before any other one."""
        if self._opening or self._waiting or (self._autocommit and self.editor_statement):
            if self.buffers_editor and not many:
                return self._execute_after_waiting(execute, sql, params, context)
            self.flush()
        text = str(sql)
        self._execution.send(self.editor_statement or text)
        self._execution.only_rows &= bool(_READS_OR_WRITES_ROWS.match(text))
        # django-tenants remembers the path that it has set, which may no longer be the session's.
        if "search_path" in text or text.startswith("ROLLBACK TO"):
            self._connection.search_path_set_schemas = None
        return self._execution.run(execute, sql, params, many, context)

    def _execute_after_waiting(
        self, execute: Callable[..., Any], sql: Any, params: Any, context: dict[str, Any]
    ) -> Any:
        """Send a query of Django's in one message, after the statements that wait."""
        query = str(sql) if params is None else self._connection.ops.compose_sql(str(sql), params)
        statements = [*self._opening, *self._waiting, query]
        self._execution.send(*self._of_migration, str(sql))
        self._opening, self._waiting, self._of_migration = [], [], []
        self._sent = True
        result = execute(_SEPARATOR.join(statements), None, False, context)
        # psycopg 3 starts at the first result, and the query's is the last.
        while is_psycopg3 and context["cursor"].nextset():
            pass
        return result

    def _open(self, *first: str, buffers_editor: bool) -> None:
        self._opening, self._waiting, self._closing = [*first, self._search_path()], [], []
        self._of_migration, self._after_commit = [], []
        self.buffers_editor = buffers_editor
        self._autocommit = self._sent = False

    def _begin(self) -> str:
        """BEGIN with the isolation level of the settings, which Django gives to the driver."""
        if "isolation_level" not in self._connection.settings_dict["OPTIONS"]:
            return "BEGIN"
        return f"BEGIN ISOLATION LEVEL {self._connection.isolation_level.name.replace('_', ' ')}"

    def _search_path(self) -> str:
        """The statement by which django-tenants sets the path, and let it know that the path is set."""
        shared, *extra = search_path()
        path = [*dict.fromkeys((self._identity.schema.name, shared)), *extra]
        self._connection.search_path_set_schemas = path
        return f"SET search_path = {', '.join(map(quote, path))}"


def buffering_editor(connection: TenantConnection, buffer: StatementBuffer, *, atomic: bool) -> SchemaEditor:
    """The connection's schema editor, with its statements added to the buffer.

    Its `atomic_migration` is `atomic`, as the migration is; the transaction is the buffer's.
    """

    base: Any = connection.SchemaEditorClass

    class BufferingEditor(base):  # type: ignore[misc]  # known at run time
        def __enter__(self) -> Any:
            super().__enter__()
            self.atomic_migration = atomic
            return self

        def __exit__(self, *error: Any) -> None:
            self.atomic_migration = False
            super().__exit__(*error)

        def execute(self, sql: Any, params: Any = ()) -> None:
            if buffer.buffers_editor:
                buffer.add(str(sql) if params is None else connection.ops.compose_sql(str(sql), params))
                return
            buffer.editor_statement = str(sql)
            try:
                super().execute(sql, params)
            finally:
                buffer.editor_statement = ""

    return BufferingEditor(connection, atomic=False)
