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

# Where operations name their models; the name of a field or constraint does no harm.
_MODEL_NAMES = ("name", "model_name", "old_name", "new_name")


class Graph(MigrationLoader):
    """Django's loader and graph for one set of records, without a connection.

    `disk`, if given, has imported the files already.
    """

    def __init__(self, applied: Iterable[Key], disk: MigrationLoader | None = None) -> None:
        self._applied: dict[Key, Any] = dict.fromkeys(applied)
        self._recorded = frozenset(self._applied)
        self._disk = disk
        super().__init__(None)

    @property
    def applied_migrations(self) -> dict[Key, Any]:
        # Without a connection the loader assigns an empty dictionary; ours was read for all schemas at once.
        return self._applied

    @applied_migrations.setter
    def applied_migrations(self, _: object) -> None:
        pass

    def load_disk(self) -> None:
        """Import the files, unless `disk` has: they are the same for every schema."""
        if self._disk is None:
            super().load_disk()
            return
        self.disk_migrations = dict(self._disk.disk_migrations)
        self.unmigrated_apps = self._disk.unmigrated_apps
        self.migrated_apps = self._disk.migrated_apps

    def for_applied(self, applied: Iterable[Key]) -> Graph:
        """The graph of the same files for other records."""
        return Graph(applied, disk=self)

    def inconsistency(self) -> str:
        """Which recorded migration has an unrecorded dependency, as a text; empty if none has."""
        for key in sorted(self._recorded & set(self.graph.nodes)):
            for parent in sorted(self.graph.node_map[key].parents):
                if parent.key not in self._done:
                    return f"{dotted(key)} is recorded as applied before its dependency {dotted(parent.key)}"
        return ""

    @cached_property
    def unrecorded(self) -> tuple[Key, ...]:
        """What recorded migrations depend on and has no record, in the order of the graph."""
        if not self.inconsistency():
            return ()
        recorded = sorted(self._recorded & set(self.graph.nodes))
        needed = dict.fromkeys(key for one in recorded for key in self.graph.forwards_plan(one))
        return tuple(key for key in needed if key not in self._done)

    @property
    def unknown_models(self) -> frozenset[tuple[str, str]]:
        """App and name of the models that the unrecorded ones are about: nobody knows how these are."""
        nodes = ((app, self.graph.nodes[app, name]) for app, name in self.unrecorded)
        return frozenset(
            (app, str(named).lower())
            for app, migration in nodes
            for one in migration.operations
            for part in (one, *getattr(one, "database_operations", ()), *getattr(one, "state_operations", ()))
            for named in (getattr(part, attribute, "") for attribute in _MODEL_NAMES)
        )

    @property
    def _done(self) -> frozenset[Key]:
        return self._recorded | frozenset(self._applied)

    def conflicts(self) -> str:
        """The apps with more than one leaf migration, as a text; empty if there are none."""
        found = self.detect_conflicts()
        return "; ".join(f"{', '.join(names)} in {app}" for app, names in sorted(found.items()))

    def unrecorded_squashes(self) -> list[Key]:
        """Squashed migrations that count as applied, since all that they replace are, but have no record yet.

        Django records them at every migrate; without the record they would come back as pending once the
        replaced files are deleted.
        """
        return sorted(key for key in self.replacements if key in self._applied and key not in self._recorded)

    @cached_property
    def held(self) -> frozenset[Key]:
        """The migrations on disk that are applied; a squashed one is once all that it replaces is."""
        return frozenset(self._applied) & frozenset(self.graph.nodes)

    @cached_property
    def held_in_part(self) -> frozenset[Key]:
        """The squashed migrations that are not applied, although some that they replace are recorded."""
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
        """The records that a migration needs: a squashed one counts only with all that it replaces."""
        return (*self.graph.nodes[key].replaces, key)

    def node_of(self, key: Key) -> Key | None:
        """The migration of the graph with the work of this one: itself, or the squash that replaces it."""
        squashes = (one for one, squash in self.replacements.items() if key in squash.replaces)
        return next((one for one in (key, *squashes) if one in self.graph.nodes), None)

    def unrecorded_below(self, keys: Iterable[Key]) -> list[Key]:
        """Of these migrations and those that they are built on, the ones without a record, in order."""
        nodes = dict.fromkeys(node for key in keys if (node := self.node_of(key)))
        below = dict.fromkeys(one for node in nodes for one in self.graph.forwards_plan(node))
        return [one for one in below if not self._recorded.issuperset(self.records_of(one))]

    def in_order(self) -> list[Key]:
        """Every migration of the graph, each after those that it depends on."""
        return list(
            dict.fromkeys(key for leaf in self.graph.leaf_nodes() for key in self.graph.forwards_plan(leaf))
        )

    @cached_property
    def state(self) -> ProjectState:
        """The models in a schema with exactly these records. It is not rendered, and must not be changed.

        What recorded migrations depend on counts as applied, too.
        """
        done = {*self._applied, *self.unrecorded}
        return self._state_after(key for key in self.in_order() if key in done)

    @cached_property
    def last_state(self) -> ProjectState:
        """The models once everything is applied. It is not rendered, and must not be changed."""
        return self._state_after(self.in_order())

    def changed_models(self) -> list[str]:
        """The apps whose models have changes that no migration holds."""
        detector = MigrationAutodetector(self.last_state, ProjectState.from_apps(apps))
        return sorted(detector.changes(graph=self.graph))

    def _state_after(self, keys: Iterable[Key]) -> ProjectState:
        state = ProjectState(real_apps=self.unmigrated_apps)
        for key in keys:
            state = state_after(self.graph.nodes[key], state)
        return state


def applies_itself(migration: Migration) -> bool:
    """Whether its class overrides what Django calls to apply it, so that its operations do not say all."""
    calls = (("apply", Migration.apply), ("mutate_state", Migration.mutate_state))
    return any(getattr(getattr(migration, name), "__func__", None) is not own for name, own in calls)


def state_after(migration: Migration, state: ProjectState) -> ProjectState:
    """The state after a migration; the given one is changed, and may be returned."""
    if applies_itself(migration):
        _clone_related_fields(state)
        return migration.mutate_state(state, preserve=False)
    for operation in migration.operations:
        apply_to_state(operation, migration.app_label, state)
    return state


def apply_to_state(operation: Operation, app: str, state: ProjectState) -> None:
    """Change the state as the operation does; the migrations' own fields stay as they are."""
    if isinstance(operation, RenameField):
        _clone_related_fields(state)
    operation.state_forwards(app, state)


def _clone_related_fields(state: ProjectState) -> None:
    """Replace the fields that refer to other models by clones.

    RenameField changes them in place, and they belong to the operations, from which other states are made.
    """
    for model in state.models.values():
        model.fields |= {name: field.clone() for name, field in model.fields.items() if field.remote_field}
