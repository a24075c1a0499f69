"""Expectations: what the tables of a schema look like, by the models at the level of its records."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cached_property

from django.db.migrations.state import ProjectState
from django.db.models import Model

from railway_release.migrations.naming import split_table
from railway_release.migrations.plan import SchemaPlan
from railway_release.migrations.rendering import Rendering
from railway_release.postgres.shape import ForeignKey, Shape
from railway_release.topology import tenant_connection
from railway_release.verification import models
from railway_release.verification.levels import Levels

Tables = Mapping[str, Shape]


class Expectations:
    """Worked out once for each level; models that several levels share are rendered once."""

    def __init__(self, levels: Levels) -> None:
        self.levels = levels
        self._shared_schema = levels.plan.shared.schema.name
        self._shared = {table.name for table in levels.tables[self._shared_schema]}
        self._editor = tenant_connection().schema_editor(collect_sql=True)
        self._rendering = Rendering(levels.planner.unmigrated_apps)
        tenant_connection().ensure_connection()  # for the driver to write values as Django does
        self._shapes: dict[type[Model], Tables] = {}
        self._known: dict[int, Tables] = {}

    def of(self, one: SchemaPlan) -> Tables:
        """The tables that migrations have made in this schema, by name."""
        level = self.levels.tables[one.schema.name]
        if id(level) not in self._known:
            names = {table.name for table in level if table.migrated and not table.schema}
            state = self.levels.planner.graph_of(one.cohort).state
            self._known[id(level)] = {
                name: replace(shape, foreign_keys=tuple(self._pointed(shape.foreign_keys, names)))
                for name, shape in self._all_tables(state)
                if name in names
            }
        return self._known[id(level)]

    def in_the_end(self, one: SchemaPlan) -> Tables:
        """All tables as they will be once everything on disk is applied, whatever schema they are for."""
        return self._last if one.pending else {}

    @cached_property
    def _last(self) -> Tables:
        return dict(self._all_tables(self.levels.planner.last_state))

    def _all_tables(self, state: ProjectState) -> Iterator[tuple[str, Shape]]:
        try:
            apps = self._rendering.shared(state.models).apps
        except ValueError:
            return  # models that point to one that is not there: no release can render them either
        for key in state.models:
            yield from self._tables(apps.get_model(*key)).items()

    def _tables(self, model: type[Model]) -> Tables:
        options = model._meta
        if model not in self._shapes:
            has_table = options.managed and not options.proxy and not options.swapped
            found = models.tables(model, self._editor) if has_table else ()
            self._shapes[model] = {split_table(name)[1]: shape for name, shape in found}
        return self._shapes[model]

    def _pointed(self, keys: tuple[ForeignKey, ...], own: Collection[str]) -> Iterator[ForeignKey]:
        """The keys, each with the schema of its target: a tenant's own table before the shared one."""
        for key in keys:
            table = split_table(key.table)[1]
            if table in own:
                yield replace(key, table=table)
            elif table in self._shared:
                yield replace(key, table=table, schema=self._shared_schema)
