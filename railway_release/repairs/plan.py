"""Planning a repair: from what a schema lacks to the statements, or to the reason why there are none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from railway_release.postgres.shape import Column, Definition, ForeignKey, Shape
from railway_release.repairs import statements
from railway_release.repairs.refusals import why_not
from railway_release.repairs.repair_plan import Refusal, RepairPlan
from railway_release.repairs.rows import Rows, needs_value
from railway_release.repairs.statements import Ranked
from railway_release.topology import TenantConnection
from railway_release.verification import findings
from railway_release.verification.differences import without
from railway_release.verification.expectations import Tables
from railway_release.verification.structure import Deviation

_TABLE = (findings.GHOST, findings.MASKED)
_MADE = (*_TABLE, findings.COLUMN_MISSING)
_LEFT_BY_REINDEX = ("_ccnew", "_ccold")


@dataclass(frozen=True)
class _Case:
    """A schema: its expected tables, and its deviations, parted into those to repair and those refused."""

    expected: Tables
    repaired: tuple[Deviation, ...]
    refused: tuple[Deviation, ...]

    def tables(self) -> set[str]:
        """The tables that will be created."""
        return {one.difference.table for one in self.repaired if one.difference.id in _TABLE}

    def columns(self, table: str) -> set[str]:
        """The columns that will be added to an existing table."""
        return _missing_columns(table, self.repaired)

    def refused_columns(self, table: str) -> set[str]:
        """The columns that stay missing in a table."""
        return _missing_columns(table, self.refused)


def plan_repair(
    found: Sequence[Deviation], expected: Tables, later: Tables, rows: Rows, connection: TenantConnection
) -> RepairPlan:
    """The plan for one schema; `connection` is Django's, and only composes SQL.

    `expected` are its tables by name, `later` those once nothing is pending, `rows` which of them hold any.
    """
    refusals = {one: why for one in found if (why := why_not(one, rows, later))}
    refusals |= _pointing_to_refused(found, expected, refusals)
    case = _Case(expected, tuple(one for one in found if one not in refusals), tuple(refusals))
    ranked = [*_of_differences(case, connection), *_of_consequences(case, connection)]
    indexes = [name for one in case.repaired if _is_invalid(one) for name in one.difference.instead]
    left = [name for name in indexes if name.rstrip("0123456789").endswith(_LEFT_BY_REINDEX)]
    return RepairPlan(
        repairs=tuple((one.difference.id, one.difference.object) for one in case.repaired),
        statements=tuple(dict.fromkeys(sql for _, sql in sorted(ranked, key=lambda one: one[0]))),
        alters=tuple(sorted(_altered(case))),
        must_be_empty=tuple(sorted({one.difference.table for one in case.repaired if needs_value(one)})),
        shared_must_be_empty=tuple(
            sorted(one.difference.table for one in case.repaired if one.difference.id == findings.MASKED)
        ),
        reindexes=tuple(name for name in indexes if name not in left),
        discards=tuple(left),
        refusals=tuple(
            Refusal(one.difference.id, one.difference.object, why) for one, why in refusals.items()
        ),
    )


def _pointing_to_refused(
    found: Sequence[Deviation], expected: Tables, refused: Collection[Deviation]
) -> dict[Deviation, str]:
    """What has foreign keys to something refused, and why it is refused, too.

    Created anyway, a key could find a table of that name in the shared schema.
    """
    absent = {_place(one) for one in refused if one.difference.id in _MADE}
    more: dict[Deviation, str] = {}
    while True:
        new = {
            one: f"It points to {', '.join(sorted(targets))}, which cannot be made here."
            for one in found
            if one not in more and one not in refused and (targets := _targets(one, expected) & absent)
        }
        if not new:
            return more
        more |= new
        absent |= {_place(one) for one in new if one.difference.id in _MADE}


def _place(one: Deviation) -> str:
    """The name of a table, or of a column as ``table.column``."""
    return one.difference.object


def _targets(one: Deviation, expected: Tables) -> set[str]:
    """The tables and columns of the same schema to which the foreign keys of something missing point."""
    keys: Iterable[ForeignKey] = ()
    match one.difference.definition:
        case Shape(foreign_keys=keys):
            pass
        case ForeignKey() as key:
            keys = (key,)
        case Column(name=name) if one.difference.id == findings.COLUMN_MISSING:
            keys = (key for key in expected[one.difference.table].foreign_keys if name in key.columns)
    own = [key for key in keys if not key.schema]
    return {key.table for key in own} | {f"{key.table}.{name}" for key in own for name in key.targets}


def _of_differences(case: _Case, connection: TenantConnection) -> Iterator[Ranked]:
    dropped = {place for one in case.repaired for place in statements.dropped(one.difference)}
    for one in case.repaired:
        yield from statements.of(one.difference, connection, dropped)


def _of_consequences(case: _Case, connection: TenantConnection) -> Iterator[Ranked]:
    """What depends on a missing column or table, and so is missing as well without a deviation of its own."""
    made = case.tables()
    for table, shape in case.expected.items():
        if table in made:
            continue
        columns, possible = case.columns(table), without(shape, case.refused_columns(table))
        for definition in [*_about(possible, columns), *_pointing_to(possible, made)]:
            if not (definition.creation and definition.creation.column in columns):
                yield from statements.making(definition, connection)


def _about(shape: Shape, columns: set[str]) -> list[Definition]:
    """The constraints and indexes on these columns."""
    there = without(shape, columns).rules
    return [one for one in shape.rules if one not in there]


def _pointing_to(shape: Shape, made: set[str]) -> list[Definition]:
    return [key for key in shape.foreign_keys if not key.schema and key.table in made]


def _altered(case: _Case) -> set[str]:
    made = case.tables()
    pointing = {table for table, shape in case.expected.items() if _pointing_to(shape, made)}
    named = {one.difference.table for one in case.repaired if not _is_invalid(one)}
    return (named | pointing) - made


def _missing_columns(table: str, found: Iterable[Deviation]) -> set[str]:
    of_table = (one.difference for one in found if one.difference.table == table)
    return {
        one.definition.name
        for one in of_table
        if one.id == findings.COLUMN_MISSING and isinstance(one.definition, Column)
    }


def _is_invalid(one: Deviation) -> bool:
    return one.difference.id == findings.INDEX_INVALID
