"""Names that migrations give: tables and columns as the server has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.migrations import operations
from django.db.migrations.operations.base import Operation

_NAME_LENGTH = 63


def flat(listed: Iterable[Operation]) -> Iterator[Operation]:
    """The operations, with those that SeparateDatabaseAndState wraps."""
    for one in listed:
        if isinstance(one, operations.SeparateDatabaseAndState):
            yield from flat([*one.database_operations, *one.state_operations])
        else:
            yield one
