"""Hold: statements wait, to be sent together in one message, with BEGIN and COMMIT in it.

An atomic migration that asks the database nothing costs one round trip. A question of Django's own takes
along what waits; before user code asks, that is sent by itself. The transaction's words are ours: Django
believes itself in an atomic block, while the driver is in autocommit mode and sends what it is given.

psycopg's pipeline mode would do less: it refuses statements of several parts, as Django's own
"…; SET CONSTRAINTS … IMMEDIATE" and the user's SQL are.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.backends.postgresql.psycopg_any import is_psycopg3
from django_tenants.utils import get_public_schema_name

from railway_release.engine import statements
from railway_release.engine.execution import Execution
from railway_release.engine.identity import Identity
from railway_release.postgres.lock import MARK_AS_NOT_ATOMIC, NO_LONGER_NOT_ATOMIC
from railway_release.postgres.session import quote

# On a line of its own, since a statement may end in a comment.
_SEPARATOR = "\n;\n"
# What the ORM sends, and nothing that could set something for the session.
_READS_OR_WRITES_ROWS = re.compile(
    r"(?!.*(;|set_config))\s*(SELECT|INSERT|UPDATE|DELETE|SAVEPOINT|RELEASE|ROLLBACK TO|SET search_path)\b",
    re.I | re.S,
)


class StatementBuffer:
    """What is on its way to the server on Django's connection to the tenants' database."""

    def __init__(self, connection: Any, execution: Execution, identity: Identity, settings: str) -> None:
        self._connection = connection
        self._execution = execution
        self._identity = identity
        self._settings = settings  # the statements that give the session those of the release
        self._opening: list[str] = []  # what has to come before the first statement
        self._waiting: list[str] = []
        self._of_migration: list[str] = []  # of these, the migration's
        self._closing: list[str] = []  # what comes after the last
        self._after_commit: list[str] = []  # what comes after the COMMIT
        self._sent = False
        self._autocommit = False  # whether each statement commits by itself
        self.buffers_editor = False  # whether statements of the schema editor wait, too
        self.editor_statement = ""  # the schema editor's own text for the statement that it sends

    @property
    def is_unused(self) -> bool:
        """Whether nothing was sent, and nothing waits to be."""
        return not self._sent and not self._waiting

    def add(self, statement: str) -> None:
        """Send it with the others of the migration."""
        self._waiting.append(statement)
        self._of_migration.append(statement)

    def restore_session(self, *, role: bool) -> None:
        """Somebody's own SQL, or code, has run: it may have set another path, or another role."""
        words = [*([self._identity.role] if role else []), self._search_path()]
        if self._waiting:
            self._waiting += words
        elif self._sent:
            self._opening += words

    def add_last(self, *statements: str) -> None:
        """Send them after all others of the migration."""
        self._closing += statements

    def reset_session_at_end(self) -> None:
        """Somebody's own SQL or code was part of the migration.

        Its record is made with the session's own role, in the transaction that was begun for it, and the next
        migration finds the settings of the release.
        """
        self.add_last(self._identity.role)
        if self._connection.in_atomic_block:
            self.add_last(statements.SAME_TRANSACTION)
        self._after_commit = [statements.OWN_DEFAULTS, self._settings]

    @contextlib.contextmanager
    def transaction(self, *, buffers_editor: bool, marked: bool = False) -> Iterator[None]:
        """Everything sent while entered is one transaction, committed with the last message.

        `marked` is noticed to be ended early. If it is left `is_unused`, the server never hears of it.
        """
        self._connection.ensure_connection()
        watching = [statements.MARK_TRANSACTION, self._identity.require_schema] if marked else []
        self._open(self._begin(), *watching, buffers_editor=buffers_editor)
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

        Nothing takes it back if the schema has been renamed, so that is asked before each of the schema
        editor's, and before user code.
        """
        self._connection.ensure_connection()
        self._open(MARK_AS_NOT_ATOMIC, buffers_editor=False)
        self._autocommit = True
        yield
        self._closing += [*self._after_commit, NO_LONGER_NOT_ATOMIC]
        self.flush()

    def flush(self) -> None:
        """Send what waits, in one message."""
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
        """Django's execute wrapper: whatever else is sent, it comes after what waits."""
        if self._opening or self._waiting or (self._autocommit and self.editor_statement):
            if self.buffers_editor and not many:
                return self._execute_after_waiting(execute, sql, params, context)
            self.flush()
        text = str(sql)
        self._execution.send(self.editor_statement or text)
        self._execution.only_rows &= bool(_READS_OR_WRITES_ROWS.match(text))
        # django-tenants is to believe that the path stays as it was set.
        if "search_path" in text or text.startswith("ROLLBACK TO"):
            self._connection.search_path_set_schemas = None
        return execute(sql, params, many, context)

    def _execute_after_waiting(
        self, execute: Callable[..., Any], sql: Any, params: Any, context: dict[str, Any]
    ) -> Any:
        """A question of Django's own, in one message with what waits before it."""
        question = str(sql) if params is None else self._connection.ops.compose_sql(str(sql), params)
        statements = [*self._opening, *self._waiting, question]
        self._execution.send(*self._of_migration, str(sql))
        self._opening, self._waiting, self._of_migration = [], [], []
        self._sent = True
        result = execute(_SEPARATOR.join(statements), None, False, context)
        # psycopg 3 shows the first of the results, and here it is the last that answers.
        while is_psycopg3 and context["cursor"].nextset():
            pass
        return result

    def _open(self, *words: str, buffers_editor: bool) -> None:
        self._opening, self._waiting, self._closing = [*words, self._search_path()], [], []
        self._of_migration, self._after_commit = [], []
        self.buffers_editor = buffers_editor
        self._autocommit = self._sent = False

    def _begin(self) -> str:
        """With the isolation level that Django has given to the driver, whose BEGIN this stands for."""
        if "isolation_level" not in self._connection.settings_dict["OPTIONS"]:
            return "BEGIN"
        return f"BEGIN ISOLATION LEVEL {self._connection.isolation_level.name.replace('_', ' ')}"

    def _search_path(self) -> str:
        """As django-tenants sets it; and it is told that it is set."""
        path = [self._identity.schema.name, get_public_schema_name()]
        path = [*dict.fromkeys(path), *getattr(settings, "PG_EXTRA_SEARCH_PATHS", [])]
        self._connection.search_path_set_schemas = path
        return f"SET search_path = {', '.join(map(quote, path))}"


def buffering_editor(connection: Any, buffer: StatementBuffer, *, atomic: bool) -> Any:
    """The connection's own schema editor, but for where its statements go.

    To whoever asks it is as `atomic` as the migration, whose transaction is ours.
    """

    class BufferingEditor(connection.SchemaEditorClass):  # type: ignore[misc]  # known at run time
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
