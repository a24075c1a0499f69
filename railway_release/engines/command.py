"""The migrate command that django-tenants is given: the project's own, plus a hand on the progress.

django-tenants takes the class to run from TENANT_BASE_MIGRATE_COMMAND, a dotted path, so what the
command reports has to pass through this module.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db.migrations.migration import Migration
from django_tenants.utils import get_tenant_base_migrate_command_class

from railway_release.engines.turn import Turns

_Base: Any = get_tenant_base_migrate_command_class()
_turns: list[Turns] = []


class Command(_Base):  # type: ignore[misc]  # the base is whatever the project says
    """The project's migrate command, telling the hand where it is."""

    def migration_progress_callback(
        self, action: str, migration: Migration | None = None, fake: bool = False
    ) -> None:
        """Called by Django's executor around each migration."""
        if migration is not None and _turns:
            key = (migration.app_label, migration.name)
            if action == "apply_start":
                with _turns[-1].guard.beginning():
                    _turns[-1].hand.begin(key, atomic=bool(migration.atomic))
            if action == "apply_success":
                _turns[-1].hand.end(key)
        super().migration_progress_callback(action, migration, fake)


@contextlib.contextmanager
def install(turns: Turns) -> Iterator[None]:
    """While entered, django-tenants migrates with this command, for these turns."""
    settings.TENANT_BASE_MIGRATE_COMMAND = f"{__name__}.Command"
    _turns.append(turns)
    try:
        yield
    finally:
        _turns.pop()
