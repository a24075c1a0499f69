"""Names that something made or renamed by hand has taken, so that a repair's statement would be refused."""

from __future__ import annotations

import re
from collections.abc import Iterator

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


def refusals(connection: Connection, schema: str, plan: RepairPlan) -> dict[Named, Refusal]:
    """The findings whose statement makes something under a name that is taken in the schema."""
    gone = {(_plain(table), _plain(name)) for sql in plan.statements for table, name in _DROPS.findall(sql)}
    made = [(sql, owners) for sql, owners in zip(plan.statements, plan.owners, strict=True)]
    named = {name for sql, _ in made for name in _relations(sql)}
    of_tables = {name for sql, _ in made for name in _constraints(sql)} - gone
    relations = taken.relations(connection, schema, named)
    constraints = taken.constraints(connection, schema, of_tables)
    found: dict[Named, Refusal] = {}
    for sql, owners in made:
        holders = [relations[name] for name in _relations(sql) if name in relations]
        holders = [one for one in holders if (one.table, one.name) not in gone]
        holders += [constraints[name] for name in _constraints(sql) if name in constraints]
        for holder in holders[:1]:
            found |= {owner: _refusal(owner, holder) for owner in owners}
    return found


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
