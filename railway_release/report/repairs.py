"""Remedies as log lines: what would be mended where, the SQL, and what is left to a person, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from railway_release.migrations.outcome import in_words
from railway_release.repairs.repair_plan import PlannedRepair, RepairPlan
from railway_release.report.line import Line
from railway_release.runtime.text import schemas_in_words, some

_MENDS = 5


def remedy_lines(remedies: Sequence[PlannedRepair], *, done: bool) -> Iterator[Line]:
    """With the SQL unless it is `done`."""
    for one in remedies:
        where = schemas_in_words(one.schemas)
        if one.remedy.does_something and not done:
            yield Line(
                "info", "remedy.proposed", "\n".join((f"{where}: {_mends(one.remedy)}", *_steps(one.remedy)))
            )
        for refusal in one.remedy.refusals:
            text = f"{where}: {refusal.id} {refusal.object} is left as it is.\n   {refusal.why}"
            yield Line("warning", "remedy.refused", text)
        if one.remedy.not_restored and one.remedy.does_something:
            text = f"{where}: what is made anew is empty; not restored is what these may have put there: "
            yield Line("warning", "data.not_restored", text + some(one.remedy.not_restored))


def _mends(remedy: RepairPlan) -> str:
    if remedy.creates_schema:
        why = remedy.through_django_tenants
        how = f"through django-tenants' own machinery, since {why}" if why else "with the others"
        return f"would create the schema and migrate it, {how}"
    mends = [f"{id} {object}" for id, object in remedy.mends]
    words = [f"would mend {some(mends, _MENDS)}"] if mends else []
    words += [f"would record {in_words(remedy.records)}, whose work is there"] if remedy.records else []
    return "; ".join(words)


def _steps(remedy: RepairPlan) -> Iterator[str]:
    yield from (f"   {line}" for sql in remedy.statements for line in sql.splitlines())
    yield from (f"   DROP INDEX CONCURRENTLY {name};" for name in remedy.discards)
    yield from (f"   REINDEX INDEX CONCURRENTLY {name};" for name in remedy.reindexes)
