"""Which schema, tenant and role Django's connection works as; it comes from the plan.

The project's own code (RunPython, operations, receivers) may change it, and all that follows would then go
into another tenant's schema. So it is put back after each piece of it; what cannot be put back fails the
migration.
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
from railway_release.topology import Schema, tenant_connection

_IDLE, _IN_TRANSACTION, _FAILED = 0, 2, 3  # libpq's PGTransactionStatusType


class ConnectionChanged(Exception):
    """The project's code has left the connection as it cannot be put back."""

    hint = "Let that code leave the connection as it found it; undo what it has committed, then run again."


class Identity:
    """Django's connection to the tenants' database, at work in one schema."""

    def __init__(self, connection: Any, schema: Schema) -> None:
        self._connection = connection
        self.schema = schema

    @property
    def role(self) -> str:
        """The statements that give the session its own role back, whatever has taken its place."""
        role = self._connection.settings_dict["OPTIONS"].get("assume_role")
        return f"SET SESSION AUTHORIZATION DEFAULT; {f'SET ROLE {quote(role)}' if role else 'RESET ROLE'}"

    @property
    def require_schema(self) -> str:
        """The statement that fails (3F000) if nothing has the schema's name any more.

        Where somebody has renamed or dropped it, the next one on the path takes its place: the shared schema.
        """
        return f"SELECT {literal(quote(self.schema.name))}::regnamespace"

    def activate(self) -> None:
        """Let the connection work in the schema; django-tenants tells the server with the next statement."""
        self._connection.set_schema(self.schema.name, tenant_type=self.schema.type)

    def recorded(self) -> frozenset[Key]:
        """What is recorded in the schema now; the connection is in the shared one afterwards."""
        # Alone on the path, or the shared schema's table would be taken for this one's.
        self._connection.set_schema(self.schema.name, tenant_type=self.schema.type, include_public=False)
        found = frozenset(MigrationRecorder(self._connection).applied_migrations())
        self._connection.set_schema_to_public()
        return found

    @contextlib.contextmanager
    def restored_after(self, whose: str) -> Iterator[None]:
        """Code of the project runs while entered; `whose` names it. Raises ConnectionChanged."""
        before = _Transaction.of(self._connection)
        yield
        self._restore(whose, before)

    def send(self, signal: Signal, name: str, sender: Any, **named: Any) -> None:
        """Send a signal. Raises ConnectionChanged.

        Where several receivers have run, a change of schema may have misled those that came later.
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
        """Send `role` and `require_schema`, unseen by Django, in the transaction that is open, if one is."""
        execute(f"{self.role}; {self.require_schema}")

    def _restore(self, whose: str, before: _Transaction) -> None:
        if tenant_connection() is not self._connection:
            raise ConnectionChanged(f"{whose} replaced Django's connection")
        if wrong := before.difference(_Transaction.of(self._connection)):
            raise ConnectionChanged(f"{whose} {wrong}")
        self._connection.ensure_connection()
        self.activate()


def execute(statement: str) -> None:
    """Send a statement of ours on Django's connection to the tenants' database, unseen by Django."""
    connection = tenant_connection()
    connection.ensure_connection()
    with connection.wrap_database_errors, contextlib.closing(connection.connection.cursor()) as cursor:
        cursor.execute(statement)


@dataclass(frozen=True)
class _Transaction:
    """What Django, the driver and the server think of the transaction in hand."""

    in_block: bool
    savepoints: int
    autocommit: tuple[bool, bool]  # Django's, the driver's
    status: int

    @classmethod
    def of(cls, connection: Any) -> _Transaction:
        raw = connection.connection
        return cls(
            connection.in_atomic_block,
            len(connection.savepoint_ids),
            (connection.autocommit, bool(raw.autocommit)) if raw else (True, True),
            raw.info.transaction_status if raw else _IDLE,
        )

    def difference(self, after: _Transaction) -> str:
        """What user code has done to it, in words; nothing if it is as it was."""
        # Django begins a transaction with its first statement.
        begun = replace(after, status=_IDLE) if self.in_block and after.status == _IN_TRANSACTION else after
        if self in (after, begun):
            return ""
        if self.in_block and not (after.in_block and after.status in (_IN_TRANSACTION, _FAILED)):
            return "ended the migration's transaction, so what came before may be applied without its record"
        if after.status == _FAILED:
            return "left the transaction failed, with its error ignored"
        return "left a transaction, or a savepoint, open"
