"""Pending migrations of which something exists already: cut off, or applied and not recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import router
from django.db.migrations import operations
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState

from railway_release.diagnosis import commands
from railway_release.diagnosis.causes import Cause, cause
from railway_release.diagnosis.context import DiagnosisContext
from railway_release.migrations.operations import all_operations, model_name
from railway_release.migrations.outcome import Key, dotted
from railway_release.migrations.plan import Cohort, SchemaPlan
from railway_release.naming import (
    column_of_state,
    joining_table,
    joins_by_itself,
    split_table,
    table_of_state,
)
from railway_release.postgres import catalog, locations
from railway_release.postgres.session import clip
from railway_release.runtime.text import schemas_in_words, some
from railway_release.topology import Schema, tenant_connection

HALF_APPLIED, UNRECORDED = "migration.half_applied", "migration.unrecorded"


@dataclass(frozen=True)
class Made:
    """A table, column or index that an operation makes; the model decides which schemas get it."""

    app: str
    model: str
    table: str
    name: str = ""  # of the column or index; empty for the table itself
    is_column: bool = False

    def __str__(self) -> str:
        return f"{self.table}.{self.name}" if self.is_column else self.name or self.table


@dataclass(frozen=True)
class Step:
    """A pending migration and all that it makes, as far as its operations tell."""

    key: Key
    migration: Migration
    makes: tuple[Made, ...]

    @property
    def name(self) -> str:
        """``app.migration``."""
        return dotted(self.key)


def causes(context: DiagnosisContext) -> Iterator[Cause]:
    """A cause for each pending migration of which something exists already."""
    groups: dict[tuple[str, str], tuple[list[str], list[Made]]] = {}
    for one, step, id, found in begun(context):
        groups.setdefault((id, step.name), ([], found))[0].append(one.schema.name)
    for (id, step_name), (schemas, found) in groups.items():
        seen = f"{step_name} is pending in {schemas_in_words(schemas)}, and there already: "
        words = seen + some([str(made) for made in found], 3)
        yield cause(id, words, commands.repair(schemas), schemas)


def begun(context: DiagnosisContext) -> Iterator[tuple[SchemaPlan, Step, str, list[Made]]]:
    """Schema, migration, id of the cause and evidence, for each pending migration that exists in part."""
    pending = [one for one in context.schemas if one.pending]  # records with a gap are no state of the models
    steps = {cohort: _steps(context, cohort) for cohort in {one.cohort for one in pending}}
    there = present(context, [made for some in steps.values() for step in some for made in step.makes])
    for one in pending:
        for step in steps[one.cohort]:
            if judged := _judged(one, step, there):
                yield one, step, *judged


def _steps(context: DiagnosisContext, cohort: Cohort) -> list[Step]:
    graph = cohort.graph
    before, after = graph.state, context.plan.graph.last_state
    old = {table_of_state(model) for model in before.models.values()}
    nodes = ((key, graph.graph.nodes[key]) for key in cohort.to_apply if key in graph.graph.nodes)
    steps = (Step(key, one, tuple(made_by(one, after))) for key, one in nodes)
    # A table that is to be removed or renamed first, and made anew, is there rightly.
    return [one for one in steps if one.makes and not any(not m.name and m.table in old for m in one.makes)]


def made_by(migration: Migration, after: ProjectState) -> Iterator[Made]:
    """What a migration makes, under the names that it has in the end."""
    for operation in all_operations(migration):
        model = after.models.get((migration.app_label, model_name(operation)))
        if model is not None:
            yield from _of_operation(operation, model)


def _of_operation(operation: Operation, model: ModelState) -> Iterator[Made]:
    place = (model.app_label, model.name_lower, table_of_state(model))
    match operation:
        case operations.CreateModel():
            yield Made(*place)
        case operations.AddField(name=name, field=field) if not field.many_to_many:
            yield Made(*place, column_of_state(name, field), is_column=True)
        case operations.AddField(name=name, field=field) if joins_by_itself(field):
            _, table = split_table(joining_table(model, name, field))
            yield Made(model.app_label, model.name_lower, table)
        case operations.AddIndex(index=index):
            yield Made(*place, clip(index.name))


def present(context: DiagnosisContext, asked: Iterable[Made]) -> frozenset[tuple[str, Made]]:
    """Which of these objects exist in which schema: one statement for relations, one for columns."""
    made = set(asked)
    if not made:
        return frozenset()
    named = locations.relations(
        context.connection, {one.name or one.table for one in made if not one.is_column}
    )
    columns = [one for one in made if one.is_column]
    held = catalog.columns(context.connection, {one.table for one in columns}, {one.name for one in columns})
    schemas = {one.schema.name for one in context.schemas}
    return frozenset(
        (schema, one)
        for one in made
        for schema in schemas
        if (
            (schema, one.table, one.name) in held
            if one.is_column
            else (schema, one.name or one.table) in named
        )
    )


def _judged(one: SchemaPlan, step: Step, there: frozenset[tuple[str, Made]]) -> tuple[str, list[Made]] | None:
    """The id of the cause, and the evidence."""
    makes = [made for made in step.makes if belongs(made, one.schema)]
    found = [made for made in makes if (one.schema.name, made) in there]
    if not found:
        return None
    if not step.migration.atomic:
        return HALF_APPLIED, found
    tables = [made for made in makes if not made.name]
    return (UNRECORDED, tables or makes) if set(tables or makes) <= set(found) else None


def belongs(made: Made, schema: Schema) -> bool:
    """Whether the routers let it be made in this schema."""
    connection = tenant_connection()
    connection.set_schema(schema.name, tenant_type=schema.type)
    return bool(router.allow_migrate(connection.alias, made.app, model_name=made.model))
