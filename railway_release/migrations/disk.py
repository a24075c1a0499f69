"""The migrations on disk, loaded once, and the graph that they form for a given set of records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from django.apps import apps
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.operations import RenameField
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from railway_release.migrations.outcome import Key, dotted


class Graph(MigrationLoader):
    """Django's graph for one applied set, without a database and without importing the files again."""

    def __init__(self, applied: Iterable[Key], disk: MigrationLoader | None = None) -> None:
        self._applied: dict[Key, Any] = dict.fromkeys(applied)
        self._recorded = frozenset(self._applied)
        self._disk = disk
        super().__init__(None)

    @property
    def applied_migrations(self) -> dict[Key, Any]:
        # The loader without a connection assigns an empty set; ours was read for all schemas at once.
        return self._applied

    @applied_migrations.setter
    def applied_migrations(self, _: object) -> None:
        pass

    def load_disk(self) -> None:
        """Take over what was imported already: the files are the same for every schema."""
        if self._disk is None:
            super().load_disk()
            return
        self.disk_migrations = dict(self._disk.disk_migrations)
        self.unmigrated_apps = self._disk.unmigrated_apps
        self.migrated_apps = self._disk.migrated_apps

    def for_applied(self, applied: Iterable[Key]) -> Graph:
        """The graph over the same files for another applied set."""
        return Graph(applied, disk=self)

    def inconsistency(self) -> str:
        """Which recorded migration has an unrecorded dependency, as Django checks it; or nothing."""
        done = self._recorded | set(self._applied)
        for key in sorted(self._recorded & set(self.graph.nodes)):
            for parent in sorted(self.graph.node_map[key].parents):
                if parent.key not in done:
                    return f"{dotted(key)} is recorded as applied before its dependency {dotted(parent.key)}"
        return ""

    def conflicts(self) -> str:
        """The apps with more than one leaf migration, in words; or nothing."""
        found = self.detect_conflicts()
        return "; ".join(f"{', '.join(names)} in {app}" for app, names in sorted(found.items()))

    def unrecorded_squashes(self) -> list[Key]:
        """Squashed migrations that count as applied, since all that they replace is, but have no record yet.

        Django records them at every migrate; without the record they would come back as pending once the
        replaced files are deleted.
        """
        return sorted(key for key in self.replacements if key in self._applied and key not in self._recorded)

    @cached_property
    def held(self) -> frozenset[Key]:
        """The migrations that need neither be applied nor recorded any more."""
        return frozenset(self._applied) & frozenset(self.graph.nodes) - set(self.unrecorded_squashes())

    @cached_property
    def held_in_part(self) -> frozenset[Key]:
        """The squashed migrations that are not held, while migrations that they replace are recorded."""
        begun = (key for key, squash in self.replacements.items() if self._recorded & set(squash.replaces))
        return frozenset(begun) - self.held

    def plan(self, targets: Iterable[Key]) -> Iterator[Key]:
        """The migrations still to apply to reach the targets, in order; never one to unapply."""
        seen = set(self._applied)
        for target in targets:
            for key in self.graph.forwards_plan(target):
                if key not in seen:
                    seen.add(key)
                    yield key

    def records_of(self, key: Key) -> tuple[Key, ...]:
        """What is recorded of a migration: a squashed one counts only beside all that it replaces."""
        return (*self.graph.nodes[key].replaces, key)

    def in_order(self) -> list[Key]:
        """Every migration of the graph, each after those that it depends on."""
        return list(
            dict.fromkeys(key for leaf in self.graph.leaf_nodes() for key in self.graph.forwards_plan(leaf))
        )

    @cached_property
    def state(self) -> ProjectState:
        """The models as they are in a schema with exactly these records; not rendered, not to be changed."""
        return self._state_after(key for key in self.in_order() if key in self._applied)

    @cached_property
    def last_state(self) -> ProjectState:
        """The models once everything is applied; not rendered, not to be changed."""
        return self._state_after(self.in_order())

    def changed_models(self) -> list[str]:
        """The apps whose models have changes that no migration holds."""
        detector = MigrationAutodetector(self.last_state, ProjectState.from_apps(apps))
        return sorted(detector.changes(graph=self.graph))

    def _state_after(self, keys: Iterable[Key]) -> ProjectState:
        state = ProjectState(real_apps=self.unmigrated_apps)
        for key in keys:
            state = advanced(self.graph.nodes[key], state)
        return state


def applies_itself(migration: Migration) -> bool:
    """Whether its class overrides what Django calls to apply it, so that its operations do not say all."""
    calls = (("apply", Migration.apply), ("mutate_state", Migration.mutate_state))
    return any(getattr(getattr(migration, name), "__func__", None) is not own for name, own in calls)


def advanced(migration: Migration, state: ProjectState) -> ProjectState:
    """The state after a migration, which may be the given one, changed."""
    if applies_itself(migration):
        _part_from_migrations(state)
        return migration.mutate_state(state, preserve=False)
    for operation in migration.operations:
        forward(operation, migration.app_label, state)
    return state


def forward(operation: Operation, app: str, state: ProjectState) -> None:
    """Let the operation change the state, and nothing else."""
    if isinstance(operation, RenameField):
        _part_from_migrations(state)
    operation.state_forwards(app, state)


def _part_from_migrations(state: ProjectState) -> None:
    """Copy the fields that refer to others.

    Django's renaming of a field changes them in place, and they belong to the migrations, from which other
    states are to be made.
    """
    for model in state.models.values():
        model.fields |= {name: field.clone() for name, field in model.fields.items() if field.remote_field}
