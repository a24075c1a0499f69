"""Compile: for one cohort, each pending operation with the states before and after it, rendered once.

`migrate` renders the models anew for every tenant; here every tenant shares them. What follows from that:

- An operation's states are never changed once they are made. Each state is a clone of the one before, and
  models are rendered into the clone's own registry. (Django goes on in the same registry, so a model would
  come to know relations of later migrations.)
- User code gets models that are rendered in full, since RunPython throws delayed ones away.
- AddField and AlterField lend their field a one-off default while they work, which an error leaves there.
  Whoever comes next to that operation lends it anew, so nobody sees it; but threads would.
- SeparateDatabaseAndState and RenameModel's content types are taken apart here, not for every tenant.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib.contenttypes.management import RenameContentType
from django.db.migrations import operations
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState, StateApps, get_related_models_tuples
from django.db.models.signals import post_migrate, pre_migrate

from railway_release.engines import receivers
from railway_release.migrations import rows
from railway_release.migrations.disk import Graph
from railway_release.migrations.outcome import Key
from railway_release.migrations.plan import Cohort
from railway_release.migrations.rows import Rows

# Operations that talk to the database only through the schema editor or Django's introspection.
_PLAIN_MODULES = {"django.db.migrations.operations.models", "django.db.migrations.operations.fields"}
_HIDDEN_SETTING = re.compile(r"\bset_config\b|\bset\s+(?:session\s+)?[\w\"]+\s*\.", re.IGNORECASE)
_CONTENT_TYPE = ("contenttypes", "contenttype")
# Django 6.1 records a squashed migration beside those that it replaces at once, before that at the end.
_RECORDS_SQUASH_AT_ONCE = "app_label" in inspect.signature(MigrationExecutor.record_migration).parameters


@dataclass(frozen=True)
class Action:
    """One operation; `before` and `after` are rendered and never changed."""

    operation: Operation
    before: ProjectState
    after: ProjectState

    @property
    def plain(self) -> bool:
        """Whether its statements can wait to be sent together: nobody's own code runs in between."""
        return _is_plain(self.operation)

    @property
    def sets_something_hidden(self) -> bool:
        """Whether it is SQL that may give a value to a setting with a dot in its name."""
        return bool(_HIDDEN_SETTING.search(str(getattr(self.operation, "sql", ""))))

    @property
    def is_sql(self) -> bool:
        """Whether it is the user's own SQL."""
        return type(self.operation) is operations.RunSQL


@dataclass(frozen=True)
class Rename:
    """A renamed model's content type takes the new name; and its permissions, where Django does that."""

    app: str
    old: str
    new: str


@dataclass(frozen=True)
class Step:
    """One migration."""

    key: Key
    migration: Migration
    actions: tuple[Action | Rename, ...]
    records: tuple[Key, ...]

    @property
    def atomic(self) -> bool:
        """Whether it and its record are one transaction."""
        return bool(self.migration.atomic)

    @property
    def plain(self) -> bool:
        """Whether it can be sent in one message."""
        return self.atomic and all(isinstance(one, Rename) or one.plain for one in self.actions)


@dataclass(frozen=True)
class Program:
    """What to do in every schema of a cohort."""

    recorded: bool  # whether the schemas have records already
    before: ProjectState
    after: ProjectState
    steps: tuple[Step, ...]
    records: tuple[Key, ...]  # squashed migrations that are complete in the end
    rows: Rows
    changes_rows: bool
    renames: tuple[Rename, ...]
    hears_before: bool  # whether anybody's receiver wants pre_migrate
    final_apps: StateApps | None  # what post_migrate shows to receivers, if there are any

    @property
    def migrations(self) -> list[Migration]:
        """Those of the steps."""
        return [step.migration for step in self.steps]

    @property
    def runs_sql(self) -> bool:
        """Whether the user's own SQL may leave the session in another state than it was in."""
        return any(one.is_sql for one in self._actions)

    @property
    def hides_its_traces(self) -> bool:
        """Whether the session's state cannot be told: settings of the user's own are in no catalog."""
        return any(not one.plain or (one.is_sql and one.sets_something_hidden) for one in self._actions)

    @property
    def _actions(self) -> Iterator[Action]:
        return (one for step in self.steps for one in step.actions if isinstance(one, Action))


