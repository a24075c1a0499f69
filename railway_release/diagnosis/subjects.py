"""The model, and perhaps the field, that an error is about, and the migration that makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.migrations import operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Model

from railway_release.diagnosis.errortext import Missing
from railway_release.migrations.disk import Graph
from railway_release.migrations.operations import all_operations
from railway_release.migrations.outcome import dotted
from railway_release.naming import column_of_state, table_of, table_of_state
from railway_release.postgres.session import clip
from railway_release.runtime.program import PROGRAM


@dataclass(frozen=True)
class Subject:
    """A model of this code, and its column where the error names one."""

    model: type[Model]
    column: str = ""

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


def find(missing: Missing) -> list[Subject]:
    """The models of this code that the error may be about; none if it knows no such table or column."""
    models = list(apps.get_models(include_auto_created=True))
    if not missing.column:
        return [Subject(one) for one in models if table_of(one) in tables(missing)]
    holders = [one for one in models if table_of(one) in tables(missing)]
    # The server prints an alias where the query has one, and Django's are T3 or U0.
    return [
        Subject(one, clip(missing.column))
        for one in holders or models
        if clip(missing.column) in {clip(f.column) for f in one._meta.local_concrete_fields if f.column}
    ]


def all_tables() -> frozenset[str]:
    """The tables of all models of this code."""
    return frozenset(table_of(one) for one in apps.get_models(include_auto_created=True))


def schema_named(missing: Missing) -> str:
    """The schema that the error names, if it does."""
    whole, _, table = missing.table.rpartition(".")
    return whole if clip(table) in all_tables() else ""


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
    for key, migration in sorted(graph.disk_migrations.items()):
        if any(_removes(one, key[0], missing) for one in all_operations(migration)):
            return f"{dotted(key)} removes or renames it", "restart or redeploy what still runs older code"
        if any(_names(one, missing) for one in all_operations(migration)):
            return f"{dotted(key)} names it in SQL of its own", f"{PROGRAM} plan"
    return (
        "no migration on disk names it either",
        "look in the traceback for the query, and compare the deployed commit with this one",
    )


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


def _names(one: Operation, missing: Missing) -> bool:
    name = missing.column or missing.table.rpartition(".")[2]
    return isinstance(one, operations.RunSQL) and name in str(one.sql)
