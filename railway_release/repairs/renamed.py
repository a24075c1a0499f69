"""Renames by hand: a missing table or column that may be there under another name, with its rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, replace
from typing import cast

from railway_release.diagnosis import choices
from railway_release.diagnosis.choices import SCHEMA, Choice, repair_again
from railway_release.postgres.session import quote
from railway_release.postgres.shape import Column, ForeignKey, Shape
from railway_release.repairs.case import Case
from railway_release.verification import findings
from railway_release.verification.differences import Difference
from railway_release.verification.expectations import Tables
from railway_release.verification.structure import Deviation

_TABLES = (findings.GHOST, findings.MASKED)


def why(one: Deviation, case: Case) -> str:
    """Why something missing is not made anew: it may have been renamed; empty if nothing looks like it."""
    if names := _columns(one, case):
        return f"It may have been renamed: no model knows {', '.join(names)}, of the same type, in its table."
    if names := _pointed_to(one, case):
        return f"It may have been renamed: foreign keys that should point to it point to {', '.join(names)}."
    if names := _alike(one, case):
        return f"It may have been renamed: no model knows {', '.join(names)}, which has the same columns."
    return ""


def choices_about(one: Deviation, case: Case) -> Iterator[Choice]:
    """To rename it back; made anew, it would be empty."""
    table = one.difference.table
    for old in (columns := _columns(one, case)):
        new = quote(one.difference.object.removeprefix(f"{table}."))
        rename = f"{choices.alter(table)} RENAME COLUMN {quote(old)} TO {new};"
        yield Choice(f"If it is {old}, renamed by hand", (rename, *_after_column(one, old, case)))
    pointed_to = _pointed_to(one, case)
    for old in (tables := pointed_to or _alike(one, case)):
        rename = f"{choices.alter(old)} RENAME TO {quote(table)};"
        yield Choice(f"If it is {old}, renamed by hand", (rename, *_after_table(one, old, case)))
    if columns:
        yield Choice(
            f"If it is not: drop {', '.join(columns)}, or give it a type of its own, then repair again"
        )
    if pointed_to:
        yield Choice("If it is not: drop those foreign keys, then repair again")
    elif tables:
        yield from _others(tables)


def _after_column(one: Deviation, old: str, case: Case) -> tuple[str, ...]:
    """The command for what is left once a column has its name back; nothing if that is all."""
    wanted, table = cast("Column", one.difference.definition), one.difference.table
    there, expected = case.actual[table], case.expected[table]
    whole = any(_features(column) == _features(wanted) for column in there.columns if column.name == old)
    lacks = _rules_of(expected, wanted.name) - _rules_of(there, old)
    own = {one.difference.object, f"{table}.{old}"}
    others = [each for each in case.found if each.difference.object not in own]
    return () if whole and not lacks and not others else (repair_again(),)


def _after_table(one: Deviation, old: str, case: Case) -> tuple[str, ...]:
    """The same of a table."""
    table, wanted = one.difference.table, cast("Shape", one.difference.definition)
    there = {column.name: _features(column) for column in case.actual[old].columns}
    whole = all(there.get(column.name) == _features(column) for column in wanted.columns)
    lacks = Counter(map(type, wanted.rules)) - Counter(map(type, case.actual[old].rules))
    others = [each for each in case.found if each != one and not _points_to(table, each)]
    kept = all(_has_keys_to(table, old, holder, case) for holder in case.expected)
    return () if whole and not lacks and not others and kept else (repair_again(),)


def _features(column: Column) -> tuple[bool, ...]:
    """What repairs change of a column; of what is missing, expressions are as Django writes them."""
    return column.not_null, column.has_sequence, bool(column.default), bool(column.generated)


def _rules_of(shape: Shape, name: str) -> Counter[type]:
    """How many constraints and indexes of each kind a column is part of."""
    named = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    texts = ((type(rule), astuple(replace(rule, name="", creation=None))) for rule in shape.rules)
    return Counter(kind for kind, values in texts if named.search(str(values)))


def _has_keys_to(table: str, old: str, holder: str, case: Case) -> bool:
    """Whether all foreign keys of a table that should point to a missing one point to what it is now."""
    there = _keys_to(old, old if holder == table else holder, case.actual)
    return {*_keys_to(table, holder, case.expected)} <= {*there}


def _keys_to(table: str, holder: str, tables: Tables) -> Iterator[tuple[str, ...]]:
    """The columns of a table's foreign keys to another one of the same schema."""
    keys = tables.get(holder, Shape()).foreign_keys
    return (key.columns for key in keys if key.table == table and not key.schema)


def _points_to(table: str, one: Deviation) -> bool:
    definition = one.difference.definition
    return isinstance(definition, ForeignKey) and definition.table == table and not definition.schema


def _others(tables: Sequence[str]) -> Iterator[Choice]:
    """What to do with tables that only look like the missing one."""
    drop = (f"DROP TABLE {SCHEMA}.{quote(one)};" for one in tables)
    yield Choice("If it is not, and nobody needs what is there instead", (*drop, repair_again()))
    move = (f"{choices.alter(one)} SET SCHEMA …;" for one in tables)
    yield Choice("If it is not, and that is to stay, give it a place of its own", (*move, repair_again()))


def may_be_one(surplus: Difference, case: Case) -> bool:
    """Whether a column that no model knows may be a missing one of the same table."""
    alike = (one for one in case.found if one.difference.table == surplus.table)
    return surplus.object in {f"{surplus.table}.{name}" for one in alike for name in _columns(one, case)}


def _columns(one: Deviation, case: Case) -> list[str]:
    """The columns that no model knows, of the type and in the table of a missing one."""
    definition, table = one.difference.definition, one.difference.table
    if one.difference.id != findings.COLUMN_MISSING or not isinstance(definition, Column):
        return []
    shapes = (tables.get(table, Shape()) for tables in (case.expected, case.later))
    known = {column.name for shape in shapes for column in shape.columns}
    there = case.actual.get(table, Shape()).columns
    return [column.name for column in there if column.name not in known and column.type == definition.type]


def _alike(one: Deviation, case: Case) -> list[str]:
    """The tables of the schema that no model knows, with the columns of a missing one."""
    wanted = one.difference.definition
    if one.difference.id not in _TABLES or not isinstance(wanted, Shape):
        return []
    known = {*case.expected, *case.later, *case.shared_tables}
    return sorted(name for name in alike(wanted, case.actual) if name not in known)


def alike(wanted: Shape, actual: Tables) -> Iterator[str]:
    """The tables with the columns of this one, but for partitions, which are a part of one."""
    for name, shape in actual.items():
        if shape.is_table and shape.kind != "partition" and _names(shape) == _names(wanted):
            yield name


def _names(shape: Shape) -> set[str]:
    return {column.name for column in shape.columns}


def _pointed_to(one: Deviation, case: Case) -> list[str]:
    """The tables of the schema that foreign keys point to in the place of a missing one."""
    table, found = one.difference.table, set()
    if one.difference.id not in _TABLES:
        return []
    for name, shape in case.actual.items():
        wanted = case.expected.get(name, Shape()).foreign_keys
        columns = {key.columns for key in wanted if key.table == table and not key.schema}
        found |= {key.table for key in shape.foreign_keys if key.columns in columns and not key.schema}
    return sorted(found - {table, *case.expected})
