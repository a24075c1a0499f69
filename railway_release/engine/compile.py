"""Compiles the program of one cohort: each pending operation with the models that it uses, rendered once.

`migrate` renders the models anew for every tenant; here all tenants of a cohort share them. Hence:

- AddField and AlterField give their field a one-off default while they run, and an error leaves it there. The
  next run of the operation sets it again, so no schema sees it; threads would.
- SeparateDatabaseAndState, and the content types of RenameModel, are resolved here and not for every tenant.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from django.contrib.contenttypes.management import RenameContentType
from django.db.migrations import operations
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models.signals import post_migrate, pre_migrate
from django_tenants.utils import get_public_schema_name

from railway_release.engine import receivers, sql
from railway_release.engine.states import States, is_plain
from railway_release.migrations import rows
from railway_release.migrations.disk import Graph, applies_itself, apply_to_state
from railway_release.migrations.outcome import Key
from railway_release.migrations.plan import Cohort
from railway_release.migrations.rendering import Rendering
from railway_release.migrations.rows import Rows
from railway_release.migrations.user_states import SeparateState
from railway_release.runtime.counting import Clock, counted

_CONTENT_TYPE = ("contenttypes", "contenttype")
# Django 6.1 records a squashed migration beside those that it replaces at once, before that at the end.
_RECORDS_SQUASH_AT_ONCE = "app_label" in inspect.signature(MigrationExecutor.record_migration).parameters


@dataclass(frozen=True)
class Action:
    """One operation, with the models that it uses before and after it, rendered; they are never changed."""

    operation: Operation
    before: ProjectState
    after: ProjectState

    @property
    def plain(self) -> bool:
        """Whether its statements can be sent together, since none of the project's code runs in between."""
        return is_plain(self.operation)

    @property
    def is_sql(self) -> bool:
        """Whether it is a RunSQL."""
        return type(self.operation) is operations.RunSQL

    @property
    def ends_transaction(self) -> bool:
        """Whether it is SQL that may end the migration's transaction."""
        return self.is_sql and sql.ends_transaction(sql.text_of(self.operation))


@dataclass(frozen=True)
class CustomApply:
    """A migration whose class overrides apply(); `before` is the state that it is given, rendered."""

    before: ProjectState  # to be cloned, since the migration changes it


@dataclass(frozen=True)
class Rename:
    """A renamed model, whose content type follows, and from Django 6.1 on its permissions."""

    app: str
    old: str  # as written in the migration
    new: str


@dataclass(frozen=True)
class Step:
    """One migration of a program, with the records that it leaves."""

    key: Key
    migration: Migration
    actions: tuple[Action | Rename | CustomApply, ...]
    records: tuple[Key, ...]

    @property
    def atomic(self) -> bool:
        """Whether it and its record are one transaction."""
        return bool(self.migration.atomic)

    @cached_property
    def plain(self) -> bool:
        """Whether it can be sent in one message."""
        return (
            self.atomic and not self.runs_code and not any(one.ends_transaction for one in self._operations)
        )

    @cached_property
    def runs_code(self) -> bool:
        """Whether the project's code is part of it, so that its statements are not known beforehand."""
        return any(
            isinstance(one, CustomApply) or (isinstance(one, Action) and not one.plain)
            for one in self.actions
        )

    @cached_property
    def runs_sql(self) -> bool:
        """Whether a RunSQL is part of it."""
        return any(one.is_sql for one in self._operations)

    @cached_property
    def exclusive(self) -> bool:
        """Whether it runs in one schema at a time, since it changes objects that schemas share."""
        shared = get_public_schema_name()
        return any(sql.changes_shared_objects(one.operation, shared) for one in self._operations)

    @cached_property
    def sets_custom_option(self) -> bool:
        """Whether it may set a customized option, which pg_settings does not show."""
        texts = (sql.text_of(one.operation) for one in self._operations if one.is_sql)
        return any(map(sql.sets_custom_option, texts))

    @cached_property
    def _operations(self) -> tuple[Action, ...]:
        return tuple(one for one in self.actions if isinstance(one, Action))


