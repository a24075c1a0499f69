"""Compile: for one cohort, each pending operation with what it looks at, rendered once.

`migrate` renders the models anew for every tenant; here every tenant shares them. What follows from that:

- AddField and AlterField lend their field a one-off default while they work, which an error leaves there.
  Whoever comes next to that operation lends it anew, so nobody sees it; but threads would.
- SeparateDatabaseAndState and RenameModel's content types are taken apart here, not for every tenant.
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
from railway_release.migrations.disk import Graph, applies_itself, forward
from railway_release.migrations.outcome import Key
from railway_release.migrations.plan import Cohort
from railway_release.migrations.rendering import Rendering
from railway_release.migrations.rows import Rows
from railway_release.migrations.shown import Alone
from railway_release.runtime.counting import Clock, counted

_CONTENT_TYPE = ("contenttypes", "contenttype")
# Django 6.1 records a squashed migration beside those that it replaces at once, before that at the end.
_RECORDS_SQUASH_AT_ONCE = "app_label" in inspect.signature(MigrationExecutor.record_migration).parameters


@dataclass(frozen=True)
class Action:
    """One operation; `before` and `after` hold what it looks at, rendered, and are never changed."""

    operation: Operation
    before: ProjectState
    after: ProjectState

    @property
    def plain(self) -> bool:
        """Whether its statements can wait to be sent together: nobody's own code runs in between."""
        return is_plain(self.operation)

    @property
    def sets_custom_option(self) -> bool:
        """Whether it is SQL that may give a value to a setting with a dot in its name."""
        return sql.sets_custom_option(sql.text_of(self.operation))

    @property
    def is_sql(self) -> bool:
        """Whether it is the user's own SQL."""
        return type(self.operation) is operations.RunSQL

    @property
    def ends_transaction(self) -> bool:
        """Whether it is SQL that may end the migration's transaction."""
        return self.is_sql and sql.ends_transaction(sql.text_of(self.operation))

    @property
    def changes_shared_objects(self) -> bool:
        """Whether it changes what does not belong to one schema alone, as far as its SQL tells."""
        return sql.changes_shared_objects(self.operation, get_public_schema_name())


@dataclass(frozen=True)
class CustomApply:
    """A migration whose class overrides what Django calls to apply it; `before` is rendered."""

    before: ProjectState  # to be copied, since the migration changes it


@dataclass(frozen=True)
class Rename:
    """A renamed model's content type takes the new name; and its permissions, where Django does that."""

    app: str
    old: str  # as written in the migration
    new: str


@dataclass(frozen=True)
class Step:
    """One migration."""

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
        """Whether it is known only afterwards what was sent."""
        return any(
            isinstance(one, CustomApply) or (isinstance(one, Action) and not one.plain)
            for one in self.actions
        )

    @cached_property
    def runs_sql(self) -> bool:
        """Whether SQL of the user's own is part of it."""
        return any(one.is_sql for one in self._operations)

    @cached_property
    def exclusive(self) -> bool:
        """Whether it runs in one schema at a time, since it changes what is everybody's."""
        return any(one.changes_shared_objects for one in self._operations)

    @cached_property
    def sets_custom_option(self) -> bool:
        """Whether the session's state cannot be told: settings of the user's own are in no catalog."""
        return any(one.is_sql and one.sets_custom_option for one in self._operations)

    @cached_property
    def _operations(self) -> tuple[Action, ...]:
        return tuple(one for one in self.actions if isinstance(one, Action))


@dataclass(frozen=True)
class Program:
    """What to do in every schema of a cohort."""

    recorded: bool  # whether the schemas have records already
    after: ProjectState  # not rendered
    steps: tuple[Step, ...]
    records: tuple[Key, ...]  # squashed migrations that are complete in the end
    rows: Rows
    new_rows: Rows  # of these, what the steps add
    renames: tuple[Rename, ...]
    first: Alone | None  # what pre_migrate shows to receivers, if there are any
    final: Alone | None  # the same for post_migrate
    weight: int  # models that were rendered
    nodes: Mapping[Key, Migration]  # all that are on disk

    @property
    def migrations(self) -> list[Migration]:
        """Those of the steps."""
        return [step.migration for step in self.steps]

    @cached_property
    def may_change_session(self) -> bool:
        """Whether the user's own SQL or code may leave the session in another state than it was in."""
        return any(step.runs_sql or step.runs_code for step in self.steps)

    @cached_property
    def runs_code(self) -> bool:
        """Whether it is known only afterwards what was sent."""
        return any(step.runs_code for step in self.steps)

    @cached_property
    def sets_custom_option(self) -> bool:
        """Whether the session's state cannot be told."""
        return any(step.sets_custom_option for step in self.steps)


def compiled(graph: Graph, cohort: Cohort, clock: Clock | None = None) -> Program:
    """The program that brings a schema with the records of this graph to the cohort's target."""
    states = States(graph.state, Rendering(graph.unmigrated_apps))
    keys = counted(cohort.to_apply, "plans.counted", "migrations prepared", clock)
    steps = [_step(key, graph.graph.nodes[key], states) for key in keys]
    done = {*cohort.applied, *(key for step in steps for key in step.records)}
    target = rows.expected(states.now)
    return Program(
        bool(cohort.applied),
        states.now,
        tuple(steps),
        tuple(_completed_squashes(graph, done)),
        target,
        target.beyond(rows.expected(graph.state)),
        renames=tuple(one for step in steps for one in step.actions if isinstance(one, Rename)),
        first=Alone(graph.state) if receivers.are_listening(pre_migrate) else None,
        final=receivers.final(states.now) if receivers.are_listening(post_migrate) else None,
        weight=states.rendering.models,
        nodes=graph.disk_migrations,
    )


def _step(key: Key, migration: Migration, states: States) -> Step:
    return Step(key, migration, tuple(_actions(migration, states)), _records(migration))


def _records(migration: Migration) -> tuple[Key, ...]:
    """A squashed migration is recorded as those that it replaces."""
    own = (migration.app_label, migration.name)
    replaced = tuple((app, name) for app, name in migration.replaces)
    return (*replaced, own) if _RECORDS_SQUASH_AT_ONCE or not replaced else replaced


def _completed_squashes(graph: Graph, done: set[Key]) -> Iterator[Key]:
    """As Django's check_replacements, which runs at the end of every migrate."""
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
            continue  # put there by Django's own receiver, earlier in this process; Rename is ours
        if not applies_itself(migration):
            yield from _flattened(operation, app, states)
        if isinstance(operation, operations.RenameModel) and _CONTENT_TYPE in states.now.models:
            yield Rename(app, operation.old_name, operation.new_name)


def _flattened(operation: Operation, app: str, states: States) -> Iterator[Action]:
    """The operation, or what it consists of, each part with states of its own."""
    if type(operation) is not operations.SeparateDatabaseAndState:
        yield Action(operation, *states.advance(operation, app))
        return
    branch = states.branch()
    for part in operation.database_operations:
        yield from _flattened(part, app, branch)
    forward(operation, app, states.now)
