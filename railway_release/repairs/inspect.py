"""Inspecting schemas for a repair: everything that is wrong, and the plan that repairs each schema."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from railway_release.migrations.operations import opaque
from railway_release.migrations.outcome import dotted
from railway_release.migrations.plan import Planner, SchemaPlan
from railway_release.postgres.batch_reader import BatchReader
from railway_release.preflight.target import Target
from railway_release.repairs import rows, unrecorded
from railway_release.repairs.create import why_through_django_tenants
from railway_release.repairs.plan import plan_repair
from railway_release.repairs.refusals import IGNORED, NOT_OURS, leaves
from railway_release.repairs.repair_plan import Refusal, RepairPlan
from railway_release.snapshot import Snapshot, reading, take_snapshot
from railway_release.topology import tenant_connection
from railway_release.verification.expectations import Expectations
from railway_release.verification.findings import COLUMN_MISSING, GHOST, HALF_CREATED, MASKED, NO_SCHEMA
from railway_release.verification.levels import levels
from railway_release.verification.structure import Deviation, Structure

_MADE_EMPTY = {GHOST, MASKED, COLUMN_MISSING}


@dataclass(frozen=True)
class RepairInspection:
    """One snapshot, with what deviates in each schema and the plan of its repair; keys are schema names."""

    snapshot: Snapshot
    expectations: Expectations
    deviations: Mapping[str, Sequence[Deviation]]
    repair_plans: Mapping[str, RepairPlan]

    @cached_property
    def plans(self) -> dict[str, SchemaPlan]:
        """The plans of the schemas that exist, by name; the shared one first."""
        return {one.schema.name: one for one in self.snapshot.plan.schemas}

    @property
    def to_do(self) -> dict[str, RepairPlan]:
        """The plans that do something."""
        return {
            name: repair_plan for name, repair_plan in self.repair_plans.items() if repair_plan.does_something
        }

    @property
    def obstructed(self) -> list[str]:
        """The tenants that have something of a pending migration, which could not be recorded."""
        shared = self.snapshot.plan.shared.schema.name
        return [
            name
            for name, repair_plan in self.repair_plans.items()
            if name != shared and any(one.id == unrecorded.ID for one in repair_plan.refusals)
        ]


def inspect_schemas(target: Target, planner: Planner) -> RepairInspection:
    """Take a snapshot and plan the repair of each schema; nothing is written."""
    snapshot = take_snapshot(target, planner, depth="everything")
    return reading(target, lambda reader: _inspect(target, planner, snapshot, reader))


def _inspect(target: Target, planner: Planner, snapshot: Snapshot, reader: BatchReader) -> RepairInspection:
    expectations = Expectations(levels(snapshot.plan, planner, target.config))
    found = _deviations(snapshot, expectations, reader)
    begun = list(unrecorded.find(target.config, planner, snapshot, expectations.levels, reader))
    apps = {(name, app) for name, keys, refused in begun for app in unrecorded.apps(keys, refused)}
    known = {name: [*_without_unsettled(ones, apps, expectations)] for name, ones in found.items()}
    repair_plans = defaultdict(RepairPlan, _repair_plans(snapshot, expectations, known, reader))
    for name in (one.schema.name for one in snapshot.plan.tenants):
        if _is_found(HALF_CREATED, name, snapshot):
            repairs = (*repair_plans[name].repairs, (HALF_CREATED, name))
            repair_plans[name] = replace(repair_plans[name], repairs=repairs, finishes_schema=True)
    for name, keys, refusals in (*begun, *_refusals(snapshot)):
        one = repair_plans[name]
        repair_plans[name] = replace(one, records=(*one.records, *keys), refusals=(*one.refusals, *refusals))
    return RepairInspection(snapshot, expectations, found, _in_order(repair_plans, snapshot))


def _without_unsettled(
    found: Sequence[Deviation], unsettled: Collection[tuple[str, str]], expectations: Expectations
) -> Iterator[Deviation]:
    """The deviations but those that an unrecorded migration may explain: its record is repaired first."""
    for one in found:
        moves = leaves(one, expectations.in_the_end(one.plan))
        if not (moves and (one.plan.schema.name, one.app) in unsettled):
            yield one


def _in_order(repair_plans: Mapping[str, RepairPlan], snapshot: Snapshot) -> dict[str, RepairPlan]:
    """The shared schema first, since others have keys to it; the same order each time."""
    names = [one.schema.name for one in snapshot.plan.schemas]
    names += [*snapshot.plan.topology.without_schema, *repair_plans]
    return {name: repair_plans[name] for name in dict.fromkeys(names) if repair_plans.get(name)}


def _repair_plans(
    snapshot: Snapshot, expectations: Expectations, found: Mapping[str, list[Deviation]], reader: BatchReader
) -> Iterator[tuple[str, RepairPlan]]:
    everything = (one for some in found.values() for one in some)
    filled = rows.read(reader, everything, snapshot.plan.shared.schema.name)
    for name, ones in ((name, ones) for name, ones in found.items() if ones):
        to_repair = [one for one in ones if _is_to_be_repaired(one, snapshot)]
        plan = ones[0].plan
        expected, later = expectations.of(plan), expectations.in_the_end(plan)
        # The driver quotes values on a cursor, and django-tenants opens one only where a schema is set.
        tenant_connection().set_schema_to_public()
        repair_plan = plan_repair(to_repair, expected, later, filled, tenant_connection())
        yield (
            name,
            replace(repair_plan, not_restored=_not_restored(ones, repair_plan, expectations.levels.planner)),
        )
    to_create = [
        name for name in snapshot.plan.topology.without_schema if _is_found(NO_SCHEMA, name, snapshot)
    ]
    reasons = why_through_django_tenants(to_create) if to_create else {}
    for name in to_create:
        repairs, why = ((NO_SCHEMA, name),), reasons.get(name, "")
        yield name, RepairPlan(repairs=repairs, creates_schema=True, through_django_tenants=why)


def _is_found(id: str, schema: str, snapshot: Snapshot) -> bool:
    """Whether the schema has this finding, and it is open."""
    findings = snapshot.findings_by_schema.get(schema, ())
    return any(one.id == id and one.is_open for one in findings)


def _not_restored(found: Sequence[Deviation], repair_plan: RepairPlan, planner: Planner) -> tuple[str, ...]:
    """The recorded migrations, of the same apps, whose code may have filled what the repair creates empty."""
    repaired = (one for one in found if (one.difference.id, one.difference.object) in repair_plan.repairs)
    apps = {one.app for one in repaired if one.difference.id in _MADE_EMPTY}
    cohort = found[0].plan.cohort
    graph = planner.graph_of(cohort)
    keys = (key for key in graph.in_order() if key[0] in apps and key in cohort.applied)
    return tuple(dotted(key) for key in keys if key in graph.graph.nodes and opaque(graph.graph.nodes[key]))


def _deviations(
    snapshot: Snapshot, expectations: Expectations, reader: BatchReader
) -> dict[str, list[Deviation]]:
    """By schema, all deviations of the schemas that have findings."""
    plans = [one for one in snapshot.plan.schemas if one.schema.name in snapshot.findings_by_schema]
    found: dict[str, list[Deviation]] = defaultdict(list)
    if plans:
        structure = Structure(reader, expectations, {*plans, snapshot.plan.shared}, "everything")
        for one in (*structure.missing_tables(), *structure.deviations()):
            if one.plan.schema.name in snapshot.findings_by_schema:
                found[one.plan.schema.name].append(one)
    return found


def _is_to_be_repaired(one: Deviation, snapshot: Snapshot) -> bool:
    """Whether there is an open finding of it."""
    difference = one.difference
    return difference.id not in IGNORED and any(
        (finding.id, finding.object) == (difference.id, difference.object) and finding.is_open
        for finding in snapshot.findings_by_schema[one.plan.schema.name]
    )


def _refusals(snapshot: Snapshot) -> Iterator[unrecorded.Found]:
    """The errors that no statement of Django's repairs, each with its hint."""
    for one in snapshot.findings:
        if one.severity == "error" and one.id in NOT_OURS:
            yield one.schema, (), (Refusal(one.id, one.object, one.hint),)
