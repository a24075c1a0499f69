"""The migrate command that django-tenants is given: the project's own, plus a hand on the progress.

django-tenants takes the class to run from TENANT_BASE_MIGRATE_COMMAND, a dotted path, so what the
command reports has to pass through this module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db.migrations.migration import Migration
from django_tenants.utils import get_tenant_base_migrate_command_class

from railway_release.migrations.outcome import Key

_Base: Any = get_tenant_base_migrate_command_class()


class Progress:
    """Which migration is in hand in the schema being migrated, and which are done."""

    def __init__(self) -> None:
        self.start_schema()
        self.before_each: Callable[[], None] = lambda: None

    def start_schema(self) -> None:
        """Forget the last schema."""
        self.done: list[Key] = []
        self.in_hand: Migration | None = None

    @property
    def tearable(self) -> bool:
        """Whether the work in hand may be cancelled without leaving anything half done."""
        return self.in_hand is None or bool(self.in_hand.atomic)

    def started(self, migration: Migration) -> None:
        """A migration is about to begin; nothing of it has been sent yet."""
        self.before_each()
        self.in_hand = migration

    def finished(self, migration: Migration) -> None:
        """A migration and its record are committed."""
        self.done.append((migration.app_label, migration.name))
        self.in_hand = None


progress = Progress()


class Command(_Base):  # type: ignore[misc]  # the base is whatever the project says
    """The project's migrate command, telling `progress` where it is."""

    def migration_progress_callback(
        self, action: str, migration: Migration | None = None, fake: bool = False
    ) -> None:
        """Called by Django's executor around each migration."""
        if action == "apply_start" and migration is not None:
            progress.started(migration)
        if action == "apply_success" and migration is not None:
            progress.finished(migration)
        super().migration_progress_callback(action, migration, fake)


def install() -> None:
    """From now on django-tenants migrates with this command."""
    settings.TENANT_BASE_MIGRATE_COMMAND = f"{__name__}.Command"
