"""Which data migrations a repair does not run again, of those that may have filled what it makes anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db.migrations import RunSQL, operations
from django.db.migrations.migration import Migration
from django.db.migrations.state import ModelState, ProjectState

from railway_release.migrations.disk import Graph
from railway_release.migrations.operations import all_operations, database_operations, opaque
from railway_release.migrations.outcome import Key, dotted
from railway_release.naming import column_of_state, joining_tables, split_table, table_of_state
from railway_release.verification.findings import COLUMN_MISSING, GHOST, MASKED
from railway_release.verification.structure import Deviation

_MADE_EMPTY = {GHOST, MASKED, COLUMN_MISSING}


def not_restored(repaired: Sequence[Deviation]) -> tuple[str, ...]:
    """The recorded data migrations of the same app that ran after what is made anew had been made."""
    made = [one for one in repaired if one.difference.id in _MADE_EMPTY]
    if not made:
        return ()
    cohort = made[0].plan.cohort
    graph = cohort.graph
    applied = [key for key in graph.in_order() if key in cohort.applied]
    found = {key for one in made for key in _later(one, [key for key in applied if key[0] == one.app], graph)}
    return tuple(dotted(key) for key in applied if key in found)


def _later(one: Deviation, of_app: Sequence[Key], graph: Graph) -> Iterator[Key]:
    table = one.difference.table
    start = _made_at(one, of_app, graph)
    yield from (key for key in of_app[start:] if _may_fill(graph.graph.nodes[key], table))


def _may_fill(migration: Migration, table: str) -> bool:
    """Whether it has code of the user's, or SQL that names the table."""
    texts = [str(one.sql) for one in database_operations(migration) if isinstance(one, RunSQL)]
    has_code = any(name != "RunSQL" for name in opaque(migration))
    return has_code or any(table in text for text in texts)


def _made_at(one: Deviation, of_app: Sequence[Key], graph: Graph) -> int:
    """The number of the migration that made the table or the column; 0 if none of the app's did."""
    model, field = _names(one, graph.state)
    for number in reversed(range(len(of_app))):
        for operation in reversed([*all_operations(graph.graph.nodes[of_app[number]])]):
            match operation:
                case operations.RenameModel(new_name_lower=new, old_name_lower=old) if new == model:
                    model = old
                case operations.RenameField(new_name=new, old_name=old, model_name_lower=of) if (of, new) == (
                    model,
                    field,
                ):
                    field = old
                case operations.AddField(name=name, model_name_lower=of) if (of, name) == (model, field):
                    return number
                case operations.CreateModel(name_lower=name) if name == model:
                    return number
    return 0


def _names(one: Deviation, state: ProjectState) -> tuple[str, str]:
    """The names of the model and of its field, in the state of the schema; the field is empty for a table."""
    table, column = one.difference.table, one.difference.object.removeprefix(f"{one.difference.table}.")
    for model in state.models.values():
        if table == table_of_state(model):
            return model.name_lower, _field(model, column) if one.difference.id == COLUMN_MISSING else ""
        for field, joining in joining_tables(model):
            if table == split_table(joining)[1]:
                return model.name_lower, field
    return "", ""


def _field(model: ModelState, column: str) -> str:
    columns = ((name, column_of_state(name, field)) for name, field in model.fields.items())
    return next((name for name, its in columns if its == column), "")
