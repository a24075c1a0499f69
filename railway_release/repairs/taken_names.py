"""Names that something made or renamed by hand has taken, so that a repair's statement would be refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from railway_release.diagnosis.choices import SCHEMA, Choice, repair_again
from railway_release.postgres import taken
from railway_release.postgres.session import Connection, clip
from railway_release.postgres.taken import Holder
from railway_release.repairs.repair_plan import Named, Refusal, RepairPlan

_NAME = r'"((?:[^"]|"")+)"'
_CREATES = re.compile(rf"CREATE (?:UNIQUE )?(?:TABLE|INDEX) {_NAME}")
_CONSTRAINT = re.compile(rf"ALTER TABLE {_NAME} .*?\bCONSTRAINT {_NAME} (\w+)", re.DOTALL)
_DROPS = re.compile(rf"ALTER TABLE {_NAME} DROP CONSTRAINT {_NAME};")
_WITH_INDEX = ("UNIQUE", "PRIMARY", "EXCLUDE")


@dataclass(frozen=True)
class Taken:
    """What has the names that repairs would give, by schema."""

    relations: Mapping[tuple[str, str], Holder]  # by schema and name
    constraints: Mapping[tuple[str, str, str], Holder]  # by schema, table and name


def read(connection: Connection, plans: Mapping[str, RepairPlan]) -> Taken:
    """Look for the names that the plans of these schemas would give; two statements for all of them."""
    named = {
        schema: {name for sql in plan.statements for name in _relations(sql)}
        for schema, plan in plans.items()
    }
    of_tables = {
        schema: {name for sql in plan.statements for name in _constraints(sql)} - _gone(plan)
        for schema, plan in plans.items()
    }
    return Taken(taken.relations(connection, named), taken.constraints(connection, of_tables))


def refusals(schema: str, plan: RepairPlan, held: Taken) -> dict[Named, Refusal]:
    """The findings whose statement makes something under a name that is taken in the schema."""
    gone = _gone(plan)
    found: dict[Named, Refusal] = {}
    for sql, owners in zip(plan.statements, plan.owners, strict=True):
        relations = [held.relations.get((schema, name)) for name in _relations(sql)]
        holders = [one for one in relations if one and (one.table, one.name) not in gone]
        constraints = [held.constraints.get((schema, *name)) for name in _constraints(sql)]
        holders += [one for one in constraints if one]
        for holder in holders[:1]:
            found |= {owner: _refusal(owner, holder) for owner in owners}
    return found


def _gone(plan: RepairPlan) -> set[tuple[str, str]]:
    """Table and name of the constraints that the plan drops."""
    return {(_plain(table), _plain(name)) for sql in plan.statements for table, name in _DROPS.findall(sql)}


def _relations(sql: str) -> Iterator[str]:
    """The names among tables and indexes that a statement gives."""
    if match := _CREATES.match(sql):
        yield clip(_plain(match[1]))
    elif (match := _CONSTRAINT.match(sql)) and match[3] in _WITH_INDEX:
        yield clip(_plain(match[2]))


def _constraints(sql: str) -> Iterator[tuple[str, str]]:
    """The constraints that a statement adds to a table that is there, as table and name."""
    if (match := _CONSTRAINT.match(sql)) and not _DROPS.match(sql):
        yield _plain(match[1]), clip(_plain(match[2]))


def _plain(name: str) -> str:
    return name.replace('""', '"')


def _refusal(owner: Named, holder: Holder) -> Refusal:
    aside = clip(f"{holder.name[:56]}_before")
    ways = [
        Choice("If it is to stay, under another name", (holder.rename(SCHEMA, aside), repair_again(owner[0])))
    ]
    if drop := holder.drop(SCHEMA):
        ways.append(Choice("If nothing needs it", (drop, repair_again(owner[0]))))
    why = f"The name {holder.name} is taken: {holder} that was made or renamed by hand has it."
    return Refusal(*owner, why, tuple(ways))
