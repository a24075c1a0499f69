"""Opaque: operations whose work no look at the tables can prove, since it is data, or anything at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.migrations import RunPython, RunSQL, SeparateDatabaseAndState
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation

_DJANGO = ("django.db.migrations.operations.", "django.contrib.postgres.operations")


def opaque(migration: Migration) -> list[str]:
    """Their names, in order."""
    return [type(one).__name__ for one in _flat(migration.operations) if _is_opaque(one)]


def _flat(operations: Iterable[Operation]) -> Iterator[Operation]:
    for one in operations:
        if isinstance(one, SeparateDatabaseAndState):
            yield from _flat(one.database_operations)
        else:
            yield one


def _is_opaque(one: Operation) -> bool:
    if isinstance(one, RunPython):
        return one.code is not RunPython.noop
    if isinstance(one, RunSQL):
        return one.sql != RunSQL.noop
    return not type(one).__module__.startswith(_DJANGO)
