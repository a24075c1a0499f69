"""Foreign keys that no migration can make: the table that they point to is only in other schemas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Field, Model

from railway_release.naming import table_of
from railway_release.postgres import catalog
from railway_release.postgres.session import Connection, clip
from railway_release.preflight.routing import (
    belongs,
    has_table,
    shared_kind,
    shared_setting,
    tenant_kinds,
    tenants_setting,
)
from railway_release.topology import Schema, search_path


@dataclass(frozen=True)
class UnreachableKey:
    """A foreign key of a table of one kind of schemas, to one that neither they nor the shared one have."""

    model: type[Model]
    field: Field[Any, Any]
    target: type[Model]
    home: Schema  # stands for the kind

    @property
    def in_words(self) -> str:
        """``admin.LogEntry.user (in SHARED_APPS) points to users.User, of which only tenants have …``."""
        setting = _setting(self.home)
        own = f"{self.model._meta.label}.{self.field.name} (in {setting})"
        others = [_setting(kind) for kind in tenant_kinds() if belongs(self.target, kind)]
        where = (
            f"of which only tenants have a table ({', '.join(others)})" if others else "which no schema has"
        )
        return f"{own} points to {self.target._meta.label}, {where}"

    @property
    def ways_out(self) -> str:
        """The two changes of settings of which each is enough."""
        own, target = (one._meta.app_config.name for one in (self.model, self.target))
        first = f"add {target!r} to {shared_setting()}"
        if self.home.role == "shared" and any(belongs(self.model, kind) for kind in tenant_kinds()):
            return f"{first}; or take {own!r} out of {shared_setting()}, so that only tenants have it"
        if self.home.role == "shared":
            return f"{first}; or move {own!r} from {shared_setting()} to {tenants_setting()}"
        return f"{first}, or to {_setting(self.home)}; or take {own!r} out of {_setting(self.home)}"


def unreachable() -> list[UnreachableKey]:
    """All of them, as settings and models say; nothing is sent to the server."""
    return [key for home in (shared_kind(), *tenant_kinds()) for key in _within(home)]


def unmade(connection: Connection, keys: Iterable[UnreachableKey]) -> list[UnreachableKey]:
    """Those that are not there yet, and whose target the search path does not lead to either."""
    listed = list(keys)
    columns = catalog.columns(
        connection, {table_of(one.model) for one in listed}, {clip(one.field.column or "") for one in listed}
    )
    tables = catalog.tables(connection, {table_of(one.target) for one in listed}) if listed else {}
    there = {(schema == shared_kind().name, table, column) for schema, table, column in columns}
    reached = {table for schema in search_path() for table in tables.get(schema, ())}
    return [
        one
        for one in listed
        if (one.home.role == "shared", table_of(one.model), clip(one.field.column or "")) not in there
        and table_of(one.target) not in reached
    ]


def _within(home: Schema) -> Iterator[UnreachableKey]:
    shared = shared_kind()
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.local_concrete_fields if belongs(model, home) else ():
            if field.remote_field is None or not getattr(field, "db_constraint", False):
                continue
            target: Any = field.remote_field.model._meta.concrete_model
            if has_table(target) and not (belongs(target, home) or belongs(target, shared)):
                yield UnreachableKey(model, field, target, home)


def _setting(home: Schema) -> str:
    return shared_setting() if home.role == "shared" else tenants_setting(home.type)
