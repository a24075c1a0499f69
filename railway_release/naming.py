"""Tables and columns as PostgreSQL stores their names, for models and for the models of migration states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.backends.utils import split_identifier, strip_quotes, truncate_name
from django.db.migrations.state import ModelState
from django.db.models import Model

from railway_release.postgres.session import clip

_NAME_LENGTH = 63  # what Django's backend for PostgreSQL shortens names to


def split_table(db_table: str) -> tuple[str, str]:
    """Schema and table of a ``db_table``; the schema is empty unless the name has one.

    Django quotes a name unless it is quoted already, which is how '"other"."t"' reaches another schema.
    """
    schema, table = split_identifier(db_table)
    return schema, clip(table)


def table_of(model: type[Model]) -> str:
    """The table of a model, without the schema that ``db_table`` may name."""
    return split_table(model._meta.db_table)[1]


def table_of_state(model: ModelState) -> str:
    """The table of a model in a migration state, without the schema that ``db_table`` may name."""
    return split_table(db_table_of_state(model))[1]


def db_table_of_state(model: ModelState) -> str:
    """What ``db_table`` is in the model that a migration state makes of it."""
    named = model.options.get("db_table")
    return str(named or truncate_name(f"{model.app_label}_{model.name.lower()}", _NAME_LENGTH))


def column_of_state(name: str, field: Any) -> str:
    """The column of a field in a migration state, where a field does not know its own name."""
    return clip(field.db_column or (f"{name}_id" if field.remote_field else name))


def joining_tables(model: ModelState) -> Iterator[tuple[str, str]]:
    """Name and ``db_table`` of each many-to-many field of a migration state that has no model of its own."""
    for name, field in model.fields.items():
        if field.many_to_many and joins_by_itself(field):
            yield name, joining_table(model, name, field)


def joining_table(model: ModelState, name: str, field: Any) -> str:
    """What ``db_table`` is for a many-to-many field without a model of its own."""
    whole = f"{strip_quotes(db_table_of_state(model))}_{name}"
    return str(getattr(field, "db_table", None) or truncate_name(whole, _NAME_LENGTH))


def joins_by_itself(field: Any) -> bool:
    """Whether a many-to-many field has no model of its own for its table."""
    return getattr(field.remote_field, "through", None) is None


def is_nameable(name: str) -> bool:
    """Whether django-tenants takes the name for a schema: it raises ValidationError for others.

    What it forbids depends on its version.
    """
    # The module imports models, which exist only after django.setup().
    from django_tenants.postgresql_backend.base import is_valid_schema_name  # noqa: PLC0415

    return bool(is_valid_schema_name(name))
