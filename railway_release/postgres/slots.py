"""The lock slots of the server, which all of its sessions share.

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
    """How many slots there are, and how many are used."""

    per_session: int  # max_locks_per_transaction
    sessions: int  # max_connections + max_prepared_transactions
    own: int  # processes of the server itself, which the lock table is sized for as well
    used: int  # by all sessions of all databases

    @property
    def total(self) -> int:
        """The number of slots that PostgreSQL's manual promises."""
        return self.per_session * self.sessions

    @property
    def free(self) -> int:
        """The slots that are not used now."""
        return max(0, self.total - self.used)

    @property
    def most(self) -> int:
        """How many more locks can be taken at all, with the slots for processes of the server itself."""
        return max(0, self.per_session * (self.sessions + self.own) - self.used)

    @property
    def batch(self) -> int:
        """How many tables one statement may read without taking much of what is free."""
        return max(1, min(50, self.free // 100))

    def setting_for(self, locks: int) -> int:
        """The value of max_locks_per_transaction with which so many more locks can be taken."""
        return max(self.per_session + 1, -(-(locks + self.used) // self.sessions))

    def __str__(self) -> str:
        return (
            f"{self.free} of the server's {self.total} lock slots are free"
            f" ({SETTING} {self.per_session} times {self.sessions} connections and prepared transactions)"
        )


def read(connection: Queryable) -> Slots:
    """The slots now, from one statement. Fast-path locks take no slot."""
    (row,) = fetch(connection, _SLOTS)
    return Slots(*row)


def ran_out(error: BaseException) -> bool:
    """Whether the server had no slot left: in every language its message names the setting."""
    return sqlstate(error) == OUT_OF_MEMORY and any(SETTING in str(link) for link in causes(error))


def out_of_slots(error: BaseException, wrote: bool) -> ReleaseError:
    """The error that ends a command which ran out of slots outside of a migration."""
    text, hint = (
        f"The server has no room for another lock: {describe(error)}.",
        f"End the sessions that hold many (pg_locks), or raise {SETTING} and restart the server. Run again.",
    )
    return DatabaseLost(text, hint) if wrote else TooFewLockSlots(text, hint)


def largest_drop(connection: Queryable, schemas: Collection[str]) -> tuple[str, int] | None:
    """The schema whose DROP SCHEMA … CASCADE takes most locks, and how many; None without tables."""
    rows = fetch(connection, _LARGEST_DROP, (sorted(schemas),))
    return (str(rows[0][0]), int(rows[0][1])) if rows else None


def statement_to_raise(value: int) -> str:
    """The statement that raises the setting, and what has to follow."""
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
# Each table, index and sequence; for each table two types, and its TOAST table and index; constraints; and
# the triggers of foreign keys, two on the table and two on the referenced one.
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
