"""The sessions that keep others waiting for a lock, in words."""

from __future__ import annotations

from railway_release.postgres.session import Connection, fetch

# What pg_stat_activity hides from an ordinary role is NULL, and may be anything.
_OF_APPLICATION = """
SELECT pid FROM pg_catalog.pg_stat_activity
WHERE application_name = %s AND datname = current_database() AND coalesce(wait_event_type, 'Lock') = 'Lock'
"""
_BLOCKERS = f"""
SELECT DISTINCT blocking.pid, coalesce(nullif(b.application_name, ''), b.backend_type), b.usename, b.state,
       extract(epoch FROM clock_timestamp() - b.xact_start)::int
FROM ({_OF_APPLICATION}) AS waiting
CROSS JOIN LATERAL unnest(pg_catalog.pg_blocking_pids(waiting.pid)) AS blocking (pid)
LEFT JOIN pg_catalog.pg_stat_activity b ON b.pid = blocking.pid
"""  # noqa: S608 - constants


def blockers(connection: Connection, application: str) -> str:
    """The sessions that the sessions of this application_name wait for; empty if they do not wait."""
    return "; ".join(_described(*row) for row in fetch(connection, _BLOCKERS, (application,)))


def _described(pid: int, name: str | None, role: str | None, state: str | None, age: int | None) -> str:
    if not pid:
        return "a prepared transaction (see pg_prepared_xacts)"
    if role is None:
        return f"pid {pid} ({name or 'a process of the server'})"
    doing = f"{state}, transaction open for {age or 0} s" if state else "its state is not shown to this role"
    return f"pid {pid} ({name or 'no name'}, role {role}, {doing})"
