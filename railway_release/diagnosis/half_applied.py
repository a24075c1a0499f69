"""Pending migrations of which something exists already: cut off, or applied and not recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
from railway_release.migrations.outcome import MOST_MIGRATIONS, Key, in_words
from railway_release.migrations.own_sql import relations_made
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
from railway_release.runtime.program import PROGRAM
from railway_release.runtime.text import schema_flag, schemas_in_words, some
from railway_release.topology import Schema, tenant_connection
from railway_release.verification.expected import has_table

_MOST_GROUPS = 5
HALF_APPLIED, UNRECORDED = "migration.half_applied", "migration.unrecorded"


@dataclass(frozen=True)
class Made:
    """A table, column, index or constraint that an operation makes; the model decides which schemas get it.

    What SQL makes has only a name: it may be a view, too.
    """

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


Begun = tuple[Key, tuple[Made, ...]]  # a migration, and what of it is there


def causes(context: DiagnosisContext) -> Iterator[Cause]:
    """Causes for pending migrations of which something exists already: one for all schemas that are alike."""
    by_schema: dict[tuple[str, str], tuple[Begun, ...]] = {}
    for one, step, id, found in begun(context):
        at = id, one.schema.name
        by_schema[at] = (*by_schema.get(at, ()), (step.key, (*found,)))
    groups: dict[tuple[str, tuple[Begun, ...]], list[str]] = {}
    for (id, schema), steps in by_schema.items():
        groups.setdefault((id, steps), []).append(schema)
    for id in dict.fromkeys(id for id, _ in groups):
        alike = sorted((one for one in groups if one[0] == id), key=lambda one: -len(groups[one]))
        yield from (_one_group(id, one[1], groups[one]) for one in alike[:_MOST_GROUPS])
        if rest := alike[_MOST_GROUPS:]:
            yield _the_rest(
                id,
                [key for _, steps in rest for key, _ in steps],
                [name for one in rest for name in groups[one]],
            )


def _one_group(id: str, steps: tuple[Begun, ...], schemas: Sequence[str]) -> Cause:
    keys, found = tuple(key for key, _ in steps), [str(one) for _, made in steps for one in made]
    pending = f"{in_words(keys)} {'is' if len(keys) == 1 else 'are'} pending in {schemas_in_words(schemas)}"
    seen = f"{pending}, and there already: {some(found, 3)}"
    if len(keys) > MOST_MIGRATIONS:
        seen += f"; `{PROGRAM} plan --all {schema_flag(schemas[0])}` names all that are pending"
    return cause(id, seen, commands.repair(schemas), schemas)


def _the_rest(id: str, keys: Iterable[Key], schemas: Sequence[str]) -> Cause:
    some_keys = in_words(tuple(dict.fromkeys(keys)))
    seen = (
        f"others of {some_keys} are pending in {schemas_in_words(schemas)}, and their work is there already"
    )
    return cause(id, seen, commands.repair(schemas), schemas)


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
    old = {each for model in before.models.values() for each in _held(model)}
    nodes = ((key, graph.graph.nodes[key]) for key in cohort.to_apply if key in graph.graph.nodes)
    steps = (Step(key, one, (*made_by(one, after), *_made_by_sql(one))) for key, one in nodes)
    # What is to be removed or renamed first, and made anew, is there rightly.
    return [one for one in steps if one.makes and old.isdisjoint((m.table, m.name) for m in one.makes)]


def _held(model: ModelState) -> Iterator[tuple[str, str]]:
    """Table and name of all that a model has, as of what is made."""
    table = table_of_state(model)
    yield table, ""
    yield from ((table, column_of_state(name, field)) for name, field in model.fields.items())
    yield from ((table, clip(name)) for name in _names_of(model))


def _names_of(model: ModelState) -> set[str]:
    """The names of its indexes and constraints."""
    options = model.options
    return {one.name for one in (*options.get("indexes", ()), *options.get("constraints", ()))}


def made_by(migration: Migration, after: ProjectState) -> Iterator[Made]:
    """What a migration makes, under the names that it has in the end."""
    for operation in all_operations(migration):
        model = after.models.get((migration.app_label, model_name(operation)))
        if model is not None and has_table(model) and _lasts(operation, model):
            yield from _of_operation(operation, model)


def _lasts(operation: Operation, model: ModelState) -> bool:
    """Whether the model has in the end what the operation makes: no later one removes or renames it."""
    match operation:
        case operations.AddField(name=name):
            return name in model.fields
        case operations.AddIndex(index=one) | operations.AddConstraint(constraint=one):
            return one.name in _names_of(model)
    return True


def _made_by_sql(migration: Migration) -> Iterator[Made]:
    return (Made(migration.app_label, "", "", name) for name in relations_made(migration))


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
        case operations.AddIndex(index=one) | operations.AddConstraint(constraint=one):
            yield Made(*place, clip(one.name))


def present(context: DiagnosisContext, asked: Iterable[Made]) -> frozenset[tuple[str, Made]]:
    """Which of these objects exist in which schema: one statement for relations, one for columns."""
    made = set(asked)
    if not made:
        return frozenset()
    named = locations.relations(
        context.connection, {one.name or one.table for one in made if not one.is_column}
    )
    constraints = locations.constraints(context.connection, {one.name for one in made if one.name})
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
            else (schema, one.name or one.table) in named or (schema, one.table, one.name) in constraints
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
    return UNRECORDED, [made for made in found if not made.name] or found


def belongs(made: Made, schema: Schema) -> bool:
    """Whether the routers let it be made in this schema."""
    connection = tenant_connection()
    connection.set_schema(schema.name, tenant_type=schema.type)
    return bool(router.allow_migrate(connection.alias, made.app, model_name=made.model or None))
