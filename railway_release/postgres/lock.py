"""One release at a time for a database: a session-level advisory lock on a connection of its own.

To see who holds it, and to free it by hand after making sure that nothing is running:

    SELECT a.pid, a.usename, a.application_name, a.backend_start
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.classid = 1920101487 AND l.objid = 1701866609;
    SELECT pg_terminate_backend(<pid>);
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from railway_release.errors import LockHeld
from railway_release.postgres.failures import sqlstate
from railway_release.postgres.server import LIFT_TIMEOUTS
from railway_release.postgres.session import KEEPALIVE_SETTINGS, Connection, fetch, fetch_last, register
from railway_release.runtime.log import get_logger
from railway_release.runtime.text import in_time
from railway_release.runtime.waiting import Pauses

# Two constants that no other program is likely to use: "rrlo" and "eplq" as 32-bit numbers. Advisory locks
# belong to one database, so its name need not be in the key.
CLASS_ID, OBJECT_ID = 1920101487, 1701866609
# Held, shared, by each session that writes. A killed release loses its lock at once, but the server may still
# execute what its sessions, or its orphaned worker processes, have sent.
_WRITERS = OBJECT_ID + 1
MARK_AS_WRITER = f"SELECT pg_advisory_lock_shared({CLASS_ID}, {_WRITERS})"
_POLL_SECONDS = 0.5

# While sessions of an earlier release still write, the lock is released again. With SET ROLE it might neither
# see nor cancel its own login's sessions.
_ACQUIRE = f"""
SELECT CASE
    WHEN concat(set_config('role', 'none', false), {KEEPALIVE_SETTINGS}) IS NULL THEN false
    WHEN NOT pg_try_advisory_lock({CLASS_ID}, {OBJECT_ID}) THEN false
    WHEN pg_try_advisory_lock({CLASS_ID}, {_WRITERS}) THEN pg_advisory_unlock({CLASS_ID}, {_WRITERS})
    ELSE NOT pg_advisory_unlock({CLASS_ID}, {OBJECT_ID})
END, pg_backend_pid()
"""
# Held by a session that migrates without a transaction: its process may be busy between two statements.
_NOT_ATOMIC = OBJECT_ID + 3
MARK_AS_NOT_ATOMIC = f"SELECT pg_advisory_lock_shared({CLASS_ID}, {_NOT_ATOMIC})"
NO_LONGER_NOT_ATOMIC = f"SELECT pg_advisory_unlock_shared({CLASS_ID}, {_NOT_ATOMIC})"
# Only sessions that hold the lock or the writers' lock, and have an application_name that only a release has.
# The lock monitor of a running release sends a query every second in the session of the lock. What
# pg_stat_activity hides is NULL, and such a session is not ended.
_END_DEAD_SESSIONS = f"""
WITH ours AS (
    SELECT a.*, l.objid, a.state_change < clock_timestamp() - make_interval(secs => %s) AS silent
    FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = {CLASS_ID}
      AND l.objid IN ({OBJECT_ID}, {_WRITERS}) AND a.datname = current_database()
)
SELECT pid, application_name, to_char(state_change AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'),
    pg_terminate_backend(pid, 5000)
FROM ours
WHERE silent AND state IN ('idle', 'idle in transaction', 'idle in transaction (aborted)')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks AS l WHERE l.pid = ours.pid AND l.locktype = 'advisory'
                  AND l.objsubid = 2 AND l.classid = {CLASS_ID} AND l.objid = {_NOT_ATOMIC})
  AND application_name ~ '^railway-release [0-9a-f]{{8}}( lock)?$'
  AND NOT EXISTS (SELECT FROM ours AS lock WHERE lock.objid = {OBJECT_ID}
                  AND (lock.silent AND lock.state = 'idle') IS NOT TRUE)
"""  # noqa: S608 - constants
_MARGIN_SECONDS = 5.0
NOT_HELD = "RR001"  # an SQLSTATE of a class that neither PostgreSQL nor the SQL standard uses

# The start of another role's session is hidden from an ordinary one.
_HOLDER = """
SELECT a.application_name, l.pid, a.usename,
    to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'),
    a.state, extract(epoch FROM clock_timestamp() - a.state_change)::int
FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid IN (%s, %s) AND l.objsubid = 2
  AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
ORDER BY l.objid, a.backend_start
"""


@dataclass(frozen=True)
class HeldLock:
    """The connection that holds the lock, and the process id of its session."""

    connection: Connection
    pid: int


def acquire(connection: Connection, deadline: float, silence: float) -> HeldLock:
    """Take the release lock. Raises LockHeld after `deadline`, a time.monotonic().

    The lock ends with the connection, so a killed process never leaves it behind. It is polled, since a
    session that waits inside pg_advisory_lock() holds a snapshot, and CREATE INDEX CONCURRENTLY waits for
    snapshots: the two would wait for each other. Sessions of a dead release are ended after `silence`
    seconds; never with 0.
    """
    register(connection)
    pauses: Pauses | None = None
    while not (found := fetch_last(connection, LIFT_TIMEOUTS, _ACQUIRE)[0])[0]:
        if _end_dead_sessions(connection, silence):
            continue
        holder = _holder(connection)
        if time.monotonic() >= deadline:
            raise LockHeld(
                f"Another release holds the lock: {holder}.",
                "Wait for it to end and run again, or wait longer with --lock-wait SECONDS.",
            )
        if pauses is None or pauses.is_due():
            pauses = pauses or Pauses()
            left = in_time(deadline - time.monotonic())
            text = f"waiting for another release to end, {left} at most: {holder}"
            get_logger().info("lock.awaited", message=text)
        time.sleep(_POLL_SECONDS)
    return HeldLock(connection, found[1])


def _end_dead_sessions(connection: Connection, silence: float) -> bool:
    """End the sessions of a release that is gone; returns whether there were any.

    They have been waiting for their client for so long, and the session of the lock as well. What they have
    not committed is rolled back. A release that is alive after all finds its lock lost, and begins nothing
    more.
    """
    if not silence:
        return False
    try:
        found = fetch(connection, _END_DEAD_SESSIONS, (silence + _MARGIN_SECONDS,))
    except Exception as error:
        if sqlstate(error) == "42501":
            return False
        raise
    gone = [(pid, name, since) for pid, name, since, ended in found if ended]
    for pid, name, since in gone:
        text = f"ended what {name} has left behind: pid {pid}, silent since {since}"
        get_logger().warning("lock.session_ended", message=text)
    return bool(gone)


def _holder(connection: Connection) -> str:
    rows = fetch(connection, _HOLDER, (CLASS_ID, OBJECT_ID, _WRITERS))
    if not rows:
        return "one that has just ended"
    name, pid, role, since, state, seconds = rows[0]
    when = f"since {since}" if since else "since when is not shown to this role"
    doing = f", {state} for {seconds} s" if state and (seconds or 0) > _MARGIN_SECONDS else ""
    return f"{name or 'a session without a name'} (pid {pid}, role {role}, {when}{doing})"


def require_held(pid: int) -> str:
    """A statement that fails with NOT_HELD on a server where that session does not hold the lock.

    After a failover another server may answer at the same address, without all that was committed.
    """
    return f"""
DO $lock$ BEGIN IF NOT EXISTS (
    SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND pid = {int(pid)}
    AND classid = {CLASS_ID} AND objid = {OBJECT_ID} AND objsubid = 2)
THEN RAISE EXCEPTION 'the release lock is not held on this server' USING ERRCODE = '{NOT_HELD}';
END IF; END $lock$"""
