"""Rows that forbid a repair: asked before it is proposed, since the server would refuse the statement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from railway_release.diagnosis import choices
from railway_release.diagnosis.choices import PLACE, Choice, repair_again, together
from railway_release.postgres.conflicts import Conflict, conflicts
from railway_release.postgres.dependents import NOTHING
from railway_release.postgres.failures import LOCK_NOT_AVAILABLE, describe, sqlstate
from railway_release.postgres.session import Connection, fetch, quote
from railway_release.postgres.shape import Shape
from railway_release.repairs.case import Case
from railway_release.repairs.repair_plan import Named, Refusal, RepairPlan
from railway_release.runtime.log import get_logger
from railway_release.topology import search_path
from railway_release.verification.differences import Difference
from railway_release.verification.findings import COLUMN_TYPE, GHOST, INDEX_INVALID, MASKED

_CHECKABLE_LATER = re.compile(
    r"ALTER TABLE [^;]* ADD CONSTRAINT [^;]*\b(FOREIGN KEY|CHECK)\b[^;]*", re.DOTALL
)
_UNNEEDED = "If nobody needs these rows"
_NAME = r'"((?:[^"]|"")+)"'
_VALIDATES = re.compile(rf"ALTER TABLE {_NAME} VALIDATE CONSTRAINT {_NAME};")
# datatype_mismatch, undefined_function: the statement has the same expressions and operators as the query.
_REFUSED_AS_WELL = ("42804", "42883")


def refusals(connection: Connection, schema: str, case: Case, plan: RepairPlan) -> dict[Named, Refusal]:
    """Of a plan for this schema, the findings whose statement the rows that are there forbid."""
    asking = _Asking(connection, schema, case, plan)
    found: dict[Named, Refusal] = {}
    for statement, owners in zip(plan.statements, plan.owners, strict=True):
        for conflict in conflicts(_as_added(statement, case)):
            found |= asking.about(conflict, statement, owners)
    for statement, named in _rebuilt(case, plan):
        for conflict in conflicts(statement):
            found |= asking.about(conflict, statement, (named,))
    for one in (each.difference for each in case.found):
        if one.id == COLUMN_TYPE and not one.is_early:
            found |= asking.about_type(one)
    return found


def _rebuilt(case: Case, plan: RepairPlan) -> Iterator[tuple[str, Named]]:
    """Statements that would create the unique indexes that are rebuilt, with the findings that they are."""
    for table, shape in case.actual.items():
        for one in shape.indexes:
            if one.unique and one.name in plan.reindexes:
                keys = ", ".join(quote(part.text) if part.is_column else part.text for part in one.parts)
                nulls = " NULLS NOT DISTINCT" if one.nulls_equal else ""
                where = f" WHERE {one.where}" if one.where else ""
                sql = f"CREATE UNIQUE INDEX new ON {quote(table)} ({keys}){nulls}{where}"
                yield sql, (INDEX_INVALID, f"{table}.{one.name}")


def _as_added(statement: str, case: Case) -> str:
    """The statement; for one that validates a constraint, one that adds the same."""
    if not (match := _VALIDATES.match(statement)):
        return statement
    table, name = (one.replace('""', '"') for one in match.groups())
    shape, add = case.actual.get(table, Shape()), f"ALTER TABLE {quote(table)} ADD"
    checks = (f"{add} CHECK ({one.text})" for one in shape.checks if one.name == name)
    keys = (
        f"{add} FOREIGN KEY ({_list(one.columns)}) REFERENCES "
        f"{'.'.join(map(quote, filter(None, (one.schema, one.table))))} ({_list(one.targets)})"
        for one in shape.foreign_keys
        if one.name == name
    )
    return next(iter((*checks, *keys)), statement)


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(quote, names))


class _Asking:
    """Asks for rows of one schema; a table that somebody has locked is waited for only once."""

    def __init__(self, connection: Connection, schema: str, case: Case, plan: RepairPlan) -> None:
        self._connection = connection
        self._schema = schema
        self._case = case
        self._made = {object for id, object in plan.repairs if id in (GHOST, MASKED)}
        self._locked: set[str] = set()

    def about(self, conflict: Conflict, statement: str, owners: Sequence[Named]) -> dict[Named, Refusal]:
        """The refusals of what a statement is for, if there are such rows."""
        case, schema = self._case, self._schema
        if conflict.table.name not in case.actual or conflict.table.name in self._made:
            return {}
        one, place = self._placed(conflict)
        is_there, words = self._ask(one, place)
        if words:
            return {named: Refusal(*named, f"The server would refuse it: {words}.") for named in owners}
        if not is_there:
            return {}
        target = PLACE if place == schema else place
        is_new = all(id.endswith(".missing") for id, _ in owners)  # nothing has its name
        rule = statement if is_new else ""
        return {named: self._refusal(named, one, target, rule) for named in owners}

    def about_type(self, one: Difference) -> dict[Named, Refusal]:
        """The refusal of another type for a column, if values that are there do not fit into it."""
        named, column = (one.id, one.object), quote(one.object.removeprefix(f"{one.table}."))
        change = f"ALTER TABLE {quote(one.table)} ALTER COLUMN {column} TYPE {one.expected}"
        for conflict in conflicts(change):
            if self._ask(conflict, self._schema)[0]:
                (then,) = choices.of(*named, one.expected, self._case.using.get(named, NOTHING))
                delete = (f"{conflict.deletion(PLACE)};", *then.statements)
                ways = () if self._schema == self._case.shared else (Choice(_UNNEEDED, delete),)
                why = f"There are {conflict.what}. To see them: {conflict.query(PLACE)};"
                stay = Choice("If they are to stay, correct them, then repair again")
                return {named: Refusal(*named, why, (*ways, stay))}
        return {}

    def _placed(self, conflict: Conflict) -> tuple[Conflict, str]:
        """The conflict, and the schema of its target; without the target where that is still to be made."""
        name = conflict.target.name if conflict.target else ""
        if name in self._made:
            return conflict.without_target(), self._schema
        return conflict, self._schema if name in self._case.actual or not name else self._case.shared

    def _ask(self, conflict: Conflict, place: str) -> tuple[bool, str]:
        """Whether there are such rows, or why the server refuses the statement as well."""
        tables = {one.name for one in (conflict.table, conflict.target) if one}
        if tables & self._locked:
            return False, ""
        query = conflict.query(self._schema, place)
        try:
            return bool(fetch(self._connection, f"SELECT WHERE EXISTS ({query})")), ""
        except Exception as error:  # noqa: BLE001 - a cast, or a function of an index, may fail on any row
            if sqlstate(error) in _REFUSED_AS_WELL:
                return False, describe(error)
            if sqlstate(error) == LOCK_NOT_AVAILABLE:
                self._locked |= tables
            get_logger().debug("rows.unread", message=f"{conflict.what}: {describe(error)}")
            return False, ""

    def _refusal(self, named: Named, conflict: Conflict, target: str, rule: str) -> Refusal:
        query = conflict.query(PLACE, target)
        why = f"Rows that are there forbid it: {conflict.what}. To see them: {query};"
        ways = [*self._filling(named, conflict)]
        if self._schema != self._case.shared:
            ways += _deleting(named, conflict, target)
        ways += _keeping(rule, conflict)
        return Refusal(*named, why, tuple(ways))

    def _filling(self, named: Named, conflict: Conflict) -> Iterator[Choice]:
        """To put a value in the place of NULL."""
        shape, column = self._case.expected.get(conflict.table.name, Shape()), conflict.column
        table = conflict.table.within(PLACE)
        its = next((one for one in shape.columns if quote(one.name) == column), None)
        if its and its.has_sequence:
            yield Choice(
                "If each of them may have a new number", (_numbering(table, column), repair_again(named[0]))
            )
        elif column and not any(tuple(map(quote, one.columns)) == (column,) for one in shape.uniques):
            fill = f"UPDATE {table} SET {column} = … WHERE {column} IS NULL;"  # noqa: S608 - printed
            yield Choice("If one value is right for all of them", (fill, repair_again(named[0])))


def _numbering(table: str, column: str) -> str:
    largest = f"(SELECT coalesce(max({column}), 0) FROM {table})"  # noqa: S608 - printed
    numbers = f"SELECT ctid AS place, {largest} + row_number() OVER () AS number FROM {table}"  # noqa: S608 - printed
    return (
        f"UPDATE {table} AS r SET {column} = n.number"  # noqa: S608 - printed
        f" FROM ({numbers} WHERE {column} IS NULL) AS n WHERE r.ctid = n.place;"
    )


def _deleting(named: Named, conflict: Conflict, target_schema: str) -> Iterator[Choice]:
    """To delete the rows; not offered in the shared schema, whose rows all tenants may need."""
    if delete := conflict.deletion(PLACE, target_schema):
        are_duplicates = conflict.what.startswith("duplicates")
        when = "If the first of each is enough" if are_duplicates else _UNNEEDED
        yield Choice(when, (f"{delete};", repair_again(named[0])))


def _keeping(statement: str, conflict: Conflict) -> Iterator[Choice]:
    """To leave the rows, where the rule can be made for new rows alone, or else to correct them."""
    if rule := _CHECKABLE_LATER.fullmatch(statement.rstrip("; \n")):
        first = () if conflict.lookup in conflict.select else (repair_again(),)  # it makes the target
        later = (*first, together([f"{rule[0]} NOT VALID;"], search_path()))
        yield Choice("If they are to stay, or come back later, and only new rows have to fit", later)
    else:
        yield Choice("If they are to stay, correct them, then repair again")
