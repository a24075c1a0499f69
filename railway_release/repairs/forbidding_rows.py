"""Rows that forbid a repair: asked before it is proposed, since the server would refuse the statement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from railway_release.diagnosis.choices import PLACE, SCHEMA, Choice, repair_again
from railway_release.postgres.batch_reader import BatchReader
from railway_release.postgres.conflicts import Conflict, conflicts, schemas_with
from railway_release.postgres.session import quote
from railway_release.repairs.case import Case
from railway_release.repairs.repair_plan import Named, Refusal, RepairPlan
from railway_release.topology import search_path
from railway_release.verification.findings import GHOST, MASKED

_CHECKABLE_LATER = re.compile(
    r"ALTER TABLE [^;]* ADD CONSTRAINT [^;]*\b(FOREIGN KEY|CHECK)\b[^;]*", re.DOTALL
)


def refusals(reader: BatchReader, schema: str, case: Case, plan: RepairPlan) -> dict[Named, Refusal]:
    """Of a plan for this schema, the findings whose statement the rows that are there forbid."""
    found: dict[Named, Refusal] = {}
    made = {object for id, object in plan.repairs if id in (GHOST, MASKED)}
    for statement, owners in zip(plan.statements, plan.owners, strict=True):
        for conflict in conflicts(statement):
            if conflict.table.name in case.actual and conflict.table.name not in made:
                one, place = _placed(conflict, case, made, schema)
                if schemas_with(reader, one, [schema], place if place != schema else ""):
                    target = PLACE if place == schema else place
                    is_new = all(id.endswith(".missing") for id, _ in owners)  # nothing has its name
                    ways = [*_deleting(one, target)] if schema != case.shared else []
                    ways += _keeping(statement if is_new else "", one)
                    found |= {named: _refusal(named, one, target, ways) for named in owners}
    return found


def _placed(conflict: Conflict, case: Case, made: set[str], schema: str) -> tuple[Conflict, str]:
    """The conflict, and the schema of its target; without the target where that is still to be made."""
    name = conflict.target.name if conflict.target else ""
    if name in made:
        return conflict.without_target(), schema
    return conflict, schema if name in case.actual or not name else case.shared


def _refusal(named: Named, conflict: Conflict, target_schema: str, choices: Sequence[Choice]) -> Refusal:
    query = conflict.query(PLACE, target_schema)
    why = f"Rows that are there forbid it: {conflict.what}. To see them: {query};"
    return Refusal(*named, why, tuple(choices))


def _deleting(conflict: Conflict, target_schema: str) -> Iterator[Choice]:
    """To delete the rows; not offered in the shared schema, whose rows all tenants may need."""
    if delete := conflict.deletion(PLACE, target_schema):
        are_duplicates = conflict.what.startswith("duplicates")
        when = "If the first of each is enough" if are_duplicates else "If nobody needs these rows"
        yield Choice(when, (f"{delete};", repair_again()))


def _keeping(statement: str, conflict: Conflict) -> Iterator[Choice]:
    """To leave the rows, where the rule can be made for new rows alone, or else to correct them."""
    if rule := _CHECKABLE_LATER.fullmatch(statement.rstrip("; \n")):
        first = () if conflict.lookup in conflict.select else (repair_again(),)  # it makes the target
        path = ", ".join(dict.fromkeys((SCHEMA, *map(quote, search_path()))))
        later = (*first, f"SET search_path = {path};", f"{rule[0]} NOT VALID;")
        yield Choice("If they are to stay, or come back later, and only new rows have to fit", later)
    else:
        yield Choice("If they are to stay, correct them, then repair again")
