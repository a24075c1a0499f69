"""Weights: how many locks a migration takes at least in one schema, computed from its operations.

Everything that a transaction creates or drops is locked until it ends: tables and indexes, and also
sequences, constraints and triggers. What is counted here is certain; a migration may take more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.migrations import operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from railway_release.migrations.operations import database_operations, model_name
from railway_release.migrations.outcome import Key
from railway_release.migrations.plan import Cohort
from railway_release.migrations.rows import is_swapped
from railway_release.naming import table_of_state
from railway_release.postgres.session import clip
from railway_release.topology import tenant_connection

# As pg_locks shows them on PostgreSQL 18; tests compare.
_TABLE = 7  # the table, its types, its primary key with an index, and what the key's values come from
_KEY = 2  # a foreign key and its index
_KEY_DROPPED = 6  # the key, its four triggers, and the table that it is on
_DROPS = re.compile(r"\bDROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?([^;]+)", re.IGNORECASE)

IsMigrated = Callable[[str, str, Operation], bool]  # app label, and name of the model in lower case


@dataclass(frozen=True)
class Weight:
    """The locks of one migration: for what it creates, and for the foreign keys that it drops."""

    step: Key
    created: int
    dropped: frozenset[str]  # tables whose incoming foreign keys are dropped, and perhaps created anew

    def locks(self, keys: Mapping[str, int]) -> int:
        """How many locks it takes, if `keys` has the number of foreign keys that point at each table."""
        return self.created + sum(_KEY_DROPPED * keys.get(table, 0) for table in self.dropped)


def weights(cohort: Cohort, is_migrated: IsMigrated) -> list[Weight]:
    """One for each pending atomic migration, of the operations that `is_migrated` in the schema."""
    found, graph = [], cohort.graph
    for key in cohort.steps:
        migration = graph.graph.nodes[key]
        if migration.atomic:
            every = database_operations(migration)
            migrated = [one for one in every if is_migrated(key[0], model_name(one), one)]
            created = sum(_created(one, key[0]) for one in migrated)
            found.append(Weight(key, created, frozenset(_dropped(migrated, key[0], graph.state))))
    return found


def _created(operation: Operation, app: str) -> int:
    if isinstance(operation, operations.CreateModel):
        options = operation.options
        if (
            not options.get("managed", True)
            or options.get("proxy")
            or is_swapped(app, operation.name, options)
        ):
            return 0
        fields = [field for _, field in operation.fields]
        more = len(options.get("indexes", ())) + len(options.get("unique_together", ()))
        return _TABLE + more + sum(map(_indexes, fields))
    if isinstance(operation, operations.AddField):
        return _indexes(operation.field)
    return int(isinstance(operation, operations.AddIndex))


def _indexes(field: Any) -> int:
    """The locks of a field's indexes and constraints, or of the table of a many-to-many relation."""
    if field.many_to_many:
        return 0 if field.remote_field.through else _TABLE + 2 * _KEY
    if field.primary_key:
        return 0
    return _KEY if field.remote_field and field.db_constraint else int(field.unique or field.db_index)


def _dropped(found: Iterable[Any], app: str, state: ProjectState) -> Iterator[str]:
    """The existing tables that are dropped, or get another type for a column that keys may point at."""
    for one in found:
        if isinstance(one, operations.RunSQL):
            yield from _dropped_in(str(one.sql))
            continue
        model = state.models.get((app, model_name(one)))
        if model and (isinstance(one, operations.DeleteModel) or _retypes(one, model.fields)):
            yield table_of_state(model)


def _dropped_in(sql: str) -> Iterator[str]:
    for match in _DROPS.finditer(sql):
        for words in map(str.split, match[1].split(",")):
            yield from (clip(name.rpartition(".")[2].strip('"')) for name in words[:1])


def _retypes(operation: Any, fields: Mapping[str, Any]) -> bool:
    old = fields.get(operation.name) if isinstance(operation, operations.AlterField) else None
    if old is None or not old.unique or old.remote_field or operation.field.remote_field:
        return False
    connection = tenant_connection()
    return bool(old.db_type(connection) != operation.field.db_type(connection))
