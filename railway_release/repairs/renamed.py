"""Renames by hand: a missing table or column that may be there under another name, with its rows."""

from __future__ import annotations

from collections.abc import Iterator

from railway_release.diagnosis import choices
from railway_release.diagnosis.choices import Choice, repair_again
from railway_release.postgres.session import quote
from railway_release.postgres.shape import Column, Shape
from railway_release.repairs.case import Case
from railway_release.verification import findings
from railway_release.verification.differences import Difference
from railway_release.verification.structure import Deviation


def why(one: Deviation, case: Case) -> str:
    """Why something missing is not made anew: it may have been renamed; empty if nothing looks like it."""
    if names := _columns(one, case):
        return f"It may have been renamed: no model knows {', '.join(names)}, of the same type, in its table."
    if names := _tables(one, case):
        return f"It may have been renamed: foreign keys that should point to it point to {', '.join(names)}."
    return ""


def choices_about(one: Deviation, case: Case) -> Iterator[Choice]:
    """To rename it back; made anew, it would be empty."""
    table = one.difference.table
    for old in (columns := _columns(one, case)):
        new = quote(one.difference.object.removeprefix(f"{table}."))
        rename = f"{choices.alter(table)} RENAME COLUMN {quote(old)} TO {new};"
        yield Choice(f"If it is {old}, renamed by hand", (rename, repair_again()))
    for old in (tables := _tables(one, case)):
        rename = f"{choices.alter(old)} RENAME TO {quote(table)};"
        yield Choice(f"If it is {old}, renamed by hand", (rename, repair_again()))
    if columns:
        yield Choice(
            f"If it is not: drop {', '.join(columns)}, or give it a type of its own, then repair again"
        )
    if tables:
        yield Choice("If it is not: drop those foreign keys, then repair again")


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


def _tables(one: Deviation, case: Case) -> list[str]:
    """The tables of the schema that foreign keys point to in the place of a missing one."""
    table, found = one.difference.table, set()
    if one.difference.id not in (findings.GHOST, findings.MASKED):
        return []
    for name, shape in case.actual.items():
        wanted = case.expected.get(name, Shape()).foreign_keys
        columns = {key.columns for key in wanted if key.table == table and not key.schema}
        found |= {key.table for key in shape.foreign_keys if key.columns in columns and not key.schema}
    return sorted(found - {table, *case.expected})
