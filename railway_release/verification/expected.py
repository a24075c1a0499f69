"""The names of the tables that a schema's recorded migrations, or the user, say it has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import router
from django.db.migrations.state import ModelState, ProjectState

from railway_release.migrations.rows import is_swapped
from railway_release.naming import db_table_of_state, joining_tables, split_table
from railway_release.postgres.session import clip
from railway_release.topology import tenant_connection


@dataclass(frozen=True)
class Table:
    """A table to expect, or one column of it. `schema` is empty for the schema that is being verified."""

    name: str
    app: str = ""
    schema: str = ""
    migrated: bool = True  # created by a migration, so that it is a ghost where it is missing
    column: str = ""

    def __str__(self) -> str:
        return ".".join(filter(None, (self.schema, self.name, self.column)))


def of_migrations(state: ProjectState, but: Collection[tuple[str, str]] = ()) -> Iterator[Table]:
    """The tables of all models that the routers allow on the connection as it is set now, but for some.

    The models are not rendered: a table's name and a router's answer need only what migrations declare.
    """
    for (app, name), model in sorted(state.models.items()):
        if (app, name) not in but and has_table(model) and _allowed(app, name):
            yield _table(db_table_of_state(model), app)
            for _, joining in joining_tables(model):
                yield _table(joining, app)


def of_unmigrated_apps(labels: Iterable[str]) -> Iterator[Table]:
    """The tables of apps without migrations, which only `migrate --run-syncdb` creates."""
    connection = tenant_connection()
    for label in sorted(labels):
        for model in apps.get_app_config(label).get_models(include_auto_created=True):
            if model._meta.can_migrate(connection) and router.allow_migrate_model(connection.alias, model):
                yield _table(model._meta.db_table, label, migrated=False)


def named_by_user(names: tuple[str, ...], schemas: Collection[str]) -> Iterator[Table]:
    """The user's own list: table, schema.table, table.column or schema.table.column."""
    for name in names:
        parts = [clip(part) for part in name.split(".")]
        schema = parts.pop(0) if parts[1:] and parts[0] in schemas else ""
        yield Table(parts[0], schema=schema, migrated=False, column=".".join(parts[1:]))


def _table(db_table: str, app: str, migrated: bool = True) -> Table:
    schema, table = split_table(db_table)
    return Table(table, app, schema, migrated)


def has_table(model: ModelState) -> bool:
    """Whether migrations create a table, as Options.can_migrate says of a rendered model."""
    options = model.options
    if options.get("abstract") or options.get("proxy") or not options.get("managed", True):
        return False
    if is_swapped(model.app_label, model.name, options):
        return False
    vendor = options.get("required_db_vendor", "postgresql")
    features = options.get("required_db_features", [])
    return vendor == "postgresql" and all(getattr(tenant_connection().features, f, False) for f in features)


def _allowed(app: str, name: str) -> bool:
    """What the routers say; as by allow_migrate_model, they are given the model where it still exists."""
    try:
        hints: dict[str, Any] = {"model": apps.get_model(app, name)}
    except LookupError:
        hints = {}
    return bool(router.allow_migrate(tenant_connection().alias, app, model_name=name, **hints))
