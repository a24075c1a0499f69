"""Slots: how many locks the server has room for, which all of its sessions share.

https://www.postgresql.org/docs/current/runtime-config-locks.html
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from railway_release.errors import DatabaseLost, ReleaseError, TooFewLockSlots
from railway_release.postgres.failures import OUT_OF_MEMORY, causes, describe, sqlstate
from railway_release.postgres.session import Queryable, fetch

SETTING = "max_locks_per_transaction"


@dataclass(frozen=True)
class Slots:
    """As they are now."""

    per_session: int  # max_locks_per_transaction
    sessions: int  # max_connections + max_prepared_transactions
    own: int  # processes of the server's own, for which it makes room as well
    used: int  # by whatever session and database

    @property
    def total(self) -> int:
        """All that the server's manual promises."""
        return self.per_session * self.sessions

    @property
    def free(self) -> int:
        """Those that nobody holds at the moment."""
        return max(0, self.total - self.used)

    @property
    def most(self) -> int:
        """How many may still be taken, with those meant for the server itself: more are bound to fail."""
        return max(0, self.per_session * (self.sessions + self.own) - self.used)

    @property
    def batch(self) -> int:
        """How many tables one statement may look into without taking much of what is left."""
        return max(1, min(50, self.free // 100))

    def setting_for(self, locks: int) -> int:
        """The value of max_locks_per_transaction that leaves room for so many more."""
        return max(self.per_session + 1, -(-(locks + self.used) // self.sessions))

    def __str__(self) -> str:
        return (
            f"{self.free} of the server's {self.total} lock slots are free"
            f" ({SETTING} {self.per_session} times {self.sessions} connections and prepared transactions)"
        )


def read(connection: Queryable) -> Slots:
    """One statement. Locks taken on the fast path are in no slot."""
    (row,) = fetch(connection, _SLOTS)
    return Slots(*row)


def ran_out(error: BaseException) -> bool:
    """Whether the server had no slot left; its words may be in any language, but not the setting's name."""
    return sqlstate(error) == OUT_OF_MEMORY and any(SETTING in str(link) for link in causes(error))


def no_room(error: BaseException, wrote: bool) -> ReleaseError:
    """The error where it is not a migration that takes the locks."""
    text, hint = (
        f"The server has no room for another lock: {describe(error)}.",
        f"End the sessions that hold many (pg_locks), or raise {SETTING} and restart the server. Run again.",
    )
    return DatabaseLost(text, hint) if wrote else TooFewLockSlots(text, hint)


def largest_drop(connection: Queryable, schemas: Collection[str]) -> tuple[str, int] | None:
    """The schema whose DROP SCHEMA … CASCADE locks most, and how many objects that is."""
    rows = fetch(connection, _LARGEST_DROP, (sorted(schemas),))
    return (str(rows[0][0]), int(rows[0][1])) if rows else None


def raised_to(value: int) -> str:
    """What gives the server more."""
    return f"ALTER SYSTEM SET {SETTING} = {value}; and restart the server"


_SLOTS = f"""
SELECT current_setting('{SETTING}')::int,
    current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int,
    coalesce(current_setting('autovacuum_worker_slots', true), current_setting('autovacuum_max_workers'))::int
        + current_setting('max_worker_processes')::int + current_setting('max_wal_senders')::int + 1,
    (SELECT count(*)::int FROM (
        SELECT DISTINCT locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid,
            objsubid
        FROM pg_catalog.pg_locks WHERE NOT fastpath AND mode <> 'SIReadLock') AS held)
"""  # noqa: S608 - a constant
# Each table, index and sequence; of a table two types and what keeps its long values; constraints; and the
# triggers of foreign keys, two on the table and two on the one that it points at.
_LARGEST_DROP = """
SELECT n.nspname::text, (sum(1 + CASE WHEN c.relkind IN ('r', 'p') THEN 2 ELSE 0 END
        + CASE WHEN c.reltoastrelid <> 0 THEN 2 ELSE 0 END
        + coalesce(k.number, 0) + 4 * coalesce(k.keys, 0)))::int
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN (
    SELECT conrelid, count(*) AS number, count(*) FILTER (WHERE contype = 'f') AS keys
    FROM pg_catalog.pg_constraint GROUP BY conrelid) AS k ON k.conrelid = c.oid
WHERE n.nspname = ANY(%s) GROUP BY n.nspname ORDER BY 2 DESC, 1 LIMIT 1
"""
