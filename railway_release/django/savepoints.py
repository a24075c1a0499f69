"""Savepoints: many tables are read inside a transaction, without keeping their locks until it ends.

A statement locks every table and index that it reads. What is rolled back to a savepoint gives its locks
back, and unlike another connection it sees what the caller's transaction has done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import OperationalError, transaction

from railway_release.postgres import slots
from railway_release.topology import TenantConnection

T = TypeVar("T")
R = TypeVar("R")

_READS = re.compile(
    r"\s*(SELECT\b(?!.*\bFOR (NO KEY UPDATE|UPDATE|SHARE|KEY SHARE)\b)|SET search_path\b)",
    re.IGNORECASE | re.DOTALL,
)


def in_batches(
    connection: TenantConnection, size: int, items: Sequence[T], ask: Callable[[Sequence[T]], Sequence[R]]
) -> Iterator[R]:
    """What `ask` finds in batches of the items, each with locks of its own."""
    for start in range(0, len(items), size):
        yield from _halving(connection, items[start : start + size], ask)


def _halving(
    connection: TenantConnection, items: Sequence[T], ask: Callable[[Sequence[T]], Sequence[R]]
) -> list[R]:
    """Others may have taken the locks that were free."""
    try:
        with transaction.atomic(using=connection.alias):
            found = list(ask(items))
            transaction.set_rollback(True, using=connection.alias)
    except OperationalError as error:
        if len(items) == 1 or not slots.ran_out(error):
            raise
        middle = len(items) // 2
        return [*_halving(connection, items[:middle], ask), *_halving(connection, items[middle:], ask)]
    return found


@contextmanager
def releasing_locks(connection: TenantConnection) -> Iterator[None]:
    """While entered, what is locked is given back afterwards, unless a row was written: SET(callable) may."""
    wrote = False

    def monitor(execute: Callable[..., Any], sql: Any, *rest: Any) -> Any:
        nonlocal wrote
        wrote = wrote or not _READS.match(str(sql))
        return execute(sql, *rest)

    with transaction.atomic(using=connection.alias):
        with connection.execute_wrapper(monitor):
            yield
        if not wrote:
            transaction.set_rollback(True, using=connection.alias)
