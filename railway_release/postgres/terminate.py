"""Ends sessions on the server whose worker process is gone.

A process id alone does not identify a session, since the server uses ids again. So it has to be one that a
worker has reported, in this database, with the application_name of this release. (The session's start would
identify it as well, but is not shown to every role.)
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator

from railway_release.postgres.failures import INSUFFICIENT_PRIVILEGE, describe, sqlstate
from railway_release.postgres.session import Connection, fetch
from railway_release.runtime.log import get_logger

_ALIVE = """
SELECT pid FROM pg_catalog.pg_stat_activity
WHERE pid = ANY(%s) AND application_name = %s AND datname = current_database()
"""
_END = f"SELECT pg_catalog.pg_terminate_backend(pid) FROM ({_ALIVE}) AS ours"  # noqa: S608 - a constant


def end_sessions(
    connection: Connection, application: str, pids: Collection[int], seconds: float
) -> list[int]:
    """End the sessions of these process ids; returns those that have not ended after `seconds`.

    The statement that a session runs may take until then to notice it.
    """
    if not pids:
        return []
    with _as_login_role(connection):
        _terminate(connection, application, pids)
    deadline = time.monotonic() + seconds
    while alive := fetch(connection, _ALIVE, (list(pids), application)):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return [int(pid) for (pid,) in alive]


@contextlib.contextmanager
def _as_login_role(connection: Connection) -> Iterator[None]:
    """While entered, the session has its login role, which the sessions belong to and may end them."""
    ((role,),) = fetch(connection, "SELECT current_setting('role')")
    fetch(connection, "SELECT set_config('role', 'none', false)")
    yield
    fetch(connection, "SELECT set_config('role', %s, false)", (role,))


def _terminate(connection: Connection, application: str, pids: Collection[int]) -> None:
    try:
        fetch(connection, _END, (list(pids), application))
    except Exception as error:
        if sqlstate(error) != INSUFFICIENT_PRIVILEGE:
            raise
        text = (
            f"a lost worker's session may not be ended by this role, so it is waited for: {describe(error)}"
        )
        get_logger().warning("worker.session_awaited", message=text)
