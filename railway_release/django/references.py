"""Which schemas hold rows that point at shared objects, asked of many schemas at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import ProgrammingError
from django.db.models import DO_NOTHING, Model
from django.db.models.deletion import get_candidate_relations_to_delete

from railway_release.django.collectors import Collected
from railway_release.django.layout import Layout
from railway_release.django.savepoints import in_batches
from railway_release.naming import table_of
from railway_release.postgres import catalog, slots
from railway_release.postgres.session import clip, fetch, literal, quote
from railway_release.topology import TenantConnection

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
    key: str  # the target's column
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Column:
    """A column of one schema, and the shared table and column that it points at."""

    schema: str
    table: str
    column: str
    target: str
    key: str


@dataclass(frozen=True)
class References:
    """The schemas with rows that point at shared objects, and the columns in which there are none."""

    schemas: list[str]  # sorted
    unused: frozenset[Column]


def find_references(connection: TenantConnection, layout: Layout, shared: Collected) -> References:
    """The tenants' schemas with a row that points at one of these objects."""
    found: set[str] = set()
    unused: set[Column] = set()
    size = slots.read(connection).batch
    for one in _references(connection, shared):
        asked = [
            schema
            for schema in layout.tenants
            if schema not in found
            and one.table in layout.of(schema)
            and one.target not in layout.of(schema)  # else it points at the tenant's own
        ]
        found.update(_among(connection, size, asked, one))
        left = (schema for schema in asked if schema not in found)
        unused.update(Column(schema, one.table, one.column, one.target, one.key) for schema in left)
    return References(sorted(found), frozenset(unused))


def _references(connection: TenantConnection, shared: Collected) -> Iterator[Reference]:
    for model, objs in shared.items():
        if objs:
            yield from _foreign_keys(connection, model, list(objs))
            yield from _generic(connection, model, list(objs))


def _foreign_keys(
    connection: TenantConnection, model: type[Model], objs: Sequence[Model]
) -> Iterator[Reference]:
    related: Any
    for related in get_candidate_relations_to_delete(model._meta):
        field = related.field
        if field.remote_field.on_delete is DO_NOTHING:
            continue
        # Of a key of several columns, the first finds every schema that matters, and perhaps some more.
        local, remote = field.related_fields[0]
        values = [getattr(obj, remote.attname) for obj in objs]
        yield _reference(connection, model, local, str(remote.column), values)


def _generic(connection: TenantConnection, model: type[Model], objs: Sequence[Model]) -> Iterator[Reference]:
    """Generic relations; their content types differ between schemas and are left to the collector."""
    for field in model._meta.private_fields:
        if hasattr(field, "bulk_related_objects"):
            local = field.remote_field.model._meta.get_field(field.object_id_field_name)
            key = str(model._meta.pk.column)
            yield _reference(connection, model, local, key, [obj.pk for obj in objs])


def _reference(
    connection: TenantConnection, target: type[Model], local: Any, key: str, values: Sequence[Any]
) -> Reference:
    return Reference(
        target=table_of(target),
        table=table_of(local.model),
        column=clip(local.column),
        type=local.db_type(connection),
        key=clip(key),
        values=tuple(
            local.get_db_prep_value(value, connection, prepared=False)
            for value in values
            if value is not None
        ),
    )


def _among(
    connection: TenantConnection, size: int, schemas: Sequence[str], reference: Reference
) -> list[str]:
    """Which of these schemas hold such a row."""
    if not reference.values:
        return []
    try:
        return list(in_batches(connection, size, schemas, partial(_holding, connection, reference)))
    except ProgrammingError:
        tables = catalog.tables(connection, [reference.table])
        left = [schema for schema in schemas if schema in tables]
        if len(left) == len(schemas):
            raise
        return _among(connection, size, left, reference)  # the others were dropped meanwhile


def _holding(connection: TenantConnection, reference: Reference, schemas: Sequence[str]) -> list[str]:
    rows = fetch(connection, _statement(schemas, reference), [list(reference.values)])
    return [schema for (schema,) in rows]


def _statement(schemas: Sequence[str], reference: Reference) -> str:
    array = f"{reference.type}[]"
    names = {"table": quote(reference.table), "column": quote(reference.column), "array": array}
    parts = (_ONE.format(literal=literal(one), schema=quote(one), **names) for one in schemas)
    # The one "%" that is a placeholder stands first; names may hold others.
    union = " UNION ALL ".join(parts).replace("%", "%%")
    return f"WITH wanted AS MATERIALIZED (SELECT %s::{array} AS ids) {union}"
