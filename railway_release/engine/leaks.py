"""Uses one connection for many schemas, as long as no migration leaves anything behind in its session."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from railway_release.engine.compile import Program
from railway_release.engine.execution import Execution
from railway_release.topology import tenant_connection

# After so many a new connection is opened: a server process caches each table that it has used.
_MAX_SCHEMAS = 200

# The state of a session that a migration can change for the next schema: settings, a role, temporary tables,
# locks, LISTEN, cursors, prepared statements. The search path is set anew for every migration.
_STATE = """
SELECT (SELECT md5(string_agg(name || '=' || setting, ',' ORDER BY name)) FROM pg_catalog.pg_settings
        WHERE source = 'session' AND name <> 'search_path'),
    current_user, session_user, current_setting('role'), pg_catalog.pg_my_temp_schema(),
    (SELECT count(*) FROM pg_catalog.pg_locks
     WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'advisory'),
    (SELECT count(*) FROM pg_catalog.pg_listening_channels()),
    (SELECT count(*) FROM pg_catalog.pg_cursors WHERE name <> ''),
    (SELECT count(*) FROM pg_catalog.pg_prepared_statements)
"""


class LeakDetector:
    """Compares the session's state before and after the migrations of each schema, in this process."""

    def __init__(self) -> None:
        self._connection: object = None
        self._schemas = 0
        self._state: object = None

    @contextlib.contextmanager
    def checking(self, program: Program, execution: Execution, *, listening: bool) -> Iterator[None]:
        """While entered, a schema's migrations run; afterwards the connection is closed if its state changed.

        `listening` is whether receivers of the project are called as well.
        """
        checked = program.may_change_session or listening
        self._begin(checked=checked)
        yield
        unclear = program.sets_custom_option or ((program.runs_code or listening) and not execution.only_rows)
        changed = unclear or (checked and self._read() != self._state)
        if changed or self._schemas >= _MAX_SCHEMAS:
            tenant_connection().close()

    def _begin(self, *, checked: bool) -> None:
        connection = tenant_connection()
        connection.ensure_connection()
        if connection.connection is not self._connection:
            self._connection, self._schemas, self._state = connection.connection, 0, None
        self._schemas += 1
        if checked and self._state is None:
            self._state = self._read()

    def _read(self) -> object:
        tenant_connection().ensure_connection()
        with tenant_connection().connection.cursor() as cursor:
            cursor.execute(_STATE)
            return cursor.fetchone()
