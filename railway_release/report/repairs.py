"""Repair plans as log lines: what would be repaired where, the SQL, and what is left to a person, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from railway_release.migrations.outcome import in_words
from railway_release.repairs.repair_plan import PlannedRepair, RepairPlan
from railway_release.report.line import Line
from railway_release.runtime.text import schemas_in_words, some

_REPAIRS = 5


def repair_plan_lines(repair_plans: Sequence[PlannedRepair], *, done: bool) -> Iterator[Line]:
    """A line for each plan with its SQL, unless `done`; then lines for what is refused or not restored."""
    for one in repair_plans:
        where = schemas_in_words(one.schemas)
        if one.repair_plan.does_something and not done:
            yield Line(
                "info",
                "remedy.proposed",
                "\n".join((f"{where}: {_repairs(one.repair_plan)}", *_steps(one.repair_plan))),
            )
        for refusal in one.repair_plan.refusals:
            text = f"{where}: {refusal.id} {refusal.object} is left as it is.\n   {refusal.why}"
            yield Line("warning", "remedy.refused", text)
        if one.repair_plan.not_restored and one.repair_plan.does_something:
            text = f"{where}: what is made anew is empty; not restored is what these may have put there: "
            yield Line("warning", "data.not_restored", text + some(one.repair_plan.not_restored))


def _repairs(repair_plan: RepairPlan) -> str:
    if repair_plan.creates_schema:
        why = repair_plan.through_django_tenants
        how = f"through django-tenants' own machinery, since {why}" if why else "with the others"
        return f"would create the schema and migrate it, {how}"
    repairs = [f"{id} {object}" for id, object in repair_plan.repairs]
    words = [f"would repair {some(repairs, _REPAIRS)}"] if repairs else []
    words += (
        [f"would record {in_words(repair_plan.records)}, whose work is there"] if repair_plan.records else []
    )
    return "; ".join(words)


def _steps(repair_plan: RepairPlan) -> Iterator[str]:
    yield from (f"   {line}" for sql in repair_plan.statements for line in sql.splitlines())
    yield from (f"   DROP INDEX CONCURRENTLY {name};" for name in repair_plan.discards)
    yield from (f"   REINDEX INDEX CONCURRENTLY {name};" for name in repair_plan.reindexes)
