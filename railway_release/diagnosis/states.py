"""Names that migrations give: tables and columns as the server has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.backends.utils import truncate_name
from django.db.migrations import operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState

from railway_release.postgres.session import clip

_NAME_LENGTH = 63


def table_of_state(model: ModelState) -> str:
    """The table of a historical model."""
    named = model.options.get("db_table")
    whole = str(named or truncate_name(f"{model.app_label}_{model.name.lower()}", _NAME_LENGTH))
    return clip(whole.strip('"').rpartition('"."')[2])


def column_of(name: str, field: Any) -> str:
    """The column of a field of a historical model, which does not know its own name."""
    return clip(field.db_column or (f"{name}_id" if field.remote_field else name))


def joining_table(table: str, name: str, field: Any) -> str:
    """The table of a many-to-many field without a model of its own."""
    return clip(field.db_table or truncate_name(f"{table}_{name}", _NAME_LENGTH))


def flat(listed: Iterable[Operation]) -> Iterator[Operation]:
    """The operations, with those that SeparateDatabaseAndState wraps."""
    for one in listed:
        if isinstance(one, operations.SeparateDatabaseAndState):
            yield from flat([*one.database_operations, *one.state_operations])
        else:
            yield one