@dataclass(frozen=True)
class Program:
    """What is to be done in every schema of a cohort."""

    recorded: bool  # whether the schemas have records already
    after: ProjectState  # not rendered
    steps: tuple[Step, ...]
    records: tuple[Key, ...]  # of squashed migrations whose replaced migrations are all applied at the end
    rows: Rows  # content types and permissions at the end
    new_rows: Rows  # of these, those that the steps add
    pre_migrate_state: SeparateState | None  # what pre_migrate shows to receivers, if there are any
    post_migrate_state: SeparateState | None  # the same for post_migrate
    weight: int  # models that were rendered
    nodes: Mapping[Key, Migration]  # all that are on disk

    @property
    def migrations(self) -> list[Migration]:
        """The migrations of the steps, in order."""
        return [step.migration for step in self.steps]

    @cached_property
    def renames(self) -> tuple[Rename, ...]:
        """The models that the steps rename, in order."""
        return tuple(one for step in self.steps for one in step.actions if isinstance(one, Rename))

    @cached_property
    def may_change_session(self) -> bool:
        """Whether the project's SQL or code may leave the session with other settings, locks or the like."""
        return any(step.runs_sql or step.runs_code for step in self.steps)

    @cached_property
    def runs_code(self) -> bool:
        """Whether the project's code is part of any step."""
        return any(step.runs_code for step in self.steps)

    @cached_property
    def sets_custom_option(self) -> bool:
        """Whether any step may set a customized option."""
        return any(step.sets_custom_option for step in self.steps)


def compiled(cohort: Cohort, clock: Clock | None = None) -> Program:
    """The program of a cohort; a `clock` logs how far this has come."""
    graph = cohort.graph
    states = States(graph.state, Rendering(graph.unmigrated_apps))
    keys = counted(cohort.to_apply, "plans.counted", "migrations prepared", clock)
    steps = tuple(_step(key, graph.graph.nodes[key], states) for key in keys)
    done = {*cohort.applied, *(key for step in steps for key in step.records)}
    target = rows.expected_rows(states.now)
    before, after = _states_for_receivers(graph.state, states.now)
    return Program(
        bool(cohort.applied),
        states.now,
        steps,
        tuple(_completed_squashes(graph, done)),
        target,
        target.without(rows.expected_rows(graph.state)),
        pre_migrate_state=before,
        post_migrate_state=after,
        weight=states.rendering.models,
        nodes=graph.disk_migrations,
    )


def _step(key: Key, migration: Migration, states: States) -> Step:
    return Step(key, migration, tuple(_actions(migration, states)), _records(migration))


def _states_for_receivers(
    before: ProjectState, after: ProjectState
) -> tuple[SeparateState | None, SeparateState | None]:
    """The states that receivers of pre_migrate and of post_migrate are shown; None where there are none."""
    return (
        SeparateState(before) if receivers.are_listening(pre_migrate) else None,
        receivers.post_migrate_state(after) if receivers.are_listening(post_migrate) else None,
    )


def _records(migration: Migration) -> tuple[Key, ...]:
    """The records of a migration; a squashed one is recorded as those that it replaces."""
    own = (migration.app_label, migration.name)
    replaced = tuple((app, name) for app, name in migration.replaces)
    return (*replaced, own) if _RECORDS_SQUASH_AT_ONCE or not replaced else replaced


def _completed_squashes(graph: Graph, done: set[Key]) -> Iterator[Key]:
    """The squashed migrations that Django's check_replacements would record at the end of migrate."""
    for key, migration in graph.replacements.items():
        if key not in done and done.issuperset(migration.replaces):
            done.add(key)
            yield key


def _actions(migration: Migration, states: States) -> Iterator[Action | Rename | CustomApply]:
    app = migration.app_label
    if applies_itself(migration):
        yield CustomApply(states.advance_migration(migration))
    for operation in migration.operations:
        if isinstance(operation, RenameContentType):
            continue  # added by Django's receiver, earlier in this process; Rename takes its place
        if not applies_itself(migration):
            yield from _flattened(operation, app, states)
        if isinstance(operation, operations.RenameModel) and _CONTENT_TYPE in states.now.models:
            yield Rename(app, operation.old_name, operation.new_name)


def _flattened(operation: Operation, app: str, states: States) -> Iterator[Action]:
    """The operation, or the database operations of a SeparateDatabaseAndState, each with its states."""
    if type(operation) is not operations.SeparateDatabaseAndState:
        yield Action(operation, *states.advance(operation, app))
        return
    branch = states.branch()
    for part in operation.database_operations:
        yield from _flattened(part, app, branch)
    apply_to_state(operation, app, states.now)
