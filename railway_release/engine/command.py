"""The migrate command that django-tenants runs for the stock engine: the project's own, with a listener.

django-tenants takes the class from TENANT_BASE_MIGRATE_COMMAND, a dotted path, so the listener has to be kept
in this module.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

from django.conf import settings
from django.db.migrations.migration import Migration
from django_tenants.utils import get_tenant_base_migrate_command_class

_Base: Any = get_tenant_base_migrate_command_class()


class Listener(Protocol):
    """Is called around each migration."""

    def begin(self, migration: Migration) -> None:
        """The migration is about to run."""

    def end(self, migration: Migration) -> None:
        """The migration has run and is recorded."""


_listeners: list[Listener] = []
_running: list[object] = []


def is_nested() -> bool:
    """Whether the running command was started by a migration or a receiver."""
    return len(_running) > 1


class Command(_Base):  # type: ignore[misc]  # the base is whatever the project says
    """The project's migrate command, which calls the listener around each migration.

    One that a migration starts by itself, as for a tenant that it creates, has no listener.
    """

    _listener: Listener | None = None

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run the command. The first one takes the listener; those that start meanwhile find none."""
        self._listener = _listeners.pop() if _listeners else None
        _running.append(self)
        try:
            return super().execute(*args, **options)
        finally:
            _running.pop()
            if self._listener is not None:
                _listeners.append(self._listener)

    def migration_progress_callback(
        self, action: str, migration: Migration | None = None, fake: bool = False
    ) -> None:
        """Call the listener, then the project's command; called by Django around each migration."""
        if migration is not None and self._listener is not None:
            if action == "apply_start":
                self._listener.begin(migration)
            if action == "apply_success":
                self._listener.end(migration)
        super().migration_progress_callback(action, migration, fake)


@contextlib.contextmanager
def install(listener: Listener) -> Iterator[None]:
    """While entered, django-tenants migrates with this command, which calls `listener`."""
    settings.TENANT_BASE_MIGRATE_COMMAND = f"{__name__}.Command"
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.clear()
