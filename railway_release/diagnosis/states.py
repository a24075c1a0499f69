"""The operations of migrations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.migrations import operations
from django.db.migrations.operations.base import Operation


def flat(listed: Iterable[Operation]) -> Iterator[Operation]:
    """The operations one by one, both kinds of those that SeparateDatabaseAndState wraps included."""
    for one in listed:
        if isinstance(one, operations.SeparateDatabaseAndState):
            yield from flat([*one.database_operations, *one.state_operations])
        else:
            yield one