def compiled(graph: Graph, cohort: Cohort) -> Program:
    """The program that brings a schema with the records of this graph to the cohort's target."""
    before = graph.state().clone()
    state = before.clone()
    steps = []
    for migration in _to_apply(graph, cohort):
        key = (migration.app_label, migration.name)
        _ = state.apps  # rendered here once, and handed down to all clones
        actions, state = _actions(migration, state)
        steps.append(Step(key, migration, actions, _records(migration)))
    done = {*cohort.applied, *(key for step in steps for key in step.records)}
    target = rows.expected(state)
    return Program(
        bool(cohort.applied),
        before,
        state,
        tuple(steps),
        tuple(_completed_squashes(graph, done)),
        target,
        changes_rows=bool(steps) and target != rows.expected(before),
        renames=tuple(one for step in steps for one in step.actions if isinstance(one, Rename)),
        hears_before=receivers.are_listening(pre_migrate) and bool(before.apps),
        final_apps=receivers.final_apps(state) if receivers.are_listening(post_migrate) else None,
    )


def _to_apply(graph: Graph, cohort: Cohort) -> Iterator[Migration]:
    recorded_only = set(graph.unrecorded_squashes())
    for key in cohort.steps:
        if key not in recorded_only:
            yield graph.graph.nodes[key]


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


def _actions(migration: Migration, state: ProjectState) -> tuple[tuple[Action | Rename, ...], ProjectState]:
    actions: list[Action | Rename] = []
    for operation in migration.operations:
        if isinstance(operation, RenameContentType):
            continue  # put there by Django's own receiver, earlier in this process; Rename is ours
        before = state
        if not _is_plain(operation):
            before = _in_full(state)
        state = _next(operation, migration.app_label, before)
        actions += _taken_apart(operation, migration.app_label, before, state)
        if isinstance(operation, operations.RenameModel) and _CONTENT_TYPE in state.models:
            actions.append(Rename(migration.app_label, operation.old_name_lower, operation.new_name_lower))
    return tuple(actions), state


def _taken_apart(
    operation: Operation, app: str, before: ProjectState, after: ProjectState
) -> Iterator[Action]:
    """The operation, or what it consists of, each part with states of its own."""
    if type(operation) is not operations.SeparateDatabaseAndState:
        yield Action(operation, before, after)
        return
    for part in operation.database_operations:
        after = _next(part, app, before)
        yield from _taken_apart(part, app, before, after)
        before = after


def _is_plain(operation: Operation) -> bool:
    if type(operation) is operations.SeparateDatabaseAndState:
        return all(_is_plain(part) for part in operation.database_operations)
    return type(operation).__module__ in _PLAIN_MODULES or type(operation) is operations.RunSQL


def _next(operation: Operation, app: str, before: ProjectState) -> ProjectState:
    """The state after the operation."""
    after = before.clone()
    operation.state_forwards(app, after)
    for key in before.models.keys() - after.models.keys():
        # Django leaves the neighbours of a deleted model as they are, since their registry changes with
        # it. Here theirs stays the old one, in which the deleted model still points to them.
        neighbours = get_related_models_tuples(before.apps.get_model(*key)) & after.models.keys()
        after.reload_models(list(neighbours))
    return after


def _in_full(state: ProjectState) -> ProjectState:
    """The same state with no model delayed; user code may follow any relation."""
    if not state.is_delayed:
        return state
    full = ProjectState(state.clone().models, state.real_apps)
    _ = full.apps
    return full
