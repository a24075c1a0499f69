"""Django's collector, kept to the tables that one schema really has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db.models import Model, QuerySet
from django.db.models.deletion import Collector

from railway_release.naming import table_of

Collected = Mapping[type[Model], Collection[Model]]


class SchemaCollector(Collector):
    """Collects in one schema, which must be the active one, and never asks for a table that is not there."""

    def __init__(self, using: str, origin: Any = None, *, tables: frozenset[str]) -> None:
        super().__init__(using=using, origin=origin)
        self.tables = tables

    def holds(self, model: type[Model]) -> bool:
        """Whether this schema has the model's table."""
        return table_of(model) in self.tables

    def collect(self, objs: Any, *args: Any, **kwargs: Any) -> None:
        """As Django's; nothing is collected where this schema has no such table."""
        if not isinstance(objs, QuerySet) or self.holds(objs.model):
            super().collect(objs, *args, **kwargs)

    def can_fast_delete(self, objs: Any, from_field: Any = None) -> bool:
        """Never for a single instance: Django asks that only to skip everything else that was collected."""
        model = getattr(objs, "model", None) or objs
        if isinstance(model, type) and not self.holds(model):
            return False
        return not isinstance(objs, Model) and super().can_fast_delete(objs, from_field)

    def related_objects(self, related_model: Any, related_fields: Any, objs: Any) -> Any:
        """As Django's; none where this schema does not have the table."""
        if not self.holds(related_model):
            return related_model._base_manager.using(self.using).none()
        return super().related_objects(related_model, related_fields, objs)


class LockingCollector(SchemaCollector):
    """Locks each row before it looks for what points at it.

    A foreign key's check takes FOR KEY SHARE on the row it refers to, so that new references wait until
    this transaction ends, and then fail.
    """

    def __init__(
        self, using: str, origin: Any = None, *, tables: frozenset[str], referenced: frozenset[str]
    ) -> None:
        super().__init__(using=using, origin=origin, tables=tables)
        self.referenced = referenced  # the tables that any key of the database points at

    @property
    def with_keys(self) -> list[type[Model]]:
        """The models of what was collected that keys point at."""
        return [model for model in self.data if table_of(model) in self.referenced]

    def can_fast_delete(self, objs: Any, from_field: Any = None) -> bool:
        """Never where a key of the database points that Django may know nothing of: it must be locked."""
        model = getattr(objs, "model", None) or objs
        if isinstance(model, type) and table_of(model) in self.referenced:
            return False
        return super().can_fast_delete(objs, from_field)

    def add(self, objs: Any, *args: Any, **kwargs: Any) -> list[Model]:
        """As Django's, once the rows are locked."""
        new: list[Model] = super().add(objs, *args, **kwargs)
        if new:
            self._lock(new)
        return new

    def _lock(self, objs: Iterable[Model]) -> None:
        """Lock the rows in the order of their keys, so that two deletions do not deadlock."""
        rows = [obj for obj in objs if obj.pk is not None]
        if rows:
            model = type(rows[0])._meta.concrete_model or type(rows[0])
            found = model._base_manager.using(self.using).filter(pk__in=[obj.pk for obj in rows])
            list(found.order_by("pk").only("pk").select_for_update(of=("self",)))


class TenantCollector(SchemaCollector):
    """Collects one tenant's rows that point at shared objects, and what hangs on those."""

    def follow(self, shared: Collected) -> None:
        """Collect what points at these shared objects.

        A tenant that has a table of the same name has objects of its own there, which its keys refer to.
        """
        groups = [list(objs) for model, objs in shared.items() if objs and not self.holds(model)]
        # A group that is known already, as parents are after their children, ends without that last check.
        groups.sort(key=lambda objs: len(objs[0]._meta.all_parents))
        for objs in groups:
            self.collect(objs, fail_on_restricted=objs is groups[-1])

    def let_go(self, shared: Collected) -> None:
        """Leave the shared objects to the shared schema's collector.

        Raises ValueError when a row that goes is, by inheritance, part of a shared object that stays.
        """
        for model in [model for model in self.data if not self.holds(model)]:
            if stray := set(self.data[model]) - set(shared.get(model, ())):
                raise ValueError(
                    f"a tenant's row is part of {len(stray)} more {model._meta.label}, in the shared schema:"
                    f" delete those as well, or first (primary key {sorted(one.pk for one in stray)[0]})"
                )
            del self.data[model]
