"""Expectations: the shapes of a schema's tables, by the models as its recorded migrations leave them."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from django.db.migrations.state import ProjectState
from django.db.models import Model

from railway_release.migrations.outcome import Key, dotted
from railway_release.migrations.plan import Cohort, SchemaPlan
from railway_release.migrations.rendering import Rendering
from railway_release.naming import split_table, table_of_state
from railway_release.postgres.shape import ForeignKey, Shape
from railway_release.topology import tenant_connection
from railway_release.verification import models
from railway_release.verification.authors import Authors
from railway_release.verification.differences import Difference
from railway_release.verification.levels import Level, Levels

Tables = Mapping[str, Shape]
Comparison = tuple[tuple[Difference, ...], frozenset[str]]  # with the models; and what no model declares


@dataclass(frozen=True)
class Rendered:
    """Models that were rendered, their tables, and the result of each comparison with these."""

    rendering: Rendering
    shapes: dict[type[Model], Tables] = field(default_factory=dict)
    by_records: dict[frozenset[Key], Tables] = field(default_factory=dict)  # all tables, of any schema
    compared: dict[object, Comparison] = field(default_factory=dict)  # by the shapes that were compared


class Expectations:
    """The expected tables of each schema, worked out once for each level and each rendered model."""

    def __init__(self, levels: Levels, earlier: Expectations | None = None) -> None:
        """What was rendered for `earlier` ones is used again."""
        self.levels = levels
        self._authors = Authors()
        self._shared_schema = levels.plan.shared.schema.name
        self.shared_tables = {table.name for table in levels.by_schema[self._shared_schema].tables}
        self._editor = tenant_connection().schema_editor(collect_sql=True)
        self.rendered: Rendered = (
            earlier.rendered if earlier else Rendered(Rendering(levels.plan.graph.unmigrated_apps))
        )
        tenant_connection().ensure_connection()  # the driver quotes values only on an open connection
        self._known: dict[Level, Tables] = {}

    def of(self, one: SchemaPlan) -> Tables:
        """The tables that migrations have made in this schema, by name."""
        level = self.levels.by_schema[one.schema.name]
        if level not in self._known:
            names = {table.name for table in level.tables if table.migrated and not table.schema}
            unknown = self._unknown_tables(one.cohort)
            self._known[level] = {
                name: replace(
                    shape, foreign_keys=tuple(self._with_targets(shape.foreign_keys, names, unknown))
                )
                for name, shape in self._with_records_of(one.cohort).items()
                if name in names
            }
        return self._known[level]

    def in_the_end(self, one: SchemaPlan) -> Tables:
        """All tables once everything on disk is applied, of any schema; none if nothing is pending here."""
        return self._last if one.pending else {}

    @cached_property
    def _last(self) -> Tables:
        return dict(self._all_tables(self.levels.plan.graph.last_state))

    def may_be_by_sql(self, one: SchemaPlan, app: str, difference: Difference) -> bool:
        """Whether SQL of a migration that is recorded there may have made this difference."""
        return self._authors.may_have_made(difference, app, one.cohort.graph)

    def may_be_unapplied(self, one: SchemaPlan, app: str, difference: Difference) -> bool:
        """Whether it may be the state before a recorded migration that was not run."""
        return self._authors.may_be_unapplied(difference, app, one.cohort.graph)

    def makers_of(self, one: SchemaPlan, table: str) -> tuple[str, ...]:
        """The recorded migrations whose SQL has made the table what no model can make, as `app.name`."""
        return tuple(map(dotted, self._authors.of_table(table, one.cohort.graph)))

    def is_named_by_sql(self, one: SchemaPlan, table: str) -> bool:
        """Whether SQL of a recorded migration names this table."""
        return self._authors.name(table, one.cohort.graph)

    def _with_records_of(self, cohort: Cohort) -> Tables:
        known = self.rendered.by_records
        if cohort.applied not in known:
            known[cohort.applied] = dict(self._all_tables(cohort.graph.state))
        return known[cohort.applied]

    def _all_tables(self, state: ProjectState) -> Iterator[tuple[str, Shape]]:
        try:
            apps = self.rendered.rendering.shared(state.models).apps
        except ValueError:
            return  # a foreign key to a model that does not exist: no release can render these models either
        for key in state.models:
            # After a gap in the records, a foreign key may point to a model that none of them makes.
            with contextlib.suppress(ValueError):
                yield from self._tables(apps.get_model(*key)).items()

    def _tables(self, model: type[Model]) -> Tables:
        options = model._meta
        shapes = self.rendered.shapes
        if model not in shapes:
            has_table = options.managed and not options.proxy and not options.swapped
            found = models.tables(model, self._editor) if has_table else ()
            shapes[model] = {split_table(name)[1]: shape for name, shape in found}
        return shapes[model]

    def _unknown_tables(self, cohort: Cohort) -> set[str]:
        """The tables of which nobody knows where they are, since the records of what makes them are lost."""
        states = cohort.graph.state, self.levels.plan.graph.last_state
        found = (state.models.get(key) for key in cohort.graph.unknown_models for state in states)
        return {split_table(table_of_state(model))[1] for model in found if model}

    def _with_targets(
        self, keys: tuple[ForeignKey, ...], own: Collection[str], unknown: Collection[str]
    ) -> Iterator[ForeignKey]:
        """The keys, each with the schema of its target: a tenant's own table before the shared one."""
        for key in keys:
            table = split_table(key.table)[1]
            if table in unknown:
                continue
            if table in own:
                yield replace(key, table=table)
            elif table in self.shared_tables:
                yield replace(key, table=table, schema=self._shared_schema)
