"""Plan: what is pending in every schema, computed once for each cohort of schemas with the same records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from django.db.migrations.exceptions import AmbiguityError, NodeNotFoundError

from railway_release.config.config import Config
from railway_release.errors import MigrationsInvalid, UnknownName
from railway_release.migrations.disk import Graph
from railway_release.migrations.outcome import Key
from railway_release.migrations.rows import Rows, expected_rows
from railway_release.runtime.counting import counted
from railway_release.runtime.program import PROGRAM
from railway_release.topology import Schema, Topology

Histories = Mapping[str, tuple[Key, ...]]  # schema name to its records, oldest first


@dataclass(frozen=True)
class Cohort:
    """The pending steps of all schemas with the same records, or why there are none."""

    applied: frozenset[Key]
    steps: tuple[Key, ...]  # pending, in the order in which they will be applied
    graph: Graph = field(compare=False, repr=False)  # for these records
    squashes: tuple[Key, ...] = ()  # of the steps, those that are to be recorded only
    inconsistency: str = ""  # why nothing can be applied; empty if something can
    unrecorded: tuple[Key, ...] = ()  # what recorded migrations depend on and has no record
    target: tuple[str, ...] = ()  # what Django's migrate is to be given: app label, migration name
    foundations: frozenset[str] = frozenset()  # the apps of the steps and of all that they depend on

    @property
    def to_apply(self) -> tuple[Key, ...]:
        """The steps that run."""
        return tuple(step for step in self.steps if step not in self.squashes)

    @property
    def is_comparable(self) -> bool:
        """Whether it is known which tables belong to these records."""
        return not self.inconsistency or bool(self.unrecorded)

    @property
    def pending_apps(self) -> frozenset[str]:
        """The apps with pending steps."""
        return frozenset(app for app, _ in self.steps)


@dataclass(frozen=True)
class SchemaPlan:
    """One schema and what is to be done in it."""

    schema: Schema
    cohort: Cohort
    ahead: frozenset[str]  # apps whose records are newer than the code
    complete: bool = False  # content types and permissions are to be created, whatever is pending
    unfinished: tuple[Key, ...] = ()  # recorded by a run that ended before their receivers were called

    @property
    def pending(self) -> bool:
        """Whether there are migrations to apply; a squashed one is applied once all that it replaces is."""
        return bool(self.cohort.to_apply)

    @property
    def due(self) -> bool:
        """Whether anything is to be applied, recorded or created, or receivers to be called."""
        return bool(self.cohort.steps) or self.complete or bool(self.unfinished)

    def is_chosen_by(self, config: Config) -> bool:
        """Whether the options choose this schema."""
        return config.includes(self.schema.name, shared=self.schema.role == "shared")


@dataclass(frozen=True)
class Plan:
    """What a release would do in every schema."""

    graph: Graph
    topology: Topology
    shared: SchemaPlan
    tenants: tuple[SchemaPlan, ...]

    @property
    def schemas(self) -> tuple[SchemaPlan, ...]:
        """All schemas, the shared one first."""
        return (self.shared, *self.tenants)

    def with_unfinished(self, unfinished: Histories) -> Plan:
        """The plan with the migrations that earlier runs have recorded, but not finished."""
        return self._each(lambda one: replace(one, unfinished=unfinished.get(one.schema.name, ())))

    def with_incomplete(self, schemas: Collection[str]) -> Plan:
        """The plan in which the content types and permissions of these schemas are to be created."""
        return self._each(
            lambda one: replace(one, complete=one.schema.name in schemas or bool(one.unfinished))
        )

    def _each(self, change: Callable[[SchemaPlan], SchemaPlan]) -> Plan:
        shared, *tenants = map(change, self.schemas)
        return replace(self, shared=shared, tenants=tuple(tenants))

    @property
    def pending(self) -> tuple[SchemaPlan, ...]:
        """The schemas with migrations to apply or to record, the shared one first."""
        return tuple(one for one in self.schemas if one.pending)

    def pending_groups(self, config: Config) -> dict[tuple[Key, ...], list[str]]:
        """Pending migrations, with the names of the chosen schemas that wait for exactly these."""
        groups: dict[tuple[Key, ...], list[str]] = {}
        for one in self.pending:
            if one.is_chosen_by(config):
                groups.setdefault(one.cohort.to_apply, []).append(one.schema.name)
        return groups


class Planner:
    """Makes plans from records, the migrations on disk and the target; what it computes of a cohort is kept.

    `app` and `migration`, which may be the beginning of a name, limit the plan as Django's migrate does.
    `gap_allowed` says that a gap in the shared schema's records is no reason to make no plan.
    Raises MigrationsInvalid for files that cannot be loaded, UnknownName for a target that does not exist.
    """

    def __init__(self, app: str = "", migration: str = "", *, gap_allowed: bool = False) -> None:
        try:
            self._graph = Graph(())
        # The loader raises ImportError, BadMigrationError, NodeNotFoundError, CircularDependencyError, …
        except Exception as cause:
            raise MigrationsInvalid(
                f"The migrations on disk cannot be loaded: {cause}",
                "`python manage.py showmigrations` shows the same.",
            ) from cause
        self._app = app
        self._migration = migration
        self._gap_allowed = gap_allowed
        self._cohorts: dict[frozenset[Key], Cohort] = {}
        self._rows: dict[frozenset[Key], Rows] = {}
        self._check_names()

    def plan(self, topology: Topology, histories: Histories) -> Plan:
        """The plan for these schemas; raises MigrationsInvalid if the shared schema cannot be migrated."""
        plan = self.draft(topology, histories)
        self._check_shared(plan.shared.cohort)
        return plan

    def draft(self, topology: Topology, histories: Histories) -> Plan:
        """What the plan would be, also where the shared schema cannot be migrated."""
        records = [histories.get(schema.name, ()) for schema in topology.schemas]
        levels = {
            history: (self._cohort(frozenset(history)), self._ahead(history))
            for history in counted(dict.fromkeys(records), "levels.counted", "kinds of records looked at")
        }
        pairs = zip(topology.schemas, records, strict=True)
        shared, *tenants = (SchemaPlan(schema, *levels[history]) for schema, history in pairs)
        return Plan(self._graph, topology, shared, tuple(tenants))

    def rows_of(self, cohort: Cohort) -> Rows:
        """The content types and permissions that belong to this cohort's records."""
        if cohort.applied not in self._rows:
            rows = expected_rows(cohort.graph.state)
            # Cohorts that differ only in columns have equal rows: one object for all of them.
            self._rows[cohort.applied] = next((one for one in self._rows.values() if one == rows), rows)
        return self._rows[cohort.applied]

    def _cohort(self, applied: frozenset[Key]) -> Cohort:
        if applied not in self._cohorts:
            self._cohorts[applied] = self._new_cohort(applied)
        return self._cohorts[applied]

    def _new_cohort(self, applied: frozenset[Key]) -> Cohort:
        try:
            graph = self._graph.for_applied(applied)
        except NodeNotFoundError as cause:
            # Part of a squash is recorded, and the files of the other part are gone.
            return Cohort(applied, (), self._graph, inconsistency=str(cause).rstrip("."))
        if inconsistency := graph.inconsistency():
            return Cohort(applied, (), graph, inconsistency=inconsistency, unrecorded=graph.unrecorded)
        targets = self._targets(graph)
        steps = list(graph.plan(targets))
        foundations = frozenset(app for step in steps for app, _ in graph.graph.forwards_plan(step))
        if not self._app:
            squashes = tuple(graph.unrecorded_squashes())
            return Cohort(applied, (*steps, *squashes), graph, squashes, foundations=foundations)
        target = targets[0] if self._migration else (self._app,)
        return Cohort(applied, tuple(steps), graph, target=target, foundations=foundations)

    def _targets(self, graph: Graph) -> list[Key]:
        if not self._migration:
            return [key for key in graph.graph.leaf_nodes() if self._app in ("", key[0])]
        target = self.resolve(self._app, self._migration)
        if target not in graph.graph.nodes and target in graph.replacements:
            # A partially applied squash is not in the graph; its last part stands for it.
            target = graph.replacements[target].replaces[-1]
        if target not in graph.graph.nodes:
            # A migration that a squash has replaced is not in the graph either: the squash is its target.
            target = next(key for key, squash in graph.replacements.items() if target in squash.replaces)
        return [target]

    def _ahead(self, records: tuple[Key, ...]) -> frozenset[str]:
        """Apps with a record that is not on disk and newer than their last one that is (a rollback).

        Records older than that are stale: squashed, pruned or renamed long ago.
        """
        disk = self._graph.disk_migrations
        newest = {app: (app, name) in disk for app, name in records}
        rooted = {app for app, name in records if (app, name) in disk}
        return frozenset(app for app, on_disk in newest.items() if app in rooted and not on_disk)

    def check_app(self, app: str) -> None:
        """Raise UnknownName for an app that has no migrations."""
        if app not in self._graph.migrated_apps:
            known = ", ".join(sorted(self._graph.migrated_apps))
            raise UnknownName(f"There is no app {app!r} with migrations.", f"Known: {known}.")

    def _check_names(self) -> None:
        if self._app:
            self.check_app(self._app)
        if self._migration:
            self.resolve(self._app, self._migration)

    def resolve(self, app: str, prefix: str) -> Key:
        """The one migration of the app whose name begins with `prefix`; raises UnknownName."""
        self.check_app(app)
        if (app, prefix) in self._graph.disk_migrations:
            return (app, prefix)
        try:
            return (app, self._graph.get_migration_by_prefix(app, prefix).name)
        except (KeyError, AmbiguityError) as cause:
            names = ", ".join(sorted(name for label, name in self._graph.disk_migrations if label == app))
            raise UnknownName(
                f"{prefix!r} names no single migration of {app}.", f"Known: {names}."
            ) from cause

    def _check_shared(self, cohort: Cohort) -> None:
        if conflicts := self._graph.conflicts():
            raise MigrationsInvalid(
                f"Conflicting migrations on disk: {conflicts}.",
                "`python manage.py makemigrations --merge` joins them.",
            )
        if cohort.inconsistency and not self._gap_allowed:
            raise MigrationsInvalid(
                f"The shared schema's records are inconsistent: {cohort.inconsistency}.",
                f"`{PROGRAM} repair` shows what is missing; --apply records what is proven to be there.",
            )
