"""Deleting from the shared schema: Django's collector asks there for tables that only tenants have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from django.apps import apps
from django.db.models import CASCADE, DO_NOTHING, Model, deletion

from railway_release.diagnosis import commands
from railway_release.diagnosis.causes import Cause, cause
from railway_release.diagnosis.context import DiagnosisContext
from railway_release.naming import table_of
from railway_release.postgres import catalog, foreign_keys, slots
from railway_release.preflight.routing import belongs, has_table
from railway_release.runtime.text import some
from railway_release.topology import Schema

# From Django 6.1 on, the database itself may follow a key.
_LEFT_ALONE = getattr(deletion, "SKIP_COLLECTION", frozenset({DO_NOTHING}))

Reaches = dict[type[Model], list[type[Model]]]  # a shared model to the tenants' models that its deletion asks


def reaches(shared: Schema, present: Collection[str] = ()) -> Reaches:
    """For each shared model, the tenants' models that its deletion asks for, but for the tables `present`.

    As django.db.models.deletion.Collector.collect goes through them, cascades included.
    """
    models = [one for one in apps.get_models(include_auto_created=True) if has_table(one)]
    at_home = {one for one in models if belongs(one, shared)}
    found = {one: list(_asked(one, at_home, present, {one})) for one in models if one in at_home}
    return {one: list(dict.fromkeys(asked)) for one, asked in found.items() if asked}


def causes(context: DiagnosisContext) -> Iterator[Cause]:
    """One cause if a deletion in the shared schema would ask for tables that are not there."""
    shared = context.plan.shared.schema
    tables = {table_of(one) for one in apps.get_models(include_auto_created=True)}
    found = reaches(shared, catalog.tables(context.connection, tables).get(shared.name, frozenset()))
    if found:
        seen = some([in_words(one, asked) for one, asked in found.items()])
        yield cause("deletion.shared", seen, commands.delete_everywhere())


def locks(context: DiagnosisContext) -> Iterator[Cause]:
    """Causes where there are too few lock slots to delete a shared row, or to drop a tenant's schema."""
    there, shared = slots.read(context.connection), context.plan.shared.schema.name
    checked = foreign_keys.most_checked(context.connection, shared)
    if checked and checked[1] > there.total:
        seen = f"deleting from {shared}.{checked[0]} locks {checked[1]} tables and indexes; {there}"
        yield cause("deletion.locks", seen, commands.set_locks(there.setting_for(checked[1])))
    dropped = slots.largest_drop(context.connection, [one.schema.name for one in context.plan.tenants])
    if dropped and dropped[1] > there.total:
        seen = f"dropping the schema {dropped[0]} locks {dropped[1]} objects; {there}"
        yield cause("tenant.locks", seen, commands.set_locks(there.setting_for(dropped[1])), [dropped[0]])


def in_words(shared: type[Model], asked: Iterable[type[Model]]) -> str:
    """``deleting users.User asks for buildings.BuildingMembership``."""
    return f"deleting {shared._meta.label} asks for {some([one._meta.label for one in asked], 3)}"


def _asked(
    model: type[Model], at_home: Collection[type[Model]], present: Collection[str], seen: set[type[Model]]
) -> Iterator[type[Model]]:
    for other, on_delete in _pointing_at(model):
        if on_delete in _LEFT_ALONE or other in seen:
            continue
        seen.add(other)
        if other not in at_home and table_of(other) not in present:
            yield other
        elif other in at_home and on_delete is CASCADE:
            yield from _asked(other, at_home, present, seen)


def _pointing_at(model: type[Model]) -> Iterator[tuple[Any, Any]]:
    """The models whose foreign keys point at this one, and their on_delete; hidden ones, too."""
    options: Any = model._meta
    for relation in options.get_fields(include_hidden=True):
        if relation.auto_created and not relation.concrete and (relation.one_to_one or relation.one_to_many):
            yield relation.related_model._meta.concrete_model, relation.on_delete
