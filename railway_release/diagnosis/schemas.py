"""Causes that follow from the plan and the findings alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from railway_release.diagnosis import choices, commands, tenant_choices
from railway_release.diagnosis.advice import NEVER_RAN
from railway_release.diagnosis.catalogue import KINDS
from railway_release.diagnosis.causes import Cause, cause, worst
from railway_release.diagnosis.context import DiagnosisContext
from railway_release.migrations.outcome import in_words
from railway_release.postgres.catalog import schemas_with_records
from railway_release.runtime.program import PROGRAM
from railway_release.runtime.text import schemas_in_words, some
from railway_release.topology import tenants_table
from railway_release.verification import blocking, findings
from railway_release.verification.findings import Finding

_SURPLUS = (findings.COLUMN_EXTRA, findings.COLUMN_IN_THE_WAY)
_MAYBE_RENAMED = "decide first about column.missing in the same table: it may be this one, renamed by hand"
# The findings that are causes themselves, each with what fixes it. Others have a module of their own.
_COMMANDS = {
    findings.MISSING: "create the table, or correct EXPECTED_TABLES",
    findings.UNMIGRATED: "python manage.py makemigrations",
    findings.AHEAD: "deploy the newer code again, or leave it: nothing is unapplied",
    findings.UNREADABLE: "grant the role what it lacks, or end the session that locks django_migrations",
    findings.MISTYPED: "correct the tenant's type, or TENANT_TYPES",
    findings.INCOMPLETE: PROGRAM,
    findings.UNFINISHED: PROGRAM,
}


def never_ran(context: DiagnosisContext, failing: Collection[str]) -> Iterator[Cause]:
    """One cause for all pending migrations, grouped by what is pending; and one for those held up.

    `failing` are schemas in which a release is known to fail: it cannot be advised there, nor anywhere if the
    shared schema is one of them.
    """
    found = context.found(findings.GHOST, findings.MASKED)
    of_schema = {name: [one for one in found if one.schema == name] for name in {one.schema for one in found}}
    stuck = {
        one.schema.name
        for one in context.schemas
        if blocking.blocking(one, of_schema.get(one.schema.name, ()))
    }
    pending = context.plan.pending_groups(context.config).items()
    if context.plan.shared.schema.name in failing:
        failing = {one.schema.name for one in context.schemas}
    groups = {
        steps: [name for name in names if name not in stuck and name not in failing]
        for steps, names in pending
    }
    if behind := [name for names in groups.values() for name in names]:
        seen = [f"{in_words(steps)} in {schemas_in_words(names)}" for steps, names in groups.items() if names]
        yield cause(NEVER_RAN, f"{some(seen, 3)}{_since(context, behind)}", PROGRAM, behind)
    if stuck:
        names = sorted(stuck)
        yield cause("release.held_up", schemas_in_words(names), commands.repair(names), names)


def of_findings(context: DiagnosisContext, *, but: Iterable[str]) -> Iterator[Cause]:
    """A cause for each kind of finding, but for those that others have explained."""
    groups: dict[tuple[str, bool, bool], list[Finding]] = {}
    lacking = {_table(one) for one in context.found(findings.COLUMN_MISSING)}
    for one in context.findings:
        if one.id not in but and one.is_open:
            waits = one.id in _SURPLUS and _table(one) in lacking
            groups.setdefault((one.id, bool(one.candidates), waits), []).append(one)
    for (id, _, waits), found in groups.items():
        yield _of_one_kind(id, found, _MAYBE_RENAMED if waits else _command(context, found))


def _table(one: Finding) -> tuple[str, str]:
    return one.schema, one.object.rpartition(".")[0]


def _of_one_kind(id: str, found: list[Finding], command: str) -> Cause:
    schemas = list(dict.fromkeys(one.schema for one in found))
    severity = worst([one.severity for one in found])
    seen = _in_words(found, schemas)
    if id in KINDS:
        return cause(id, seen, command, schemas, severity)
    return Cause(id, severity, seen, found[0].hint, command, tuple(schemas))


def _command(context: DiagnosisContext, found: list[Finding]) -> str:
    id, there = found[0].id, context.plan.topology
    if id == findings.TENANTS_UNKNOWN:
        return commands.find_tenants(there.shared.name, is_lost=_is_lost(context))
    one = found[0]
    held_up = {each.schema.name for each in context.schemas if each.cohort.inconsistency}
    held_up |= blocking.held_up(context.plan, context.findings)
    if id in (findings.INCOMPLETE, findings.UNFINISHED) and held_up.issuperset(each.schema for each in found):
        return f"first what holds up the release there, then: {PROGRAM}"
    using = choices.dependents(context.connection, id, one.schema, one.object, one.expected)
    given = tenant_choices.about(one, there) or choices.of(id, one.object, one.expected, using)
    return _COMMANDS.get(id) or commands.of_finding(found, given)


def _is_lost(context: DiagnosisContext) -> bool:
    """Whether the tenants' table, or a column of it, should be there by the records."""
    shared, table = context.plan.shared.schema.name, tenants_table().name.table
    lost = context.found(findings.GHOST, findings.COLUMN_MISSING)
    return any(one.schema == shared and table in (one.object, _table(one)[1]) for one in lost)


def _in_words(found: list[Finding], schemas: list[str]) -> str:
    """The objects of findings, with what was found of them, and the schemas."""
    if found[0].candidates:
        return some([f"{one.schema}: {one.found}" for one in found], 3)
    where, told = schemas_in_words(schemas), [one.found for one in found if one.found]
    if found[0].object == "schema":
        return f"{where}: {some(list(dict.fromkeys(told)), 3)}" if told else where
    words = [f"{one.object} ({one.found})" if one.found else one.object for one in found]
    return f"{some(list(dict.fromkeys(words)), 3)} in {where}"


def _since(context: DiagnosisContext, behind: list[str]) -> str:
    """When a migration was last recorded in one of these schemas, in words."""
    recorded = sorted(schemas_with_records(context.connection) & set(behind))
    days = sorted(day for _, day in context.reader.read(recorded, _LAST, {}) if day)
    if not days:
        return "; nothing was ever migrated there"
    between = days[0] if days[0] == days[-1] else f"between {days[0]} and {days[-1]}"
    return f"; last migrated there: {between}"


_LAST = "(SELECT {literal}, max(applied)::date::text FROM {schema}.django_migrations)"
