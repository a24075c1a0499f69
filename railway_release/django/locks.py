"""Whether the server has room for the locks of a deletion, and what to do where it has not.

At COMMIT, PostgreSQL reads every table with a key to a table that rows were deleted from, in all tenants,
and each of these tables and its indexes takes one of the lock slots that all sessions share.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError

from railway_release.naming import table_of
from railway_release.postgres import foreign_keys, slots
from railway_release.postgres.foreign_keys import TableName
from railway_release.postgres.session import fetch
from railway_release.postgres.slots import Slots
from railway_release.topology import TenantConnection


class TooFewLocks(OperationalError):
    """The server has no room for the locks of a deletion. Nothing was deleted.

    `needed` is how many it takes, `setting` the value of max_locks_per_transaction that suffices.
    """

    def __init__(self, message: str, needed: int, setting: int) -> None:
        super().__init__(message)
        self.needed = needed
        self.setting = setting


@dataclass(frozen=True)
class Changes:
    """The tables whose rows a deletion changes."""

    deleted: frozenset[TableName]
    updated: frozenset[TableName]

    @classmethod
    def of(cls, collectors: Mapping[str, Any]) -> Changes:
        """The tables that the collectors of all schemas change."""
        deleted: set[TableName] = set()
        updated: set[TableName] = set()
        for schema, found in collectors.items():
            models = [*found.data, *(objs.model for objs in found.fast_deletes)]
            deleted |= {(schema, table_of(model)) for model in models}
            updated |= {(schema, table_of(field.model)) for field, _ in found.field_updates}
        return cls(frozenset(deleted), frozenset(updated))

    def locks(self, connection: TenantConnection, but: Collection[TableName] = ()) -> int:
        """The number of locks if keys that point at these tables are not checked."""
        checked = self.deleted - set(but)
        return foreign_keys.locks(connection, self.deleted | self.updated, checked)


def unchecked(connection: TenantConnection, shared: str, changes: Changes) -> frozenset[str]:
    """The shared tables to delete from without PostgreSQL's checks: none, if there are slots for those.

    Raises TooFewLocks where the role may not do that, or more would be skipped than checks.
    """
    found, needed = slots.read(connection), changes.locks(connection)
    if needed <= found.free:
        return frozenset()
    tables = sorted(name for schema, name in changes.deleted if schema == shared)
    obstacles = foreign_keys.obstacles(connection, shared, tables)
    skipped = frozenset(tables) - obstacles.keys()
    reason = _why_not(connection)
    if not reason and (left := changes.locks(connection, [(shared, name) for name in skipped])) > found.most:
        reasons = [f"{shared}.{name}: {why}" for name, why in sorted(obstacles.items())]
        reason = "; ".join(reasons) or f"it would still take {left}"
    if reason and needed > found.most:
        raise _refusal(found, needed, reason)
    return frozenset() if reason else skipped


def ran_out(connection: TenantConnection) -> TooFewLocks:
    """The error in place of the server's own, which does not say what it is about."""
    found = slots.read(connection)
    setting = found.per_session * 2
    text = (
        f"The server ran out of lock slots, and nothing was deleted. Now {found}."
        f" {slots.statement_to_raise(setting)}, or try again when other sessions hold fewer locks."
    )
    return TooFewLocks(text, 0, setting)


def _why_not(connection: TenantConnection) -> str:
    asked = "SELECT quote_ident(current_user), current_setting('transaction_isolation')"
    ((role, isolation),) = fetch(connection, asked)
    if not foreign_keys.may_skip_checks(connection):
        return (
            f"{role} may not set session_replication_role"
            f" (from PostgreSQL 15 on: GRANT SET ON PARAMETER session_replication_role TO {role})"
        )
    if isolation != "read committed":
        return f"in a transaction that is {isolation}, what others did cannot be seen"
    return ""


def _refusal(found: Slots, needed: int, reason: str) -> TooFewLocks:
    setting = found.setting_for(needed)
    text = (
        f"This deletion takes {needed} locks, since PostgreSQL checks every table that points at what is"
        f" deleted, and {found}. Nothing was deleted. Leaving the checks out is no way: {reason}."
        f" {slots.statement_to_raise(setting)}."
    )
    return TooFewLocks(text, needed, setting)
