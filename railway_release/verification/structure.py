"""Structure: the tables of all schemas, part by part, beside what the models say at their own levels."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from railway_release.migrations.plan import SchemaPlan
from railway_release.postgres import locations, shapes
from railway_release.postgres.batch_reader import BatchReader
from railway_release.postgres.shape import Column, Shape
from railway_release.postgres.shapes import Depth, EqualTables
from railway_release.verification import findings
from railway_release.verification.consensus import Fact, Facts
from railway_release.verification.differences import Difference, differences, surplus
from railway_release.verification.expectations import Expectations
from railway_release.verification.findings import Finding
from railway_release.verification.levels import Levels
from railway_release.verification.normal import Server

THE_TABLE = "the table itself"


@dataclass(frozen=True)
class Deviation:
    """A schema, and something that it lacks or has otherwise."""

    plan: SchemaPlan
    app: str  # whose table it is about
    difference: Difference

    @property
    def is_ahead(self) -> bool:
        """Whether newer code than this has migrated the app."""
        return self.app in self.plan.ahead


@dataclass(frozen=True)
class _Compared:
    """What is said of one table in all schemas that have it alike."""

    differences: tuple[Difference, ...] = ()
    surplus: frozenset[str] = frozenset()


class Structure:
    """The tables of some schemas as they are now, each compared once for all in which it should be alike.

    Of other tables than `compared`, if there are any, it is only seen that they are there.
    """

    def __init__(
        self,
        reader: BatchReader,
        expectations: Expectations,
        plans: Iterable[SchemaPlan],
        depth: Depth,
        compared: Collection[str] | None = None,
    ) -> None:
        self._levels = expectations.levels
        self._expectations = expectations
        self.plans = {one.schema.name: one for one in plans if can_be_judged(one)}
        found = shapes.read(reader, self.plans, depth, compared)
        self._there = [alike for alike in found if not self._levels.ignores(alike.table)]
        self.tables = {(schema, alike.table) for alike in self._there for schema in alike.schemas}
        self._shared = self._levels.plan.shared.schema.name  # others point there, and what is masked is there
        named = {self._shared} - self.plans.keys() if compared is None else {self._shared, *self.plans}
        self.tables |= {
            (name, table) for name in named for table in locations.tables_of(reader.connection, name)
        }
        self._server = Server(reader.connection)

    def missing_tables(self) -> Iterator[Deviation]:
        """The tables that migrations should have made."""
        missing = [
            (one, table, shape)
            for one in self.plans.values()
            for table, shape in self._expectations.of(one).items()
            if (one.schema.name, table) not in self.tables
        ]
        for one, table, shape in missing:
            masked = one.schema.role != "shared" and (self._shared, table) in self.tables
            id = findings.MASKED if masked else findings.GHOST
            yield Deviation(one, self._app(one, table), Difference(id, table, table=table, piece=shape))

    def deviations(self, facts: Facts | None = None) -> Iterator[Deviation]:
        """All else; what no model knows of is noted among the facts."""
        for alike in self._there:
            for members in self._by_level(alike):
                compared = self._compared(alike, members[0])
                if facts:
                    facts.add((one.schema.name for one in members), alike.table, compared.surplus)
                for one in members if compared.differences else ():
                    yield from self._of(one, compared.differences)

    def _by_level(self, alike: EqualTables) -> Collection[list[SchemaPlan]]:
        """The schemas of a group, those together of which the same is expected."""
        grouped: dict[int, list[SchemaPlan]] = {}
        for name in alike.schemas:
            grouped.setdefault(id(self._levels.tables[name]), []).append(self.plans[name])
        return grouped.values()

    def _compared(self, alike: EqualTables, one: SchemaPlan) -> _Compared:
        expectations = self._expectations

        def normal(shape: Shape) -> Shape:
            return self._server.normal(shape, one.schema.name, alike.table)

        if not expectations.of(one):
            return _Compared()  # nothing is known
        here, later = normal(alike.shape), expectations.in_the_end(one).get(alike.table)
        # What a pending migration will make is nobody's own.
        own = [frozenset(surplus(normal(later), here))] if later else []
        if alike.table not in expectations.of(one):
            return _Compared(surplus=frozenset() if later else frozenset({THE_TABLE}))
        there = normal(expectations.of(one)[alike.table])
        found = differences(alike.table, there, here, later or Shape())
        return _Compared(tuple(found), frozenset(surplus(there, here)).intersection(*own))

    def _of(self, one: SchemaPlan, found: Iterable[Difference]) -> Iterator[Deviation]:
        for difference in found:
            schema, target = difference.target
            # Of a table that is missing, and of what points to it, it is only said that it is missing.
            if not target or (schema or one.schema.name, target) in self.tables:
                yield Deviation(one, self._app(one, difference.table), difference)

    def _app(self, one: SchemaPlan, table: str) -> str:
        known = self._levels.tables[one.schema.name]
        return next((each.app for each in known if each.name == table), "")


def verify(
    reader: BatchReader, levels: Levels, depth: Depth, plans: Collection[SchemaPlan]
) -> Iterator[Finding]:
    """Findings about columns, and with `everything` about all that tables are made of."""
    if depth == "everything" and len(plans) == 1:
        depth = "models"  # what no model tells of is compared with others
    structure = Structure(reader, Expectations(levels), plans, depth)
    facts = Facts(structure.plans.values())
    found = [*structure.deviations(facts)]
    yield from (_finding(one) for one in found)
    if depth == "everything":
        for text, holders in shapes.objects(reader.connection, structure.plans):
            facts.add(holders, "", [text])
        yield from facts.odd_ones(partial(_went_along, structure.tables, _missing_columns(found)))


def _missing_columns(found: Iterable[Deviation]) -> dict[tuple[str, str], list[str]]:
    """Their names by schema and table."""
    missing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in found:
        if one.difference.id == findings.COLUMN_MISSING and isinstance(one.difference.piece, Column):
            missing[one.plan.schema.name, one.difference.table].append(one.difference.piece.name)
    return missing


def _went_along(
    tables: Collection[tuple[str, str]],
    missing: Mapping[tuple[str, str], Sequence[str]],
    schema: str,
    fact: Fact,
) -> bool:
    """Whether it was a part of a table or about a column that is missing, of which only that is said."""
    table, text = fact
    if table and (schema, table) not in tables:
        return text != THE_TABLE
    return any(re.search(rf"\b{re.escape(name)}\b", text) for name in missing.get((schema, table), ()))


def can_be_judged(one: SchemaPlan) -> bool:
    """Records with a gap describe no state of the models, and no records none at all."""
    return bool(one.cohort.applied) and not one.cohort.inconsistency


def _finding(one: Deviation) -> Finding:
    difference = one.difference
    return Finding(
        difference.id,
        "warning" if difference.id in findings.WARNINGS or one.is_ahead else "error",
        one.plan.schema.name,
        difference.object,
        one.app,
        difference.found,
        expected=difference.expected,
    )
