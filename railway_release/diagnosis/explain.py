"""Explain: from the text of an error to the schemas that raise it, and to the cause."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from railway_release.diagnosis import ghosts, subjects, verdicts
from railway_release.diagnosis.causes import cause
from railway_release.diagnosis.deletion import reaches
from railway_release.diagnosis.errortext import Missing
from railway_release.diagnosis.explanation import Explanation
from railway_release.diagnosis.homes import belongs, home_in_words, in_shared, in_tenants
from railway_release.diagnosis.scene import Scene
from railway_release.diagnosis.subjects import Subject
from railway_release.diagnosis.verdicts import Case, Fate, Verdict
from railway_release.migrations.plan import SchemaPlan
from railway_release.postgres import catalog, places
from railway_release.postgres.session import Connection
from railway_release.runtime.text import schemas_in_words

_MOST_SUBJECTS = 5  # a column by itself, such as "name", may be anybody's


def explain(errors: Iterable[Missing], scene: Scene, *, deleting: bool = False) -> list[Explanation]:
    """One explanation for each error; `deleting` if something was being deleted when it came up."""
    listed = list(errors)
    found = {one: subjects.find(one) for one in listed}
    has = _presence(scene.connection, [subject for some in found.values() for subject in some])
    explained: list[Explanation] = []
    for one in listed:
        cases = [_case(subject, scene, has) for subject in found[one]]
        # Of the columns that an alias may stand for, those that are in order explain nothing.
        unwell = [case for case in cases if case.absent] or cases[:1]
        explained += [_explained(one, case, scene, deleting) for case in unwell[:_MOST_SUBJECTS]]
        explained += [] if cases else [_unknown(one, scene)]
    return explained


def _presence(connection: Connection, asked: list[Subject]) -> Callable[[str, Subject], bool]:
    """Whether a schema has a subject, from one statement for all tables and one for all columns."""
    names = {one.table for one in asked}
    tables = catalog.tables(connection, names) if names else {}
    wanted = {one.column for one in asked} - {""}
    columns = places.columns(connection, names, wanted) if wanted else frozenset()

    def has(schema: str, one: Subject) -> bool:
        if one.column:
            return (schema, one.table, one.column) in columns
        return one.table in tables.get(schema, ())

    return has


def _case(subject: Subject, scene: Scene, has: Callable[[str, Subject], bool]) -> Case:
    fates: dict[Fate, list[str]] = {}
    shared_has = has(scene.plan.shared.schema.name, subject)
    for one in scene.schemas:
        at_home, there = belongs(subject.model, one.schema), has(one.schema.name, subject)
        fate = _fate_of_absent(subject, one, scene, shared_has) if at_home and not there else None
        fates.setdefault(fate or ("there" if there else "elsewhere"), []).append(one.schema.name)
    if in_tenants(subject.model) and not in_shared(subject.model):
        fates["no schema"] = [n for n in scene.plan.topology.without_schema if scene.config.includes(n)]
    made_by = subjects.made_by(subject, scene.plan.graph)
    return Case(subject, {fate: tuple(names) for fate, names in fates.items() if names}, made_by)


def _fate_of_absent(subject: Subject, one: SchemaPlan, scene: Scene, shared_has: bool) -> Fate:
    if not subject.is_in(scene.plan.graph.last_state):
        return "unmigrated"
    if one.cohort.inconsistency:
        return "inconsistent"
    if not subject.is_in(scene.planner.graph_of(one.cohort).state):
        return "pending"
    return "masked" if shared_has and one.schema.role != "shared" else "ghost"


def _explained(missing: Missing, case: Case, scene: Scene, deleting: bool) -> Explanation:
    judged = list(_judged(missing, case, scene, deleting))
    about = f"{case.subject.in_words}, {home_in_words(case.subject.model)}"
    if unfit := [one.schema for one in scene.plan.topology.unfit if scene.config.includes(one.schema)]:
        about += f"; nothing is known of {schemas_in_words(unfit)}"
    found = tuple(one.cause for one in judged)
    return Explanation(
        str(missing), judged[0].sentence, about, found, case.fates.get("there", ()), case.absent
    )


def _judged(missing: Missing, case: Case, scene: Scene, deleting: bool) -> Iterator[Verdict]:
    """The likeliest first."""
    schema = subjects.schema_named(missing)
    if schema and schema not in scene.plan.topology.names:
        yield verdicts.no_such_schema(schema)
        return
    absent = [two for one in verdicts.of(case, schema) for two in _refined(one, case, scene)]
    yield from absent
    otherwise = _of_the_shared_schema(case, scene, deleting)
    # Where a deletion raised it, migrating the tenants that are behind will not be enough.
    if not absent or (deleting and otherwise.cause.id == "deletion.shared"):
        yield otherwise


def _refined(one: Verdict, case: Case, scene: Scene) -> Iterator[Verdict]:
    """A ghost or masked table with the way that led to it, for the schemas where that is known."""
    if case.subject.column or one.cause.id not in verdicts.WAYS:
        yield one
        return
    about = tuple(finding for finding in scene.findings if finding.object == case.subject.table)
    left = set(one.cause.schemas)
    for found in ghosts.causes(replace(scene, findings=about)):
        if found.id in verdicts.WAYS[one.cause.id] and left & set(found.schemas):
            left -= set(found.schemas)
            yield verdicts.because(one, found)
    if left:
        yield one


def _of_the_shared_schema(case: Case, scene: Scene, deleting: bool) -> Verdict:
    """Every schema that should have it has it: then who asked is at fault, if somebody could."""
    model, shared = case.subject.model, scene.plan.shared.schema
    if not in_shared(model) and not in_tenants(model):
        return verdicts.homeless(case)
    if in_shared(model) or shared.name not in case.fates.get("elsewhere", ()):
        return verdicts.nothing_missing(case)
    found = [one for one, asked in reaches(shared).items() if model in asked]
    return verdicts.deletion(case, found, deleting) if found else verdicts.queried(case)


def _unknown(missing: Missing, scene: Scene) -> Explanation:
    name = f"the column {missing.column}" if missing.column else f"the table {missing.table}"
    if missing.column and missing.table:
        name += f" in {missing.table}"
    where = places.relations(scene.connection, subjects.tables(missing)) if not missing.column else ()
    there = tuple(sorted(schema for schema, _ in where))
    seen, command = subjects.origin(missing, scene.plan.graph)
    one = cause("name.unknown", seen, command)
    return Explanation(str(missing), f"No model of this code has {name}.", "", (one,), there)
