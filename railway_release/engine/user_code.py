"""What is done after each operation of a migration that django-tenants, or its own class, applies."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor as SchemaEditor
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation

from railway_release.engine.identity import Identity
from railway_release.engine.states import is_plain
from railway_release.migrations.operations import database_operations


@contextlib.contextmanager
def restoring_connection(
    migration: Migration, identity: Identity, editor: SchemaEditor, restore_role: Callable[[], None]
) -> Iterator[None]:
    """While entered, the connection's schema and role are restored after each operation of the project's own.

    In a migration that is not atomic, after every operation: the next one must not run in another schema.
    The code of a migration may migrate another schema with the same operation objects; what it does with
    another schema editor than `editor` is left as it is. Raises ConnectionChanged.
    """
    chosen = [one for one in database_operations(migration) if not (migration.atomic and is_plain(one))]
    # By identity: an operation may be listed twice, and its class may not be hashable.
    operations = {id(one): one for one in chosen}.values()
    for one in operations:
        one.__dict__["database_forwards"] = _restoring(one, identity, editor, restore_role)
    try:
        yield
    finally:
        for one in operations:
            del one.__dict__["database_forwards"]


def _restoring(
    operation: Operation, identity: Identity, own: SchemaEditor, restore_role: Callable[[], None]
) -> Callable[..., None]:
    forwards = operation.database_forwards

    def restoring(app_label: str, schema_editor: SchemaEditor, from_state: Any, to_state: Any) -> None:
        if schema_editor is not own:
            forwards(app_label, schema_editor, from_state, to_state)
            return
        with identity.restored_after(type(operation).__name__):
            forwards(app_label, schema_editor, from_state, to_state)
        restore_role()

    return restoring
