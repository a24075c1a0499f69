"""The model, and perhaps the field, that an error is about, and the migration that makes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.apps import apps
from django.apps.registry import Apps
from django.db.migrations import operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import Model

from railway_release.diagnosis.errortext import Missing
from railway_release.migrations.disk import Graph, state_after
from railway_release.migrations.operations import all_operations
from railway_release.migrations.outcome import Key, dotted
from railway_release.migrations.own_sql import own_sql
from railway_release.naming import column_of_state, joining_tables, split_table, table_of, table_of_state
from railway_release.postgres.session import clip


@dataclass(frozen=True)
class Subject:
    """A model, and its column where the error names one."""

    model: type[Model]
    column: str = ""
    of_code: bool = True  # not of the migrations alone

    @property
    def table(self) -> str:
        """Its table, as the server has it."""
        return table_of(self.model)

    @property
    def kind(self) -> str:
        """``table`` or ``column``."""
        return "column" if self.column else "table"

    @property
    def in_words(self) -> str:
        """``buildings.Building (table buildings_building, column name)``."""
        column = f", column {self.column}" if self.column else ""
        return f"{self.model._meta.label} (table {self.table}{column})"

    def __str__(self) -> str:
        return f"{self.table}.{self.column}" if self.column else self.table

    @property
    def key(self) -> tuple[str, str, str]:
        """App, model and field as migrations name them: a joining table is its field's."""
        options: Any = self.model._meta
        if owner := options.auto_created:
            through = (f for f in owner._meta.local_many_to_many if f.remote_field.through is self.model)
            return options.app_label, owner._meta.model_name or "", next(field.name for field in through)
        names = (field.name for field in options.local_concrete_fields if clip(field.column) == self.column)
        return options.app_label, options.model_name or "", next(names, "")

    def is_in(self, state: ProjectState) -> bool:
        """Whether a schema with these models has it, under its name of today."""
        app, model, field = self.key
        found = state.models.get((app, model))
        if found is None or (field and field not in found.fields):
            return False
        if self.model._meta.auto_created:
            return True
        same_column = not self.column or column_of_state(field, found.fields[field]) == self.column
        return table_of_state(found) == self.table and same_column


def find(missing: Missing, graph: Graph) -> list[Subject]:
    """The models of this code that the error may be about, or else those that only migrations know."""
    if found := [*_of_models(missing, apps)]:
        return found
    if not _knows(graph.last_state, missing):
        return []
    rendered = graph.last_state.clone().apps
    return [replace(one, of_code=False) for one in _of_models(missing, rendered)]


def _of_models(missing: Missing, known: Apps) -> Iterator[Subject]:
    models = list(known.get_models(include_auto_created=True))
    holders = [one for one in models if table_of(one) in tables(missing)]
    if not missing.column:
        yield from map(Subject, holders)
        return
    # The server prints an alias where the query has one, and Django's are T3 or U0.
    for one in holders or models:
        if clip(missing.column) in {clip(f.column) for f in one._meta.local_concrete_fields if f.column}:
            yield Subject(one, clip(missing.column))


def all_tables() -> frozenset[str]:
    """The tables of all models of this code."""
    return frozenset(table_of(one) for one in apps.get_models(include_auto_created=True))


def schema_named(missing: Missing, graph: Graph) -> str:
    """The schema that the error names, if it does."""
    whole, _, table = missing.table.rpartition(".")
    known = clip(table) in all_tables() or _knows(graph.last_state, Missing(table))
    return whole if known else ""


def _knows(state: ProjectState, missing: Missing) -> bool:
    """Whether a model of the state has this table or column."""
    names = [name for model in state.models.values() for name in _names_of(model)]
    holders = [(table, column) for table, column in names if table in tables(missing)]
    # As above, what stands for the table may be an alias.
    asked = holders or (names if missing.column else ())
    return any(column == clip(missing.column) for _, column in asked)


