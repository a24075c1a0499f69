"""Opaque operations: what they did cannot be proven from the tables, since it is data, or arbitrary code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.migrations import RunPython, RunSQL, SeparateDatabaseAndState
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation

from railway_release.migrations.disk import applies_itself

_DJANGO = ("django.db.migrations.operations.", "django.contrib.postgres.operations")


def opaque(migration: Migration) -> list[str]:
    """The class names of the opaque operations, in order; ``apply`` first if the migration overrides that."""
    own = ["apply"] if applies_itself(migration) else []
    return [*own, *(type(one).__name__ for one in flat(migration.operations) if _is_opaque(one))]


def flat(operations: Iterable[Operation]) -> Iterator[Operation]:
    """The operations that change the database: SeparateDatabaseAndState is replaced by those inside it."""
    for one in operations:
        if isinstance(one, SeparateDatabaseAndState):
            yield from flat(one.database_operations)
        else:
            yield one


def _is_opaque(one: Operation) -> bool:
    if isinstance(one, RunPython):
        return one.code is not RunPython.noop
    if isinstance(one, RunSQL):
        return one.sql != RunSQL.noop
    return not type(one).__module__.startswith(_DJANGO)
