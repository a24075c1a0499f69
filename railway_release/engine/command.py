"""The migrate command that django-tenants is given: the project's own, told to whom each migration belongs.

django-tenants takes the class to run from TENANT_BASE_MIGRATE_COMMAND, a dotted path, so what the
command reports has to pass through this module.
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
    """Who is told of each migration."""

    def begin(self, migration: Migration) -> None:
        """It is about to run."""
        ...

    def end(self, migration: Migration) -> None:
        """It has run and is recorded."""
        ...


_listeners: list[Listener] = []
_running: list[object] = []


def is_nested() -> bool:
    """Whether a command runs that a migration or a receiver has started by itself."""
    return len(_running) > 1


class Command(_Base):  # type: ignore[misc]  # the base is whatever the project says
    """The project's migrate command, telling where it is.

    One that a migration starts by itself, as for a tenant that it creates, is nobody's here.
    """

    _listener: Listener | None = None

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run as the command of whoever has installed it, and not those that are run meanwhile."""
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
        """Called by Django's executor around each migration."""
        if migration is not None and self._listener is not None:
            if action == "apply_start":
                self._listener.begin(migration)
            if action == "apply_success":
                self._listener.end(migration)
        super().migration_progress_callback(action, migration, fake)


@contextlib.contextmanager
def install(listener: Listener) -> Iterator[None]:
    """While entered, django-tenants migrates with this command, which tells `listener`."""
    settings.TENANT_BASE_MIGRATE_COMMAND = f"{__name__}.Command"
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.clear()
