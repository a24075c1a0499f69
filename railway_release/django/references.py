"""References: which schemas hold rows that point at shared objects, asked of many schemas at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import ProgrammingError, transaction
from django.db.models import DO_NOTHING, Model
from django.db.models.deletion import get_candidate_relations_to_delete

from railway_release.django.collectors import Collected
from railway_release.django.layout import Layout, table
from railway_release.postgres import catalog
from railway_release.postgres.session import clip, fetch, literal, quote

# A statement locks every table and index that it reads, out of lock slots that all sessions share.
_BATCH = 50
_ONE = (
    "SELECT {literal} WHERE EXISTS ("
    "SELECT FROM {schema}.{table} WHERE {column} = ANY((SELECT ids FROM wanted)::{array}))"
)


@dataclass(frozen=True)
class Reference:
    """A column that points at shared objects, and the values it has where it does."""

    target: str  # the table that it points at
    table: str
    column: str
    type: str
    values: tuple[Any, ...]


def schemas_with_references(connection: Any, layout: Layout, shared: Collected) -> list[str]:
    """The tenants' schemas with a row that points at one of these objects, sorted."""
    found: set[str] = set()
    for reference in _references(connection, shared):
        asked = [
            schema
            for schema in layout.tenants
            if schema not in found
            and reference.table in layout.of(schema)
            and reference.target not in layout.of(schema)  # else it points at the tenant's own
        ]
        for start in range(0, len(asked), _BATCH):
            found.update(_holding(connection, asked[start : start + _BATCH], reference))
    return sorted(found)


def _references(connection: Any, shared: Collected) -> Iterator[Reference]:
    for model, objs in shared.items():
        if objs:
            yield from _foreign_keys(connection, model, list(objs))
            yield from _generic(connection, model, list(objs))


def _foreign_keys(connection: Any, model: type[Model], objs: Sequence[Model]) -> Iterator[Reference]:
    related: Any
    for related in get_candidate_relations_to_delete(model._meta):
        field = related.field
        if field.remote_field.on_delete is DO_NOTHING:
            continue
        # Of a key of several columns, the first finds every schema that matters, and perhaps some more.
        local, remote = field.related_fields[0]
        values = [getattr(obj, remote.attname) for obj in objs]
        yield _reference(connection, model, local, values)


def _generic(connection: Any, model: type[Model], objs: Sequence[Model]) -> Iterator[Reference]:
    """Generic relations; their content types differ between schemas and are left to the collector."""
    for field in model._meta.private_fields:
        if hasattr(field, "bulk_related_objects"):
            local = field.remote_field.model._meta.get_field(field.object_id_field_name)
            yield _reference(connection, model, local, [obj.pk for obj in objs])


def _reference(connection: Any, target: type[Model], local: Any, values: Sequence[Any]) -> Reference:
    return Reference(
        target=table(target),
        table=table(local.model),
        column=clip(local.column),
        type=local.db_type(connection),
        values=tuple(
            local.get_db_prep_value(value, connection, prepared=False)
            for value in values
            if value is not None
        ),
    )


def _holding(connection: Any, schemas: Sequence[str], reference: Reference) -> list[str]:
    """Which of these schemas hold such a row.

    Rolled back to a savepoint, which gives the lock slots back before the next batch takes its own.
    """
    if not (schemas and reference.values):
        return []
    try:
        with transaction.atomic(using=connection.alias):
            rows = fetch(connection, _statement(schemas, reference), [list(reference.values)])
            transaction.set_rollback(True, using=connection.alias)
    except ProgrammingError:
        tables = catalog.tables(connection, [reference.table])
        left = [schema for schema in schemas if schema in tables]
        if len(left) == len(schemas):
            raise
        return _holding(connection, left, reference)  # the others were dropped meanwhile
    return [schema for (schema,) in rows]


def _statement(schemas: Sequence[str], reference: Reference) -> str:
    array = f"{reference.type}[]"
    names = {"table": quote(reference.table), "column": quote(reference.column), "array": array}
    parts = (_ONE.format(literal=literal(one), schema=quote(one), **names) for one in schemas)
    # The one "%" that is a placeholder stands first; names may hold others.
    union = " UNION ALL ".join(parts).replace("%", "%%")
    return f"WITH wanted AS MATERIALIZED (SELECT %s::{array} AS ids) {union}"
