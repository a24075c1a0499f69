"""The project state at each point of the migrations, with only the models rendered that are used there.

An operation uses its own model and those that it points to; a model is rendered anew when it changes, or one
that it points to. Which models point to it matters only where their columns have to follow, and to the
project's code: these cases get models of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from django.db.migrations import operations
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from railway_release.migrations.disk import apply_to_state, state_after
from railway_release.migrations.rendering import ModelKey, Rendering, closure, referred, referrers

# Operations that talk to the database only through the schema editor or Django's introspection.
_PLAIN_MODULES = {"django.db.migrations.operations.models", "django.db.migrations.operations.fields"}


def is_plain(operation: Operation) -> bool:
    """Whether it is an operation of Django without code of the project, whose models are known."""
    if type(operation) is operations.SeparateDatabaseAndState:
        return all(is_plain(part) for part in operation.database_operations)
    return type(operation).__module__ in _PLAIN_MODULES or type(operation) is operations.RunSQL


def _is_djangos(operation: Operation) -> bool:
    """Whether its class is Django's, which changes states as documented and reads only their models."""
    return type(operation).__module__.startswith("django.")


class States:
    """Advances a state operation by operation. The states that it returns must never be changed."""

    def __init__(self, state: ProjectState, rendering: Rendering) -> None:
        self.now = state.clone()
        self.rendering = rendering

    def branch(self) -> States:
        """A copy that advances by itself, with the same cache of rendered models."""
        return States(self.now, self.rendering)

    def advance(self, operation: Operation, app: str) -> tuple[ProjectState, ProjectState]:
        """The states before and after the operation, with the models that it uses rendered."""
        before = self._seen_by(operation, app)
        apply_to_state(operation, app, self.now)
        if not _is_djangos(operation):
            self.rendering.forget()
        return before, self._seen_by(operation, app)

    def advance_migration(self, migration: Migration) -> ProjectState:
        """The whole state before a migration with an apply() of its own; to be cloned before it is used."""
        before = self.rendering.for_user_code(self.now, separate=True)
        self.now = state_after(migration, self.now)
        self.rendering.forget()
        return before

    def _seen_by(self, operation: Operation, app: str) -> ProjectState:
        models = self.now.models
        if not is_plain(operation):
            # The project's code may follow any relation.
            return self.rendering.for_user_code(self.now, separate=not _is_djangos(operation))
        keys = {(app, name.lower()) for name in _names(operation)} & models.keys()
        far = self._affects_referrers(operation, keys)
        if far:
            keys = closure(keys, referrers(models).__getitem__)
        keys = closure(keys, lambda key: referred(models, key))
        seen = {key: model for key, model in models.items() if key in keys}  # in Django's order
        return (self.rendering.separate if far else self.rendering.shared)(seen)

    def _affects_referrers(self, operation: Operation, keys: Collection[ModelKey]) -> bool:
        """Whether columns of other models depend on what it changes: a table's name, or a column's type."""
        if not isinstance(operation, operations.AlterField):
            return isinstance(operation, operations.RenameModel)
        fields = (self.now.models[key].fields.get(operation.name) for key in keys)
        return any(field is not None and field.unique for field in (operation.field, *fields))


def _names(operation: Operation) -> Iterator[str]:
    """The names of the models that an operation is about."""
    if isinstance(operation, operations.RenameModel):
        yield from (operation.old_name, operation.new_name)
    elif hasattr(operation, "model_name"):
        yield operation.model_name
    elif hasattr(operation, "name"):
        yield operation.name
