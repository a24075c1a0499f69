"""Proof: whether a schema has everything that a migration creates, object by object, or nothing of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from railway_release.migrations.outcome import Key
from railway_release.migrations.plan import Histories, SchemaPlan
from railway_release.postgres.batch_reader import BatchReader
from railway_release.postgres.shape import Check, Creation, ForeignKey, Index, Shape, Unique
from railway_release.verification import findings
from railway_release.verification.differences import without
from railway_release.verification.expectations import Expectations, Tables
from railway_release.verification.levels import Levels, at
from railway_release.verification.structure import Deviation, Structure

# These only say that something is there, which _made() says.
_MORE = {findings.COLUMN_EARLY, findings.COLUMN_EXTRA, findings.COLUMN_IN_THE_WAY}


@dataclass(frozen=True)
class Proof:
    """What a migration's work lacks in a schema, and what of it is there; in words."""

    missing: tuple[str, ...] = ()
    there: tuple[str, ...] = ()
    inconsistent: str = ""  # why its record cannot be made, or cannot be deleted


class Prover:
    """Compares a schema with what is expected of it with a migration's record, and without."""

    def __init__(self, reader: BatchReader, levels: Levels, history: Histories) -> None:
        self._reader = reader
        self._levels = levels
        self._history = history
        self._known: dict[tuple[tuple[Key, ...], tuple[Key, ...]], Expectations] = {}

    def prove(self, schema: str, keys: Sequence[Key]) -> Proof:
        """The proof for these migrations together, which will be recorded all or none."""
        records = self._history.get(schema, ())
        others = [key for key in records if key not in keys]
        after = self.view(schema, [*others, *keys])
        if after.plan.cohort.inconsistency:
            return Proof(inconsistent=after.plan.cohort.inconsistency)
        before = self.view(schema, others)
        if before.plan.cohort.inconsistency:
            # It closes a gap: what builds on it has to be there as well.
            building = self._building_on(keys, after.plan)
            before = self.view(schema, [key for key in others if key not in building])
        absent = {_key(one) for one in before.deviations}
        missing = [one for one in after.deviations if _key(one) not in absent]
        gone = before.tables.keys() - after.tables.keys()
        still = [f"the table {table} is still there" for table in sorted(gone) if before.holds(table)]
        there = [*_made(before.tables, after), *_undone(before, after)]
        return Proof((*map(_in_words, missing), *still), tuple(there))

    def _building_on(self, keys: Iterable[Key], plan: SchemaPlan) -> set[Key]:
        graph = self._levels.planner.graph_of(plan.cohort).graph
        return {other for key in keys for other in graph.backwards_plan(key)}

    def view(self, schema: str, records: Iterable[Key]) -> _View:
        """The schema, compared as if it had these records."""
        expectations = self._expectations(schema, tuple(records))
        (one,) = [each for each in expectations.levels.plan.schemas if each.schema.name == schema]
        return _View(one, expectations, self._reader)

    def _expectations(self, schema: str, records: tuple[Key, ...]) -> Expectations:
        """What is expected with these records; one object for all schemas that have the same records now."""
        now = self._history.get(schema, ())
        if (now, records) not in self._known:
            alike = {name: records for name, theirs in self._history.items() if theirs == now}
            levels = at(self._levels, {**self._history, **alike, schema: records})
            self._known[now, records] = Expectations(levels)
        return self._known[now, records]


@dataclass(frozen=True)
class _View:
    """A schema, compared with what is expected for records that it has or might have."""

    plan: SchemaPlan
    expectations: Expectations
    reader: BatchReader

    @cached_property
    def tables(self) -> Tables:
        """The tables that migrations with these records have created, by name."""
        return self.expectations.of(self.plan)

    @cached_property
    def deviations(self) -> list[Deviation]:
        """Where the schema deviates from what these records say."""
        return [*self._structure.missing_tables(), *self._structure.deviations()]

    def holds(self, table: str) -> bool:
        """Whether the schema has the table."""
        return (self.plan.schema.name, table) in self._structure.tables

    @cached_property
    def _structure(self) -> Structure:
        return Structure(self.reader, self.expectations, [self.plan], "models")


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
