"""Guards around the operations of a migration that others apply: django-tenants, or its own class."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation

from railway_release.engine.identity import Identity
from railway_release.engine.states import is_plain
from railway_release.migrations.opaque import flat


@contextlib.contextmanager
def guarded(
    migration: Migration, identity: Identity, editor: Any, restore_role: Callable[[], None]
) -> Iterator[None]:
    """While entered, the connection is put back after each operation in which the project's own code runs.

    Of a migration that is not atomic, after all of them: the next one must not run in another schema.
    Operations are shared by all who load a migration, and its code may migrate another schema itself: what is
    done with another `editor` is not ours to put anywhere.
    """
    # One that is listed twice is one.
    foreign = (one for one in flat(migration.operations) if not (migration.atomic and is_plain(one)))
    guarded = {id(one): one for one in foreign}.values()
    for one in guarded:
        one.__dict__["database_forwards"] = _guarding(one, identity, editor, restore_role)
    try:
        yield
    finally:
        for one in guarded:
            del one.__dict__["database_forwards"]


def _guarding(
    operation: Operation, identity: Identity, own: Any, restore_role: Callable[[], None]
) -> Callable[..., None]:
    forwards = operation.database_forwards

    def guarding(app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor is not own:
            forwards(app_label, schema_editor, from_state, to_state)
            return
        with identity.kept(type(operation).__name__):
            forwards(app_label, schema_editor, from_state, to_state)
        restore_role()

    return guarding
