"""The schema, tenant and role that Django's connection works with, as the plan says.

The project's code (RunPython, operations, receivers) may change them, and everything after it would go into
another tenant's schema. So they are restored after each such piece of code; where that is impossible, the
migration fails.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.db.migrations.recorder import MigrationRecorder
from django.dispatch import Signal

from railway_release.migrations.outcome import Key
from railway_release.postgres.session import literal, quote
from railway_release.topology import Schema, TenantConnection, tenant_connection

_IDLE, _IN_TRANSACTION, _FAILED = 0, 2, 3  # libpq's PGTransactionStatusType


class ConnectionChanged(Exception):
    """The project's code has left the connection in a state that cannot be restored."""

    hint = "Let that code leave the connection as it found it; undo what it has committed, then run again."


class Identity:
    """Django's connection to the tenants' database, and the schema that it has to work in."""

    def __init__(self, connection: TenantConnection, schema: Schema) -> None:
        self._connection = connection
        self.schema = schema

    @property
    def role(self) -> str:
        """The statements that restore the session's own role, with the `assume_role` of the settings."""
        role = self._connection.settings_dict["OPTIONS"].get("assume_role")
        return f"SET SESSION AUTHORIZATION DEFAULT; {f'SET ROLE {quote(role)}' if role else 'RESET ROLE'}"

    @property
    def require_schema(self) -> str:
        """The statement that fails (3F000) if no schema has this name any more.

        If it was renamed or dropped, the next one on the search path would be used: the shared schema.
        """
        return f"SELECT {literal(quote(self.schema.name))}::regnamespace"

    def activate(self) -> None:
        """Set the connection to the schema; django-tenants sets the search path before the next statement."""
        self._connection.set_schema(self.schema.name, tenant_type=self.schema.type)

    def recorded(self) -> frozenset[Key]:
        """The migrations that are recorded in the schema now. Sets the connection to the shared schema."""
        # Alone on the path, or the shared schema's table would be read where this one has none.
        self._connection.set_schema(self.schema.name, tenant_type=self.schema.type, include_public=False)
        found = frozenset(MigrationRecorder(self._connection).applied_migrations())
        self._connection.set_schema_to_public()
        return found

    @contextlib.contextmanager
    def restored_after(self, whose: str) -> Iterator[None]:
        """Restore the schema after the project's code, which runs while entered and which `whose` names.

        Raises ConnectionChanged, also where the transaction is not as it was.
        """
        before = _Transaction.of(self._connection)
        yield
        self._restore(whose, before)

    def send(self, signal: Signal, name: str, sender: Any, **named: Any) -> None:
        """Send a signal, then restore the schema and the role. Raises ConnectionChanged.

        It does so, too, if one of several receivers has changed the schema, where others may have worked.
        """
        before = _Transaction.of(self._connection)
        answers = signal.send(sender, **named)
        whose = f"a receiver of {name}"
        if len(answers) > 1 and self._connection.schema_name != self.schema.name:
            raise ConnectionChanged(
                f"{whose} left the connection in the schema {self._connection.schema_name}, "
                "so that others may have worked there"
            )
        if answers:
            self._restore(whose, before)
            self.restore_role()

    def restore_role(self) -> None:
        """Send `role` and `require_schema`; Django does not notice, and an open transaction goes on."""
        execute(f"{self.role}; {self.require_schema}")

    def _restore(self, whose: str, before: _Transaction) -> None:
        if tenant_connection() is not self._connection:
            raise ConnectionChanged(f"{whose} replaced Django's connection")
        if wrong := before.difference(_Transaction.of(self._connection)):
            raise ConnectionChanged(f"{whose} {wrong}")
        self._connection.ensure_connection()
        self.activate()


def execute(statement: str) -> None:
    """Send a statement on the driver's connection to the tenants' database, past Django's wrappers."""
    connection = tenant_connection()
    connection.ensure_connection()
    with connection.wrap_database_errors, contextlib.closing(connection.connection.cursor()) as cursor:
        cursor.execute(statement)


@dataclass(frozen=True)
class _Transaction:
    """The state of the current transaction, as Django, the driver and the server see it."""

    in_block: bool
    savepoints: int
    autocommit: tuple[bool, bool]  # Django's, the driver's
    status: int
    needs_rollback: bool  # whether Django would roll it back at its end

    @classmethod
    def of(cls, connection: TenantConnection) -> _Transaction:
        raw = connection.connection
        return cls(
            connection.in_atomic_block,
            len(connection.savepoint_ids),
            (connection.autocommit, bool(raw.autocommit)) if raw else (True, True),
            raw.info.transaction_status if raw else _IDLE,
            connection.needs_rollback,
        )

    def difference(self, after: _Transaction) -> str:
        """What the project's code has done to the transaction, in words; empty if it is as it was."""
        # Django begins a transaction with its first statement.
        begun = replace(after, status=_IDLE) if self.in_block and after.status == _IN_TRANSACTION else after
        if self in (after, begun):
            return ""
        if self.in_block and not (after.in_block and after.status in (_IN_TRANSACTION, _FAILED)):
            return "ended the migration's transaction, so what came before may be applied without its record"
        if after.status == _FAILED:
            return "left the transaction failed, with its error ignored"
        if after.needs_rollback:
            return "left the transaction to be rolled back, by set_rollback() or by an error that was ignored"
        return "left a transaction, or a savepoint, open"
