"""From the text of an error to the schemas that raise it, and to the cause."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace

from django.db import router

from railway_release.diagnosis import commands, ghosts, subjects, verdicts
from railway_release.diagnosis.causes import Cause, cause
from railway_release.diagnosis.context import DiagnosisContext
from railway_release.diagnosis.deletion import reaches
from railway_release.diagnosis.errortext import Missing
from railway_release.diagnosis.explanation import Explanation
from railway_release.diagnosis.subjects import Subject
from railway_release.diagnosis.verdicts import Case, SubjectState, Verdict
from railway_release.migrations.outcome import Key, dotted
from railway_release.migrations.plan import SchemaPlan
from railway_release.postgres import catalog, locations
from railway_release.postgres.session import Connection, clip
from railway_release.preflight.routing import belongs, home_in_words, in_shared, in_tenants
from railway_release.runtime.program import PROGRAM
from railway_release.runtime.text import schemas_in_words
from railway_release.topology import tenant_connection

_MOST_SUBJECTS = 5  # a column by itself, such as "name", may be anybody's


def explain(
    errors: Iterable[Missing], context: DiagnosisContext, *, deleting: bool = False
) -> list[Explanation]:
    """One explanation for each error; `deleting` if something was being deleted when it came up."""
    listed = list(errors)
    graph = context.plan.graph
    found = {one: subjects.find(one, graph) for one in listed}
    has = _presence(context.connection, [subject for some in found.values() for subject in some])
    explained: list[Explanation] = []
    for one in listed:
        cases = [_case(subject, context, has, subjects.schema_named(one, graph)) for subject in found[one]]
        # Of the columns that an alias may stand for, those that are in order explain nothing.
        unwell = [case for case in cases if case.absent] or cases[:1]
        explained += [_explained(one, case, context, deleting) for case in unwell[:_MOST_SUBJECTS]]
        explained += [] if cases else [_unknown(one, context)]
    return explained


def _presence(connection: Connection, asked: list[Subject]) -> Callable[[str, Subject], bool]:
    """Whether a schema has a subject, from one statement for all tables and one for all columns."""
    names = {one.table for one in asked}
    tables = catalog.tables(connection, names) if names else {}
    wanted = {one.column for one in asked} - {""}
    columns = catalog.columns(connection, names, wanted)

    def has(schema: str, one: Subject) -> bool:
        if one.column:
            return (schema, one.table, one.column) in columns
        return one.table in tables.get(schema, ())

    return has


def _case(
    subject: Subject, context: DiagnosisContext, has: Callable[[str, Subject], bool], named: str
) -> Case:
    """Its state in all schemas, or in the one that the error `named`, if nothing is wrong there."""
    by_state: dict[SubjectState, list[str]] = {}
    shared_has = has(context.plan.shared.schema.name, subject)
    for one in context.schemas:
        at_home, there = belongs(subject.model, one.schema), has(one.schema.name, subject)
        state = _absence(subject, one, context, shared_has) if at_home and not there else None
        by_state.setdefault(state or ("there" if there else "elsewhere"), []).append(one.schema.name)
    if in_tenants(subject.model) and not in_shared(subject.model):
        without = context.plan.topology.without_schema
        by_state["no schema"] = [name for name in without if context.config.includes(name)]
    made_by = subjects.made_by(subject, context.plan.graph)
    whole = Case(subject, {state: tuple(names) for state, names in by_state.items() if names}, made_by)
    return whole if named in ("", *whole.absent) else whole.within(named)


def _absence(subject: Subject, one: SchemaPlan, context: DiagnosisContext, shared_has: bool) -> SubjectState:
    if not subject.is_in(context.plan.graph.last_state):
        return "unmigrated"
    if one.cohort.inconsistency:
        return "inconsistent"
    if not subject.is_in(one.cohort.graph.state):
        return "pending"
    return "masked" if shared_has and one.schema.role != "shared" else "ghost"


def _explained(missing: Missing, case: Case, context: DiagnosisContext, deleting: bool) -> Explanation:
    judged = list(_judged(missing, case, context, deleting))
    about = f"{case.subject.in_words}, {home_in_words(case.subject.model)}"
    about += "" if case.subject.of_code else "; only the migrations know it, and no model of this code"
    unusable = [one.schema for one in context.plan.topology.unusable if context.config.includes(one.schema)]
    if unusable:
        about += f"; nothing is known of {schemas_in_words(unusable)}"
    found = tuple(one.cause for one in judged)
    return Explanation(
        str(missing), judged[0].sentence, about, found, case.by_state.get("there", ()), case.absent
    )


def _judged(missing: Missing, case: Case, context: DiagnosisContext, deleting: bool) -> Iterator[Verdict]:
    """The verdicts on a subject, the likeliest first."""
    schema = subjects.schema_named(missing, context.plan.graph)
    if schema and schema not in context.plan.topology.names:
        yield verdicts.no_such_schema(schema)
        return
    absent = [two for one in verdicts.of(case, schema) for two in _refined(one, case, context)]
    yield from absent
    otherwise = _of_the_shared_schema(case, context, deleting)
    # Where a deletion raised it, migrating the tenants that are behind will not be enough.
    if not absent or (deleting and otherwise.cause.id == "deletion.shared"):
        yield otherwise


def _refined(one: Verdict, case: Case, context: DiagnosisContext) -> Iterator[Verdict]:
    """The verdict on a ghost or masked table, with the way that led to it where that is known."""
    if case.subject.column or one.cause.id not in verdicts.WAYS:
        yield one
        return
    about = tuple(finding for finding in context.findings if finding.object == case.subject.table)
    left = set(one.cause.schemas)
    for found in ghosts.causes(replace(context, findings=about)):
        if found.id in verdicts.WAYS[one.cause.id] and left & set(found.schemas):
            left -= set(found.schemas)
            yield verdicts.because(one, found)
    if left:
        yield one


def _of_the_shared_schema(case: Case, context: DiagnosisContext, deleting: bool) -> Verdict:
    """The verdict where every schema has what it should: the query ran where it should not."""
    model, shared = case.subject.model, context.plan.shared.schema
    if not in_shared(model) and not in_tenants(model):
        return verdicts.homeless(case)
    if in_shared(model) or shared.name not in case.by_state.get("elsewhere", ()):
        return verdicts.nothing_missing(case)
    found = [one for one, asked in reaches(shared).items() if model in asked]
    return verdicts.deletion(case, found, deleting) if found else verdicts.queried(case)


def _unknown(missing: Missing, context: DiagnosisContext) -> Explanation:
    name = f"the column {missing.column}" if missing.column else f"the table {missing.table}"
    if missing.column and missing.table:
        name += f" in {missing.table}"
    there = tuple(sorted({one[0] for one in _places(missing, context.connection)}))
    key = subjects.made_by_sql(missing, context.plan.graph)
    if key and (found := tuple(_by_sql(key, there, context))):
        absent = tuple(schema for one in found for schema in one.schemas)
        verdict = f"{dotted(key)} makes it by SQL of its own, and has not in {schemas_in_words(absent)}."
        return Explanation(str(missing), verdict, "", found, there, absent)
    seen, command = subjects.origin(missing, context.plan.graph)
    if key:
        seen = f"{dotted(key)} makes it by SQL of its own, and is recorded where it belongs"
    one = cause("name.unknown", seen, command)
    return Explanation(str(missing), f"No model of this code has {name}.", "", (one,), there)


def _places(missing: Missing, connection: Connection) -> Collection[tuple[str, ...]]:
    """Where something of that name is, which no model knows; of each place, the schema first."""
    if missing.column:
        return catalog.columns(connection, subjects.tables(missing), {clip(missing.column)})
    return locations.relations(connection, subjects.tables(missing))


def _is_at_home(app: str, one: SchemaPlan) -> bool:
    """Whether the routers let the app's own SQL run in this schema."""
    connection = tenant_connection()
    connection.set_schema(one.schema.name, tenant_type=one.schema.type)
    return bool(router.allow_migrate(connection.alias, app))


def _by_sql(key: Key, there: Collection[str], context: DiagnosisContext) -> Iterator[Cause]:
    """Where SQL of a migration should have made something that no model knows, and has not."""
    home = [one for one in context.schemas if _is_at_home(key[0], one) and not one.cohort.inconsistency]
    if pending := [one.schema.name for one in home if key in one.cohort.to_apply]:
        seen = f"{dotted(key)}, whose SQL makes it, is pending in {schemas_in_words(pending)}"
        yield cause("release.never_ran", seen, PROGRAM, pending)
    elsewhere = {*there} - {one.schema.name for one in home}  # where it may have been made on purpose
    recorded = [one.schema.name for one in home if key in one.cohort.applied and not elsewhere]
    if lost := [name for name in recorded if name not in there]:
        seen = (
            f"{dotted(key)}, whose SQL makes it, is recorded in {schemas_in_words(lost)}, and it is not there"
        )
        yield cause("table.ghost", seen, commands.make([key], lost[0], context.plan.shared.schema.name), lost)
