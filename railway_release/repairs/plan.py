"""Planning a repair: from what a schema lacks to the statements, or to the reason why there are none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from railway_release.postgres.shape import Column, Definition, ForeignKey, Shape, Unique
from railway_release.repairs import statements
from railway_release.repairs.case import Case
from railway_release.repairs.refusals import refusal, why_not
from railway_release.repairs.repair_plan import Named, Refusal, RepairPlan
from railway_release.repairs.rows import needs_value
from railway_release.repairs.statements import Ranked
from railway_release.topology import TenantConnection
from railway_release.verification import findings
from railway_release.verification.differences import without
from railway_release.verification.expectations import Tables
from railway_release.verification.structure import Deviation

_TABLE = (findings.GHOST, findings.MASKED)
_MADE = (*_TABLE, findings.COLUMN_MISSING)
_KEYS = (findings.KEY_MISSING, findings.UNIQUE_MISSING)
_LEFT_BY_REINDEX = ("_ccnew", "_ccold")


@dataclass(frozen=True)
class _Parted:
    """The expected tables of a schema, and its deviations, parted into those to repair and those refused."""

    expected: Tables
    repaired: tuple[Deviation, ...]
    refused: tuple[Deviation, ...]
    wrong: Collection[tuple[str, str]] = ()  # table and column of those of quite another type

    def tables(self) -> set[str]:
        """The tables that will be created."""
        return {one.difference.table for one in self.repaired if one.difference.id in _TABLE}

    def columns(self, table: str) -> set[str]:
        """The columns that will be added to an existing table."""
        return _missing_columns(table, self.repaired)

    def mistyped(self, table: str) -> set[str]:
        """The columns of a table that have quite another type."""
        return {name for its, name in self.wrong if its == table}

    def refused_columns(self, table: str) -> set[str]:
        """The columns that stay missing in a table."""
        return _missing_columns(table, self.refused)


def plan_repair(case: Case, connection: TenantConnection, refused: Mapping[Named, Refusal]) -> RepairPlan:
    """The plan for one schema; `connection` is Django's, and only composes SQL.

    `refused` are the findings that rows or the server forbid to repair; also of keys that would be made along
    with the table that they point to.
    """
    refusals = {one: refused[_named(one)] for one in case.found if _named(one) in refused}
    why = {one: text for one in case.found if one not in refusals and (text := why_not(one, case))}
    refusals |= {one: refusal(one, text, case, connection) for one, text in why.items()}
    refusals |= {one: its for one in case.found if (its := _needing_not_null(one, case, refusals))}
    refusals |= _pointing_to_refused(case, refusals)
    repaired = tuple(one for one in case.found if one not in refusals)
    parted = _Parted(case.expected, repaired, tuple(refusals), case.mistyped)
    owned = {sql: owners for sql, owners in _owned(parted, connection).items() if {*owners} - refused.keys()}
    indexes = [name for one in parted.repaired if _is_invalid(one) for name in one.difference.instead]
    left = [name for name in indexes if name.rstrip("0123456789").endswith(_LEFT_BY_REINDEX)]
    return RepairPlan(
        repairs=tuple(_named(one) for one in parted.repaired),
        statements=tuple(owned),
        owners=tuple(owned.values()),
        alters=tuple(sorted(_altered(parted))),
        must_be_empty=tuple(sorted({one.difference.table for one in parted.repaired if needs_value(one)})),
        shared_must_be_empty=tuple(
            sorted(one.difference.table for one in parted.repaired if one.difference.id == findings.MASKED)
        ),
        reindexes=tuple(name for name in indexes if name not in left),
        discards=tuple(left),
        refusals=tuple(dict.fromkeys((*refusals.values(), *refused.values()))),
    )


def _named(one: Deviation) -> Named:
    return one.difference.id, one.difference.object


def _owned(case: _Parted, connection: TenantConnection) -> dict[str, tuple[Named, ...]]:
    """The statements in their order, each with the findings that it is for."""
    found: dict[str, tuple[Named, ...]] = {}
    ranked = [*_of_differences(case, connection), *_of_consequences(case, connection)]
    for (_, sql), owners in sorted(ranked, key=lambda one: one[0][0]):
        found[sql] = tuple(dict.fromkeys((*found.get(sql, ()), *owners)))
    return found


def _needing_not_null(one: Deviation, case: Case, refused: Collection[Deviation]) -> Refusal | None:
    """The refusal of an identity, which only a column without NULLs can get, where that is not repaired."""
    column = next((c for c in case.actual.get(one.difference.table, Shape()).columns if _is_of(one, c)), None)
    if one.difference.id != findings.COLUMN_UNCOUNTED or column is None or column.not_null:
        return None
    repaired = {_named(other) for other in case.found if other not in refused}
    if (findings.COLUMN_NULL, one.difference.object) in repaired:
        return None
    return Refusal(
        *_named(one), "Only a column that allows no NULL can count: repair column.null of it first."
    )


def _is_of(one: Deviation, column: Column) -> bool:
    return one.difference.object == f"{one.difference.table}.{column.name}"


def _pointing_to_refused(case: Case, refused: Collection[Deviation]) -> dict[Deviation, Refusal]:
    """What has foreign keys to something refused, and why it is refused, too.

    Created anyway, a key could find a table of that name in the shared schema; to a column that nothing keeps
    unique there can be none.
    """
    found, expected = case.found, case.expected
    absent = {_place(one) for one in refused if one.difference.id in _MADE or _is_free_to_repeat(one, case)}
    absent |= {table for table, shape in case.actual.items() if not shape.is_table}  # a view has no keys
    absent |= {f"{table}.{column}" for table, column in case.mistyped}
    more: dict[Deviation, Refusal] = {}
    while True:
        new = {
            one: Refusal(*_named(one), _of_targets(targets, case))
            for one in found
            if one not in more and one not in refused and (targets := _targets(one, expected) & absent)
        }
        if not new:
            return more
        more |= new
        absent |= {_place(one) for one in new if one.difference.id in _MADE}


def _of_targets(targets: Collection[str], case: Case) -> str:
    names = ", ".join(sorted(targets))
    if {*targets} <= {f"{table}.{column}" for table, column in case.mistyped}:
        return f"It points to {names}: decide first about column.type of that."
    return f"It points to {names}, which cannot be made here."


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
    columns = {f"{key.table}.{name}" for key in own for name in key.targets}
    return columns | {place for key in own for place in (key.table, f"{key.table}({', '.join(key.targets)})")}


def _is_free_to_repeat(one: Deviation, case: Case) -> bool:
    """Whether it is a missing key, and nothing else keeps its columns unique."""
    definition, there = one.difference.definition, case.actual.get(one.difference.table, Shape())
    if one.difference.id not in _KEYS or not isinstance(definition, Unique):
        return False
    return all({*unique.columns} != {*definition.columns} for unique in there.uniques)


Owned = tuple[Ranked, tuple[Named, ...]]


def _of_differences(case: _Parted, connection: TenantConnection) -> Iterator[Owned]:
    dropped = {place for one in case.repaired for place in statements.dropped(one.difference)}
    for one in case.repaired:
        for ranked in statements.of(one.difference, connection, dropped):
            yield ranked, (_named(one),)


def _of_consequences(case: _Parted, connection: TenantConnection) -> Iterator[Owned]:
    """What depends on a missing column or table, and so is missing as well without a deviation of its own."""
    made = case.tables()
    for table, shape in case.expected.items():
        if table in made:
            continue
        columns = case.columns(table)
        possible = without(shape, case.refused_columns(table) | case.mistyped(table))
        added = tuple(_named(one) for one in case.repaired if _adds_column(one, table))
        definitions = [(definition, added) for definition in _about(possible, columns)]
        keys = [key for key in possible.foreign_keys if _is_to_one_of(key, made)]
        definitions += [(key, (_missing(table, key),)) for key in keys]
        for definition, owners in definitions:
            if not (definition.creation and definition.creation.column in columns):
                for ranked in statements.making(definition, connection):
                    yield ranked, owners


def _missing(table: str, key: ForeignKey) -> Named:
    """The finding that a foreign key will be once the table is there that it points to."""
    return findings.FOREIGN_KEY_MISSING, f"{table}({', '.join(key.columns)})"


def _adds_column(one: Deviation, table: str) -> bool:
    return one.difference.id == findings.COLUMN_MISSING and one.difference.table == table


def _about(shape: Shape, columns: set[str]) -> list[Definition]:
    """The constraints and indexes on these columns."""
    there = without(shape, columns).rules
    return [one for one in shape.rules if one not in there]


def _is_to_one_of(key: ForeignKey, tables: Collection[str]) -> bool:
    return not key.schema and key.table in tables


def _altered(case: _Parted) -> set[str]:
    made = case.tables()
    pointing = {
        table
        for table, shape in case.expected.items()
        if any(_is_to_one_of(k, made) for k in shape.foreign_keys)
    }
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
