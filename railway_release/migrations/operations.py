"""The operations of migrations: those that change the database, and those whose work cannot be proven."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.migrations import RunPython, RunSQL, SeparateDatabaseAndState
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation

from railway_release.migrations.disk import applies_itself

_DJANGO = ("django.db.migrations.operations.", "django.contrib.postgres.operations")


def database_operations(migration: Migration) -> Iterator[Operation]:
    """The operations that change the database: SeparateDatabaseAndState is replaced by those inside it."""
    return _one_by_one(migration.operations, with_state=False)


def all_operations(migration: Migration) -> Iterator[Operation]:
    """The operations that change the database, the state or both, one by one."""
    return _one_by_one(migration.operations, with_state=True)


def _one_by_one(operations: Iterable[Operation], *, with_state: bool) -> Iterator[Operation]:
    for one in operations:
        if isinstance(one, SeparateDatabaseAndState):
            inside = [*one.database_operations, *(one.state_operations if with_state else ())]
            yield from _one_by_one(inside, with_state=with_state)
        else:
            yield one


def model_name(operation: Any) -> str:
    """The name of the model that an operation is about, in lower case; empty if it is about none."""
    return str(getattr(operation, "model_name", None) or getattr(operation, "name", None) or "").lower()


def opaque(migration: Migration) -> list[str]:
    """The classes of the operations whose work no table shows, in order: data, SQL, and code of others.

    ``apply`` comes first if the migration overrides that.
    """
    own = ["apply"] if applies_itself(migration) else []
    return [*own, *(type(one).__name__ for one in database_operations(migration) if is_opaque(one))]


def is_opaque(one: Operation) -> bool:
    """Whether no table shows what it has done."""
    if isinstance(one, RunPython):
        return one.code is not RunPython.noop
    if isinstance(one, RunSQL):
        return one.sql != RunSQL.noop
    return not type(one).__module__.startswith(_DJANGO)
