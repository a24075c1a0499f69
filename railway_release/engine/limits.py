"""The terms of every session that migrates.

Its DDL waits for locks for a bounded time only, since it queues before all other users of the table. It
marks itself as a writer, so that no other release begins while it lives. And the server is asked to notice
soon when our process is gone: otherwise it would go on with what it was sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import is_psycopg3
from django.db.backends.signals import connection_created

from railway_release.engine.cancel_token import LOST, RUN_AGAIN
from railway_release.engine.engine import ExecutionLimits
from railway_release.errors import LockLost
from railway_release.postgres.failures import sqlstate
from railway_release.postgres.lock import MARK_AS_WRITER, NOT_HELD, require_held
from railway_release.postgres.server import LIFT_TIMEOUTS
from railway_release.postgres.session import SERVER_NOTICES, remember

# Not every platform's server can.
_NOTICE_OUR_END = f"""
DO $$ BEGIN PERFORM {SERVER_NOTICES};
PERFORM set_config('client_connection_check_interval', '500', false);
EXCEPTION WHEN OTHERS THEN NULL; END $$
"""

_pids: WeakKeyDictionary[Any, int] = WeakKeyDictionary()


def server_pid(connection: BaseDatabaseWrapper) -> int:
    """Of a session with these terms, as the server knows it: a pooler tells libpq another."""
    return _pids[connection.connection]


def timeouts(limits: ExecutionLimits) -> str:
    """The statements that set the timeouts of the release for a session."""
    return (
        f"SET lock_timeout = {round(limits.lock_timeout * 1000)};"
        f" SET statement_timeout = {round(limits.statement_timeout * 1000)}"
    )


def _configure(raw: Any, limits: ExecutionLimits) -> int:
    """Give a new session its terms; returns its process id on the server."""
    remember(raw)
    statements = (
        require_held(limits.lock_pid),
        LIFT_TIMEOUTS,
        timeouts(limits),
        _NOTICE_OUR_END,
        f"{MARK_AS_WRITER}, pg_catalog.pg_backend_pid()",
    )
    with contextlib.closing(raw.cursor()) as cursor:
        try:
            cursor.execute("; ".join(statements))
        except Exception as error:
            if sqlstate(error) == NOT_HELD:
                raise LockLost(LOST, RUN_AGAIN) from error
            raise
        # psycopg 3 shows the first of the results, and here it is the last that answers.
        while is_psycopg3 and cursor.nextset():
            pass
        return int(cursor.fetchone()[1])


@contextlib.contextmanager
def sessions_with_limits(limits: ExecutionLimits) -> Iterator[None]:
    """While entered, Django's new connections to the tenants' database have the timeouts of the release."""

    def bound(connection: BaseDatabaseWrapper, **_: Any) -> None:
        if connection.alias == limits.alias:
            try:
                _pids[connection.connection] = _configure(connection.connection, limits)
            except BaseException:
                connection.close()  # or it would be there for the next statement, without its terms
                raise

    connection_created.connect(bound)
    try:
        yield
    finally:
        connection_created.disconnect(bound)
