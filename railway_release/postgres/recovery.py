"""Whether the server archives its log, so that the database can be restored as it was at an instant."""

from __future__ import annotations

from railway_release.postgres.session import Connection, fetch


def recovery_instant(connection: Connection) -> str:
    """The server's time now, if it archives its write-ahead log; empty if not, or if archiving fails.

    https://www.postgresql.org/docs/current/continuous-archiving.html
    """
    ((instant,),) = fetch(connection, _INSTANT)
    return str(instant or "")


# Archiving fails while its last failure is later than its last success.
_INSTANT = """
SELECT CASE WHEN current_setting('archive_mode') <> 'off' AND EXISTS (
        SELECT FROM pg_catalog.pg_stat_archiver
        WHERE last_archived_time >= coalesce(last_failed_time, '-infinity'))
    THEN pg_catalog.to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END
"""
