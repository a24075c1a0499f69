"""Proof: whether a schema has everything that a migration creates, object by object, or nothing of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from railway_release.migrations.outcome import Key
from railway_release.migrations.plan import Histories, SchemaPlan
from railway_release.postgres import shapes
from railway_release.postgres.batch_reader import BatchReader
from railway_release.postgres.session import Connection
from railway_release.postgres.shape import Check, Creation, ForeignKey, Index, Shape, Unique
from railway_release.postgres.shapes import Definitions
from railway_release.verification import findings
from railway_release.verification.differences import Difference, without
from railway_release.verification.expectations import Expectations, Tables
from railway_release.verification.levels import at
from railway_release.verification.structure import Deviation, Structure

# These only say that something is there, which _made() says.
_MORE = {findings.COLUMN_EARLY, findings.COLUMN_EXTRA, findings.COLUMN_IN_THE_WAY}


@dataclass(frozen=True)
class Lack:
    """Something that a migration makes and a schema does not have."""

    app: str  # whose table it is
    words: str
    difference: Difference | None = field(default=None, compare=False)  # none if something is there still


@dataclass(frozen=True)
class Proof:
    """What a migration's work lacks in a schema, and what of it is there, in words."""

    lacking: tuple[Lack, ...] = ()
    there: tuple[str, ...] = ()
    inconsistent: str = ""  # why its record cannot be made, or cannot be deleted

    @property
    def missing(self) -> tuple[str, ...]:
        """What is missing."""
        return tuple(one.words for one in self.lacking)

    @property
    def apps(self) -> set[str]:
        """The apps in whose tables something is missing."""
        return {one.app for one in self.lacking}

    def missing_in(self, app: str) -> tuple[Lack, ...]:
        """What is missing in the tables of one app."""
        return tuple(one for one in self.lacking if one.app == app)


class Prover:
    """Compares a schema with what is expected of it with the records of migrations, and without."""

    def __init__(self, reader: BatchReader, expectations: Expectations, history: Histories) -> None:
        self._reader = reader
        self._now = expectations
        self._levels = expectations.levels
        self._history = history
        self._definitions: dict[str, Definitions] = {}
        self._known: dict[tuple[tuple[Key, ...], tuple[Key, ...]], Expectations] = {}

    def prove(self, schema: str, keys: Sequence[Key]) -> Proof:
        """The proof for these migrations together, which will be recorded all or none.

        If others without a record are below what is recorded, theirs is proven with it.
        """
        others = [key for key in self._history.get(schema, ()) if key not in keys]
        gap: list[Key] = []
        after = self.view(schema, [*others, *keys])
        if after.plan.cohort.inconsistency:
            gap = self._gap(after.plan, [*others, *keys])
            after = self.view(schema, [*others, *keys, *gap])
        if after.plan.cohort.inconsistency:
            return Proof(inconsistent=after.plan.cohort.inconsistency)
        before = self._before(schema, others, [*keys, *gap], after)
        absent = {_key(one) for one in before.deviations} | self._of_others(schema, others)
        missing = [one for one in after.deviations if _key(one) not in absent and not after.is_by_sql(one)]
        still = sorted(one for one in before.tables.keys() - after.tables.keys() if before.holds(one))
        lacking = [Lack(one.app, _in_words(one), one.difference) for one in missing]
        lacking += [Lack(before.app_of(one), f"the table {one} is still there") for one in still]
        own = self._before(schema, [*others, *gap], keys, after) if gap else before
        return Proof(tuple(lacking), (*_made(own.tables, after), *_undone(own, after)))

    def _of_others(self, schema: str, records: Sequence[Key]) -> set[tuple[str, str, str, str]]:
        """What deviates with these records alone, if they have a gap: nothing that closes it makes that."""
        now = self.view(schema, records)
        return {_key(one) for one in now.deviations} if now.plan.cohort.inconsistency else set()

    def _gap(self, plan: SchemaPlan, records: Sequence[Key]) -> list[Key]:
        graph = plan.cohort.graph
        steps = graph.unrecorded_below(records)
        return [key for step in steps for key in graph.records_of(step) if key not in records]

    def _before(self, schema: str, records: Sequence[Key], keys: Sequence[Key], after: _View) -> _View:
        """The schema with these records; if the migrations close a gap, without what builds on them."""
        before = self.view(schema, records)
        if before.plan.cohort.inconsistency:
            # What builds on them has to be there as well.
            building = self._building_on(keys, after.plan)
            before = self.view(schema, [key for key in records if key not in building])
        return before

    def _building_on(self, keys: Iterable[Key], plan: SchemaPlan) -> set[Key]:
        graph = plan.cohort.graph
        nodes = {node for key in keys if (node := graph.node_of(key))}
        dependent = {one for node in nodes for one in graph.graph.backwards_plan(node)}
        return {record for one in dependent for record in graph.records_of(one)}

    def view(self, schema: str, records: Iterable[Key]) -> _View:
        """The schema, compared as if it had these records."""
        expectations = self._expectations(schema, tuple(records))
        (one,) = [each for each in expectations.levels.plan.schemas if each.schema.name == schema]
        return _View(one, expectations, self._reader.connection, self._definitions_of(schema))

    def _definitions_of(self, schema: str) -> Definitions:
        """The tables of the schema, read once for all comparisons."""
        if schema not in self._definitions:
            self._definitions[schema] = shapes.read_definitions(self._reader, [schema], "models")
        return self._definitions[schema]

    def _expectations(self, schema: str, records: tuple[Key, ...]) -> Expectations:
        """What is expected with these records; one object for all schemas that have the same records now."""
        now = self._history.get(schema, ())
        if (now, records) not in self._known:
            alike = {name: records for name, theirs in self._history.items() if theirs == now}
            levels = at(self._levels, {**self._history, **alike, schema: records})
            self._known[now, records] = Expectations(levels, self._now)
        return self._known[now, records]


