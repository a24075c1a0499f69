"""Structure: the tables of schemas compared, part by part, with the models at the level of each schema."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from railway_release.migrations.plan import SchemaPlan
from railway_release.postgres import locations, shapes
from railway_release.postgres.batch_reader import BatchReader
from railway_release.postgres.session import Connection
from railway_release.postgres.shape import Column, Shape
from railway_release.postgres.shapes import Definitions, Depth, EqualTables
from railway_release.runtime.text import some
from railway_release.verification import findings
from railway_release.verification.consensus import ComparedTable, Customs, Fact, Facts
from railway_release.verification.differences import (
    THE_TABLE,
    Difference,
    differences,
    surplus,
    unknown,
)
from railway_release.verification.expectations import Comparison, Expectations
from railway_release.verification.findings import Finding, Severity
from railway_release.verification.levels import Level, Levels, missing_tables
from railway_release.verification.normal import Server


@dataclass(frozen=True)
class Deviation:
    """A difference in one schema."""

    plan: SchemaPlan
    app: str  # whose table it is
    difference: Difference

    @property
    def is_ahead(self) -> bool:
        """Whether newer code than this has migrated the app."""
        return self.app in self.plan.ahead


class Structure:
    """The tables of some schemas as they were read, each compared once for all schemas that have it alike.

    `partly` says that there are other tables, which were not read.
    """

    def __init__(
        self,
        connection: Connection,
        expectations: Expectations,
        plans: Iterable[SchemaPlan],
        definitions: Definitions,
        *,
        partly: bool = False,
    ) -> None:
        self._levels = expectations.levels
        self.expectations = expectations
        self.definitions = definitions
        self.plans = {one.schema.name: one for one in plans if can_be_judged(one)}
        self._there = [alike for alike in definitions.tables if not self._levels.ignores(alike.table)]
        self.tables = {(schema, alike.table) for alike in self._there for schema in alike.schemas}
        shared = self._levels.plan.shared.schema.name  # foreign keys and masked names lead there
        named = {shared, *self.plans} if partly else {shared} - self.plans.keys()
        self.tables |= {(name, table) for name in named for table in locations.tables_of(connection, name)}
        self._server = Server(connection)

    def shapes_of(self, schema: str) -> dict[str, Shape]:
        """The tables of one schema, by name."""
        return {alike.table: alike.shape for alike in self._there if schema in alike.schemas}

    def missing_tables(self) -> Iterator[Deviation]:
        """The tables that recorded migrations create and the schemas do not have."""
        present: dict[str, set[str]] = defaultdict(set)
        for schema, name in self.tables:
            present[schema].add(name)
        tables = {schema: frozenset(names) for schema, names in present.items()}
        for one, table, id in missing_tables(self._levels, self.plans.values(), tables):
            if table.migrated and not table.schema and (shape := self.expectations.of(one).get(table.name)):
                by = self.expectations.makers_of(one, table.name)
                found = Difference(id, table.name, table=table.name, definition=shape, made_by=by)
                yield Deviation(one, table.app, found)

    def deviations(self) -> Iterator[Deviation]:
        """All other differences from the models."""
        for table in self.compared:
            yield from self.deviations_of(table, table.differences)

    @cached_property
    def compared(self) -> list[ComparedTable]:
        """Each table, compared once for all schemas of one level that have it alike."""
        return [
            self._compared(alike, members, level)
            for alike in self._there
            for level, members in self._by_level(alike).items()
        ]

    def _by_level(self, alike: EqualTables) -> Mapping[Level, list[SchemaPlan]]:
        """The schemas that have a table alike, grouped by what is expected of them."""
        grouped: dict[Level, list[SchemaPlan]] = {}
        for name in alike.schemas:
            if name in self.plans:
                grouped.setdefault(self._levels.by_schema[name], []).append(self.plans[name])
        return grouped

    def _compared(self, alike: EqualTables, plans: list[SchemaPlan], level: Level) -> ComparedTable:
        expected = self.expectations.of(plans[0])
        # Without expectations, nothing can be compared.
        result = self._comparison(alike, plans[0]) if expected else ((), frozenset[str]())
        return ComparedTable(alike.table, self._app(plans[0], alike.table), level, plans, *result)

    def _comparison(self, alike: EqualTables, one: SchemaPlan) -> Comparison:
        """The result for a table; it is known if the same was compared in an earlier look."""
        there, later = self.expectations.of(one).get(alike.table), self._later(alike, one)
        key = (alike.table, alike.shape, there or one.cohort.applied, later)
        known = self.expectations.rendered.compared
        if key not in known:
            known[key] = self._compare(alike, one)
        return known[key]

    def _later(self, alike: EqualTables, one: SchemaPlan) -> Shape | None:
        return self.expectations.in_the_end(one).get(alike.table)

    def _compare(self, alike: EqualTables, one: SchemaPlan) -> Comparison:
        def normal(shape: Shape) -> Shape:
            return self._server.normal(shape, one.schema.name, alike.table)

        here, later = normal(alike.shape), self._later(alike, one)
        later = normal(later) if later else None
        # What a pending migration will create is no surplus.
        own = [frozenset(surplus(later, here))] if later else []
        if alike.table not in self.expectations.of(one):
            is_ours = later or self._comes_and_goes(alike, one)
            return (), frozenset() if is_ours else frozenset(unknown(here))
        there = normal(self.expectations.of(one)[alike.table])
        here = self._server.agreed(here, there, one.schema.name, alike.table)
        found = differences(alike.table, there, here, later or Shape())
        return tuple(found), frozenset(surplus(there, here)).intersection(*own)

    def _comes_and_goes(self, alike: EqualTables, one: SchemaPlan) -> bool:
        """Whether it is a partition that no migration names: such are made and dropped as time goes by."""
        return alike.shape.kind == "partition" and not self.expectations.is_named_by_sql(one, alike.table)

    def deviations_of(self, table: ComparedTable, found: Iterable[Difference]) -> Iterator[Deviation]:
        """Some differences of a table in each schema that has it alike."""
        for difference in found:
            schema, target = difference.target
            for one in table.plans:
                # A missing table is reported once, without the foreign keys to it.
                if not target or (schema or one.schema.name, target) in self.tables:
                    yield Deviation(one, table.app, difference)

    def level_of(self, schema: str) -> Level:
        """What is expected of the schema."""
        return self._levels.by_schema[schema]

    def _app(self, one: SchemaPlan, table: str) -> str:
        tables = self._levels.by_schema[one.schema.name].tables
        return next((each.app for each in tables if each.name == table), "")


def verify(
    reader: BatchReader,
    levels: Levels,
    depth: Depth,
    plans: Collection[SchemaPlan],
    earlier: EarlierStructure,
) -> tuple[Structure, list[Finding]]:
    """What was compared, and the findings: about columns, and deeper about constraints and indexes, too.

    With depth `everything`, schemas are also compared with each other, for what no model declares.
    """
    if depth == "everything" and len(plans) == 1:
        depth = "models"  # there is nothing to compare a single schema with
    structure = earlier.structure(reader, levels, depth, plans)
    customs = Customs(structure.compared, structure.expectations)
    deviations = [
        deviation
        for table in structure.compared
        for deviation in structure.deviations_of(
            table, (one for one in table.differences if not customs.include(one))
        )
    ]
    found = [_finding(one) for one in deviations]
    found += customs.told(lambda one: one.is_chosen_by(levels.config))
    is_explained = partial(_is_explained, structure.tables, _missing_columns(deviations))
    for table, difference, holders in customs.outsiders():
        found += _outsiders(table, difference, holders, structure.expectations, is_explained)
    if depth == "everything":
        found += _facts(structure).odd_ones(is_explained)
    return structure, found


def _facts(structure: Structure) -> Facts:
    """What no model declares, in the tables and beside them."""
    facts = Facts((name, structure.level_of(name)) for name in structure.plans)
    for table in structure.compared:
        facts.add((one.schema.name for one in table.plans), table.table, table.surplus)
    for text, holders in structure.definitions.objects:
        facts.add((name for name in holders if name in structure.plans), "", [text])
    return facts


def _outsiders(
    table: ComparedTable,
    one: Difference,
    holders: str,
    expectations: Expectations,
    is_explained: Callable[[str, Fact], bool],
) -> Iterator[Finding]:
    """Findings about schemas that are as the models say, where migrations have made most others otherwise."""
    for plan in table.plans:
        name = plan.schema.name
        if one.id == findings.TABLE_KIND:
            yield _of_another_kind(name, table, one, expectations.makers_of(plan, one.table))
        elif not is_explained(name, (one.table, one.object)):
            otherwise = one.found or f"no {one.expected or one.object}"
            words = f"{one.object} lacks what migrations made in {holders} schemas: {otherwise} ({one.id})"
            yield Finding(findings.ODD_ONE_OUT, "warning", name, one.table, table.app, words)


def _of_another_kind(schema: str, table: ComparedTable, one: Difference, makers: Sequence[str]) -> Finding:
    reason = f"made so by SQL in {some(makers)}" if makers else ""
    expected, found = one.found, one.expected
    severity: Severity = "warning" if table.app in table.plans[0].ahead else "error"
    return Finding(one.id, severity, schema, one.object, table.app, found, expected, reason=reason)


@dataclass(frozen=True)
class EarlierStructure:
    """An earlier structure, if there is one, and the schemas that may have changed since."""

    known: Structure | None = None
    changed: Collection[str] = ()

    def structure(
        self, reader: BatchReader, levels: Levels, depth: Depth, plans: Collection[SchemaPlan]
    ) -> Structure:
        """The structure as it is now; only what may have changed is read again."""
        names = {one.schema.name for one in plans if can_be_judged(one)}
        if self.known is None:
            return Structure(
                reader.connection, Expectations(levels), plans, shapes.read_definitions(reader, names, depth)
            )
        changed = {*self.changed, *(names - self.known.plans.keys())}
        now = shapes.read_definitions(reader, names & changed, depth, among=len(names))
        definitions = self.known.definitions.updated(now, changed)
        expectations = Expectations(levels, self.known.expectations)
        return Structure(reader.connection, expectations, plans, definitions)


def _missing_columns(found: Iterable[Deviation]) -> dict[tuple[str, str], list[str]]:
    """The names of missing columns, by schema and table."""
    missing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in found:
        if one.difference.id == findings.COLUMN_MISSING and isinstance(one.difference.definition, Column):
            missing[one.plan.schema.name, one.difference.table].append(one.difference.definition.name)
    return missing


def _is_explained(
    tables: Collection[tuple[str, str]],
    missing: Mapping[tuple[str, str], Sequence[str]],
    schema: str,
    fact: Fact,
) -> bool:
    """Whether a schema lacks this because it lacks the whole table, or the column that it is about."""
    table, text = fact
    if table and (schema, table) not in tables:
        return text != THE_TABLE
    return any(re.search(rf"\b{re.escape(name)}\b", text) for name in missing.get((schema, table), ()))


def can_be_judged(one: SchemaPlan) -> bool:
    """Whether it is known which tables belong to its records."""
    return bool(one.cohort.applied) and one.cohort.is_comparable


def _finding(one: Deviation) -> Finding:
    difference = one.difference
    if difference.is_early:
        words = f"{difference.id}, {difference.expected} expected, {difference.found} found"
        early = findings.CHANGE_EARLY
        return Finding(early, "warning", one.plan.schema.name, difference.object, one.app, words)
    return Finding(
        difference.id,
        "warning" if difference.id in findings.WARNINGS or one.is_ahead else "error",
        one.plan.schema.name,
        difference.object,
        one.app,
        difference.found,
        expected=difference.expected,
    )
