"""Guards around the operations of a migration that others apply: django-tenants, or its own class."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation

from railway_release.engines.identity import Identity
from railway_release.engines.states import is_plain
from railway_release.migrations.opaque import flat


@contextlib.contextmanager
def guarded(migration: Migration, identity: Identity, restore_role: Callable[[], None]) -> Iterator[None]:
    """While entered, the connection is put back after each operation in which the project's own code runs."""
    guarded = [one for one in flat(migration.operations) if not is_plain(one)]
    for one in guarded:
        one.__dict__["database_forwards"] = _guarding(one, identity, restore_role)
    try:
        yield
    finally:
        for one in guarded:
            del one.__dict__["database_forwards"]


def _guarding(
    operation: Operation, identity: Identity, restore_role: Callable[[], None]
) -> Callable[..., None]:
    forwards = operation.database_forwards

    def guarding(*states: Any) -> None:
        with identity.kept(type(operation).__name__):
            forwards(*states)
        restore_role()

    return guarding
