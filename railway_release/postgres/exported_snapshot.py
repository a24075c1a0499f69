"""One instant for many sessions: a transaction that exports its snapshot, and others that import it.

https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-SNAPSHOT-SYNCHRONIZATION
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from railway_release.postgres.session import Connect, Connection, fetch, literal

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# Drivers read a time as it comes only in the usual DateStyle.
_EXPORT = """
SELECT pg_catalog.pg_export_snapshot(),
    pg_catalog.to_char(transaction_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US+00:00')
"""


@dataclass(frozen=True)
class ExportedSnapshot:
    """A snapshot as pg_dump's --snapshot takes it, valid while its transaction is open."""

    id: str
    taken_at: datetime
    connection: Connection  # its transaction; what it locks stays locked


@contextlib.contextmanager
def exported_snapshot(connect: Connect) -> Iterator[ExportedSnapshot]:
    """While entered, the snapshot is kept; CREATE INDEX CONCURRENTLY waits for its end anywhere."""
    with contextlib.closing(connect()) as connection:
        cursor = connection.cursor()
        cursor.execute(_BEGIN)
        ((id, taken_at),) = fetch(connection, _EXPORT)
        yield ExportedSnapshot(id, datetime.fromisoformat(taken_at), connection)


@contextlib.contextmanager
def imported_snapshot(connection: Connection, id: str) -> Iterator[None]:
    """While entered, the connection reads that snapshot; the locks of its reads go at the exit."""
    cursor = connection.cursor()
    cursor.execute(f"{_BEGIN}; SET TRANSACTION SNAPSHOT {literal(id)}")
    try:
        yield
    finally:
        cursor.execute("ROLLBACK")