@dataclass(frozen=True)
class _View:
    """A schema, compared with what is expected for records that it has or might have."""

    plan: SchemaPlan
    expectations: Expectations
    connection: Connection
    definitions: Definitions

    @cached_property
    def tables(self) -> Tables:
        """The tables that migrations with these records have created, by name."""
        return self.expectations.of(self.plan)

    @cached_property
    def deviations(self) -> list[Deviation]:
        """Where the schema deviates from what these records say."""
        return [*self._structure.missing_tables(), *self._structure.deviations()]

    def is_by_sql(self, one: Deviation) -> bool:
        """Whether SQL of a migration with these records may have made the difference."""
        return self.expectations.may_be_by_sql(self.plan, one.app, one.difference)

    def holds(self, table: str) -> bool:
        """Whether the schema has the table."""
        return (self.plan.schema.name, table) in self._structure.tables

    def app_of(self, table: str) -> str:
        """The app whose table it is; empty if these records make no such table."""
        expected = self.expectations.levels.by_schema[self.plan.schema.name].tables
        return next((one.app for one in expected if one.name == table), "")

    @cached_property
    def _structure(self) -> Structure:
        return Structure(self.connection, self.expectations, [self.plan], self.definitions)


def _made(before: Tables, view: _View) -> Iterator[str]:
    """What the migration creates and the schema has."""
    lacking = {creation for one in view.deviations if (creation := _creation(one))}
    for table, shape in view.tables.items():
        if table not in before:
            yield from [] if shape.creation in lacking else [f"the table {table} is there"]
            continue
        for column in shape.columns:
            if column not in before[table].columns and column.creation not in lacking:
                yield f"the column {table}.{column.name} is there as it says"
        for rule in _compared(shape, view, lacking):
            if rule not in before[table].rules and rule.creation not in lacking:
                yield f"{type(rule).__name__.lower()} {rule.name}".rstrip() + f" of {table} is there"


def _compared(
    shape: Shape, view: _View, lacking: Collection[Creation | None]
) -> Iterator[Unique | Check | Index | ForeignKey]:
    """The constraints and indexes that were compared: what is on a missing column was not."""
    columns = {one.name for one in shape.columns if one.creation in lacking}
    for rule in without(shape, columns).rules:
        if not isinstance(rule, ForeignKey) or rule.schema or view.holds(rule.table):
            yield rule


def _undone(without_it: _View, with_it: _View) -> Iterator[str]:
    """What the migration drops or changes, and the schema has no more."""
    expected = {_key(one) for one in with_it.deviations}
    for one in without_it.deviations:
        if _key(one) not in expected and one.difference.id not in _MORE:
            yield f"{_in_words(one)}, as it says"


def _creation(one: Deviation) -> Creation | None:
    return one.difference.definition.creation if one.difference.definition else None


def _key(one: Deviation) -> tuple[str, str, str, str]:
    difference = one.difference
    return difference.id, difference.object, difference.expected, difference.found


def _in_words(one: Deviation) -> str:
    difference = one.difference
    words = [f"{difference.expected} expected" if difference.expected else "", difference.found]
    told = ", ".join(filter(None, words))
    return f"{difference.id} {difference.object}" + (f" ({told})" if told else "")