def _names_of(model: ModelState) -> Iterator[tuple[str, str]]:
    """Each table and column of a model; of a table, with an empty column."""
    table = table_of_state(model)
    yield table, ""
    yield from ((clip(split_table(joining)[1]), "") for _, joining in joining_tables(model))
    for name, field in model.fields.items():
        if not field.many_to_many:
            yield table, column_of_state(name, field)


def made_by(subject: Subject, graph: Graph) -> str:
    """``app.migration``: the last one on disk that creates or renames it; empty if none is seen to."""
    app, model, field = subject.key
    makers = [
        dotted(migration_key)
        for migration_key, migration in sorted(graph.disk_migrations.items())
        if migration_key[0] == app and any(_makes(one, model, field) for one in all_operations(migration))
    ]
    return makers[-1] if makers else ""


def origin(missing: Missing, graph: Graph) -> tuple[str, str]:
    """Where a name comes from that no model has, as far as the migrations tell; and what to do."""
    swapped = (m for m in apps.get_models(include_swapped=True) if m._meta.swapped)
    if model := next((m for m in swapped if table_of(m) in tables(missing)), None):
        setting = f"{model._meta.label} is replaced by {model._meta.swapped}"
        return setting, f"correct the code that uses {model._meta.label} directly (get_user_model())"
    if key := _removed_by(missing, graph):
        return f"{dotted(key)} removes or renames it", "restart or redeploy what still runs older code"
    for key, migration in sorted(graph.disk_migrations.items()):
        if any(_removes(one, key[0], missing) for one in all_operations(migration)):
            return f"{dotted(key)} removes or renames it", "restart or redeploy what still runs older code"
    return (
        "no migration on disk names it either",
        "look in the traceback for the query, and compare the deployed commit with this one",
    )


def made_by_sql(missing: Missing, graph: Graph) -> Key | None:
    """The migration whose SQL, sent as it is, makes something of that name that none drops again."""
    name = re.escape(missing.column or missing.table.rpartition(".")[2])
    about = re.compile(rf"\b(CREATE|ADD|DROP)\b[^;]*(?<!\w){name}(?!\w)", re.IGNORECASE)
    found = None
    for key in graph.in_order():
        for one in own_sql(key, graph.graph.nodes[key]):
            for verb in about.findall(one.text or ""):
                found = None if verb.upper() == "DROP" else found or key
    return found


def _removed_by(missing: Missing, graph: Graph) -> Key | None:
    """The last migration after which no model has a table or column that one had before it."""
    found, state = None, ProjectState(real_apps=graph.unmigrated_apps)
    had = False
    for key in graph.in_order():
        state = state_after(graph.graph.nodes[key], state)
        has = _knows(state, missing)
        found, had = (key if had and not has else found), has
    return found


def tables(missing: Missing) -> set[str]:
    """The names that the missing table may have: a dot may follow a schema, or belong to the name."""
    return {clip(missing.table), clip(missing.table.rpartition(".")[2])} - {""}


def _makes(one: Operation, model: str, field: str) -> bool:
    match one:
        case operations.CreateModel(name_lower=name):
            return name == model and (not field or field in dict(one.fields))
        case operations.RenameModel(new_name_lower=name) | operations.AlterModelTable(name_lower=name):
            return name == model and not field
        case operations.AddField(model_name_lower=holder, name=name):
            return bool(field) and (holder, name) == (model, field)
        case operations.RenameField(model_name_lower=holder, new_name=name):
            return bool(field) and (holder, name) == (model, field)
    return False


def _removes(one: Operation, app: str, missing: Missing) -> bool:
    match one:
        case operations.DeleteModel(name_lower=name) | operations.RenameModel(old_name_lower=name):
            return not missing.column and f"{app}_{name}" in tables(missing)
        case (
            operations.RemoveField(model_name_lower=model, name=name)
            | operations.RenameField(model_name_lower=model, old_name=name)
        ):
            columns = {name, f"{name}_id"}
            return missing.column in columns and f"{app}_{model}" in tables(missing)
    return False
