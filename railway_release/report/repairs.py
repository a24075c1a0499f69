"""Repair plans as log lines: what would be repaired where, the SQL, and what is left to a person, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from railway_release.diagnosis.choices import FLAG, SCHEMA, named
from railway_release.migrations.outcome import in_words
from railway_release.repairs.repair_plan import PlannedRepair, Refusal, RepairPlan
from railway_release.report.line import Line
from railway_release.runtime.program import PROGRAM
from railway_release.runtime.text import schema_flag, schemas_in_words, some
from railway_release.verification.findings import Finding

_REPAIRS = 5


def repair_plan_lines(repair_plans: Sequence[PlannedRepair], *, done: bool) -> Iterator[Line]:
    """A line for each plan with its SQL, unless `done`; then lines for what is refused or not restored."""
    for one in repair_plans:
        where = schemas_in_words(one.schemas)
        if one.repair_plan.does_something and not done:
            text = "\n".join((f"{where}: {_repairs(one.repair_plan)}", *_steps(one.repair_plan)))
            yield Line("info", "remedy.proposed", text)
        for refusal in one.repair_plan.refusals:
            yield Line("warning", "remedy.refused", "\n".join(_refusal(refusal, where, one.schemas)))
        if one.repair_plan.not_restored and one.repair_plan.does_something:
            text = (
                f"{where}: recreated objects are empty or hold the default; these data migrations are not "
                f"run again: {some(one.repair_plan.not_restored)}"
            )
            yield Line("warning", "data.not_restored", text)


def left_out_lines(findings: Iterable[Finding]) -> Iterator[Line]:
    """A line for the warnings of each id that were not asked for, with the command that is about them."""
    groups: dict[str, list[Finding]] = {}
    for one in findings:
        groups.setdefault(one.id, []).append(one)
    for id, found in groups.items():
        objects = some(list(dict.fromkeys(one.object for one in found if one.object != "schema")), 3)
        where = schemas_in_words(list(dict.fromkeys(one.schema for one in found)))
        words = f"{id} {objects}".strip()
        command = f"{PROGRAM} repair --finding {id}"
        text = f"{where}: {words} is a warning and left as it is; what can be done: `{command}`"
        yield Line("info", "remedy.left_out", text)


def _refusal(refusal: Refusal, where: str, schemas: Sequence[str]) -> Iterator[str]:
    subject = refusal.id if refusal.object == "schema" else f"{refusal.id} {refusal.object}"
    text = f"{where}: {subject} is left as it is."
    yield f"{text}\n   {_with_names(refusal.why, schemas)}"
    for choice in refusal.choices:
        yield f"   {choice.when}{':' if choice.statements else '.'}"
        lines = (line for one in choice.statements for line in _with_names(one, schemas).splitlines())
        yield from (f"      {line.strip()}" for line in lines)
    if len(schemas) > 1 and any(SCHEMA in sql for one in refusal.choices for sql in one.statements):
        yield f"   {SCHEMA} is the schema, one after the other."


def _with_names(text: str, schemas: Sequence[str]) -> str:
    """The text with the name of the schema, or the flags of all."""
    if len(schemas) == 1:
        return named(text, schemas[0])
    return text.replace(FLAG, " ".join(map(schema_flag, schemas))) if len(schemas) <= _REPAIRS else text


def _repairs(repair_plan: RepairPlan) -> str:
    if repair_plan.creates_schema:
        why = repair_plan.through_django_tenants
        how = f"through django-tenants' own machinery, since {why}" if why else "with the others"
        return f"would create the schema and migrate it, {how}; it will be EMPTY: no data comes back"
    repairs = [f"{id} {object}" for id, object in repair_plan.repairs]
    words = [f"would repair {some(repairs, _REPAIRS)}"] if repairs else []
    words += (
        [f"would record {in_words(repair_plan.records)}, whose work is there"] if repair_plan.records else []
    )
    return "; ".join(words)


def _steps(repair_plan: RepairPlan) -> Iterator[str]:
    yield from (f"   {effect}" for effect in repair_plan.effects)
    yield from (f"   {line}" for sql in repair_plan.statements for line in sql.splitlines())
    yield from (f"   DROP INDEX CONCURRENTLY {name};" for name in repair_plan.discards)
    yield from (f"   REINDEX INDEX CONCURRENTLY {name};" for name in repair_plan.reindexes)
