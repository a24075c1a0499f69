"""The settings of every session that migrates.

Its DDL waits for locks for a bounded time only, since all other sessions that use the table queue behind it.
It holds the advisory lock of writers, so that no other release begins while it lives. And the server is told
to check often whether the client is still there: otherwise it would finish what it was sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from railway_release.engine.cancel_token import LOST, RUN_AGAIN
from railway_release.engine.engine import ExecutionLimits
from railway_release.errors import LockLost
from railway_release.postgres.failures import sqlstate
from railway_release.postgres.lock import MARK_AS_WRITER, NOT_HELD, require_held
from railway_release.postgres.server import LIFT_TIMEOUTS
from railway_release.postgres.session import KEEPALIVE_SETTINGS, fetch_last, register
from railway_release.preflight import login

# Servers on some platforms do not support these settings.
_NOTICE_OUR_END = f"""
DO $$ BEGIN PERFORM {KEEPALIVE_SETTINGS};
PERFORM set_config('client_connection_check_interval', '500', false);
EXCEPTION WHEN OTHERS THEN NULL; END $$
"""

_pids: WeakKeyDictionary[Any, int] = WeakKeyDictionary()


def server_pid(connection: BaseDatabaseWrapper) -> int:
    """The session's process id as the server has it; with a pooler, libpq has another one."""
    return _pids[connection.connection]


def timeouts(limits: ExecutionLimits) -> str:
    """The statements that set the timeouts of the release for a session."""
    return (
        f"SET lock_timeout = {round(limits.config.lock_timeout * 1000)};"
        f" SET statement_timeout = {round(limits.config.statement_timeout * 1000)}"
    )


def _configure(raw: Any, limits: ExecutionLimits) -> int:
    """Set everything in a new session; returns its process id. Raises LockLost."""
    register(raw)
    held, writer = require_held(limits.lock_pid), f"{MARK_AS_WRITER}, pg_catalog.pg_backend_pid()"
    try:
        ((_, pid),) = fetch_last(raw, LIFT_TIMEOUTS, held, timeouts(limits), _NOTICE_OUR_END, writer)
    except Exception as error:
        if sqlstate(error) == NOT_HELD:
            raise LockLost(LOST, RUN_AGAIN) from error
        raise
    return int(pid)


@contextlib.contextmanager
def sessions_with_limits(limits: ExecutionLimits) -> Iterator[None]:
    """While entered, each new connection of Django to the tenants' database gets these settings."""

    def bound(connection: BaseDatabaseWrapper, **_: Any) -> None:
        if connection.alias == limits.alias:
            try:
                _pids[connection.connection] = _configure(connection.connection, limits)
            except BaseException:
                connection.close()  # or the next statement would use it without its settings
                raise

    connection_created.connect(bound)
    lifted = login.leave_timeouts()  # it would be one message more
    try:
        yield
    finally:
        connection_created.disconnect(bound)
        if lifted:
            login.lift_timeouts(limits.alias)
