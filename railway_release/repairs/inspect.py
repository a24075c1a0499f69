"""Inspecting schemas for a repair: everything that is wrong, and the plan that repairs each schema."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import cast

from railway_release.config.config import Config
from railway_release.diagnosis import choices, tenant_choices
from railway_release.migrations.plan import Planner, SchemaPlan
from railway_release.postgres.batch_reader import BatchReader
from railway_release.postgres.dependents import NOTHING, Dependents
from railway_release.postgres.session import clip
from railway_release.preflight.target import Target
from railway_release.repairs import forbidding_rows, mistyped, rows, scope, taken_names, unrecorded
from railway_release.repairs.case import Case
from railway_release.repairs.create import why_through_django_tenants
from railway_release.repairs.not_restored import not_restored
from railway_release.repairs.other_kind import OtherKind
from railway_release.repairs.plan import plan_repair
from railway_release.repairs.refusals import NOT_OURS, leaves
from railway_release.repairs.repair_plan import Named, Refusal, RepairPlan
from railway_release.snapshot import Snapshot, reading, take_snapshot, update_snapshot
from railway_release.topology import tenant_connection
from railway_release.verification.expectations import Expectations
from railway_release.verification.findings import (
    GHOST,
    HALF_CREATED,
    MASKED,
    MISNAMED,
    NO_SCHEMA,
    TABLE_KIND,
    Finding,
)
from railway_release.verification.structure import Deviation, Structure

Replan = Callable[[Mapping[Named, Refusal]], RepairPlan]  # given what the server refuses, with its words


@dataclass(frozen=True)
class RepairInspection:
    """One snapshot, with what deviates in each schema and the plan of its repair; keys are schema names."""

    snapshot: Snapshot
    expectations: Expectations
    deviations: Mapping[str, Sequence[Deviation]]
    repair_plans: Mapping[str, RepairPlan]
    replan: Mapping[str, Replan]  # the plan of a schema without what the server has refused

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


def inspect_schemas(
    target: Target, planner: Planner, earlier: Snapshot | None = None, changed: Collection[str] = ()
) -> RepairInspection:
    """Take a snapshot and plan the repair of each schema; nothing is written.

    Of an `earlier` snapshot, the schemas that have not `changed` since are not read again.
    """
    if earlier:
        snapshot = update_snapshot(target, planner, earlier, changed)
    else:
        snapshot = take_snapshot(target, planner, depth="everything")
    return inspect_snapshot(target, snapshot)


def inspect_snapshot(target: Target, snapshot: Snapshot) -> RepairInspection:
    """Plan the repair of each schema of a snapshot of everything; nothing is written."""
    return reading(target, lambda reader: _Inspecting(target, snapshot, reader).result())


@dataclass(frozen=True)
class _Inspecting:
    target: Target
    snapshot: Snapshot
    reader: BatchReader

    @property
    def config(self) -> Config:
        return self.target.config

    @property
    def structure(self) -> Structure:
        return cast("Structure", self.snapshot.structure)  # it was asked for

    @property
    def expectations(self) -> Expectations:
        return self.structure.expectations

    def result(self) -> RepairInspection:
        found = self._deviations()
        begun = self._unrecorded()
        apps = {(name, app) for name, keys, refused in begun for app in unrecorded.apps(keys, refused)}
        known = {name: [*self._without_unsettled(ones, apps)] for name, ones in found.items()}
        replan = dict(self._replanners(known))
        plans = defaultdict(RepairPlan, {name: of_schema({}) for name, of_schema in replan.items()})
        plans |= self._creations()
        for one in self._found(HALF_CREATED):
            repairs = (*plans[one.schema].repairs, (HALF_CREATED, one.schema))
            plans[one.schema] = replace(plans[one.schema], repairs=repairs, finishes_schema=True)
        for name, keys, refusals in (*begun, *self._not_ours()):
            one_plan = plans[name]
            plans[name] = replace(
                one_plan, records=(*one_plan.records, *keys), refusals=(*one_plan.refusals, *refusals)
            )
        return RepairInspection(self.snapshot, self.expectations, found, self._in_order(plans), replan)

    def _deviations(self) -> dict[str, list[Deviation]]:
        """By schema, all deviations of the schemas that have findings."""
        found: dict[str, list[Deviation]] = defaultdict(list)
        if self.snapshot.plan.shared.cohort.inconsistency:
            return found  # first its records: nobody knows all the tables that others point to
        for one in (*self.structure.missing_tables(), *self.structure.deviations()):
            if one.plan.schema.name in self.snapshot.findings_by_schema:
                found[one.plan.schema.name].append(one)
        return found

    def _unrecorded(self) -> list[unrecorded.Found]:
        asked = {*self.config.finding}
        if asked and asked.isdisjoint(unrecorded.IDS):
            return []
        return list(unrecorded.find(self.config, self.snapshot, self.expectations, self.reader))

    def _without_unsettled(
        self, found: Sequence[Deviation], unsettled: Collection[tuple[str, str]]
    ) -> Iterator[Deviation]:
        """The deviations but those that an unrecorded migration may explain: its record is repaired first."""
        for one in found:
            moves = leaves(one, self.expectations.in_the_end(one.plan))
            if not (moves and (one.plan.schema.name, one.app) in unsettled):
                yield one

    def _replanners(self, found: Mapping[str, Sequence[Deviation]]) -> Iterator[tuple[str, Replan]]:
        shared = self.snapshot.plan.shared.schema.name
        wanted = {name: self._in_scope(name, ones) for name, ones in found.items()}
        filled = rows.read(self.reader, (one for ones in wanted.values() for one in ones), shared)
        plans: dict[str, tuple[Case, Replan, RepairPlan]] = {}
        for name, ones in wanted.items():
            if ones:
                typed = frozenset(mistyped.columns(found[name]))
                case = replace(
                    self._case(name, list(ones), filled), mistyped=typed, using=dict(self._using(name, ones))
                )
                plan: Replan = partial(self._planned, case, ones)
                plans[name] = case, plan, plan({})
        connection = self.reader.connection
        held = taken_names.read(connection, {name: first for name, (_, _, first) in plans.items()})
        for name, (case, replan, first) in plans.items():
            forbidden = forbidding_rows.refusals(connection, name, case, first)
            yield name, _replanner(replan, forbidden | taken_names.refusals(name, first, held))

    def _using(self, schema: str, found: Iterable[Deviation]) -> Iterator[tuple[Named, Dependents]]:
        """What uses the columns that a person has to change or drop."""
        for one in (each.difference for each in found):
            using = choices.dependents(self.reader.connection, one.id, schema, one.object, one.expected)
            if using != NOTHING:
                yield (one.id, one.object), using

    def _in_scope(self, schema: str, found: Sequence[Deviation]) -> dict[Deviation, Finding]:
        """The deviations that the repair is about, each with its finding."""
        of_schema = {(one.id, one.object): one for one in self.snapshot.findings_by_schema.get(schema, ())}
        pairs = ((one, of_schema.get((one.difference.id, one.difference.object))) for one in found)
        return {
            _as_elsewhere(one, finding): finding
            for one, finding in pairs
            if finding
            and finding.id not in NOT_OURS
            and scope.includes(self.config, finding.id, finding.severity)
        }

    def _case(self, name: str, found: list[Deviation], filled: rows.Rows) -> Case:
        expectations, plan = self.expectations, found[0].plan
        actual = self.structure.shapes_of(name)
        return Case(
            tuple(found),
            expectations.of(plan),
            expectations.in_the_end(plan),
            actual,
            filled,
            self.snapshot.plan.shared.schema.name,
            expectations.shared_tables,
        )

    def _planned(
        self, case: Case, found: Mapping[Deviation, Finding], refused: Mapping[Named, Refusal]
    ) -> RepairPlan:
        # The driver quotes values on a cursor, and django-tenants opens one only where a schema is set.
        tenant_connection().set_schema_to_public()
        plan = plan_repair(case, tenant_connection(), refused)
        done = [one for one in case.found if (one.difference.id, one.difference.object) in plan.repairs]
        effects = (scope.effect(found[one]) for one in done if found[one].severity == "warning")
        return replace(plan, effects=tuple(effects), not_restored=not_restored(done))

    def _creations(self) -> Iterator[tuple[str, RepairPlan]]:
        """The plans for rows without schema; only --create-schema makes these, since they will be empty."""
        found = [*self._found(NO_SCHEMA)]
        create = [one.schema for one in found if self._is_to_be_created(one)]
        reasons = why_through_django_tenants(create) if create else {}
        for name in create:
            repairs, why = ((NO_SCHEMA, name),), reasons.get(name, "")
            yield name, RepairPlan(repairs=repairs, creates_schema=True, through_django_tenants=why)
        for one in found:
            asked = self.config.create_schema or scope.includes(self.config, one.id, one.severity)
            if asked and one.schema not in create:
                yield one.schema, RepairPlan(refusals=(self._refusal(one, _EMPTY),))

    def _is_to_be_created(self, one: Finding) -> bool:
        """Whether a schema is asked for; by its name, where one of another name may be the tenant's."""
        named = one.schema in {clip(name) for name in self.config.schema}
        return self.config.create_schema and (named or not one.candidates)

    def _found(self, id: str) -> Iterator[Finding]:
        """The open findings of this id."""
        asked = not self.config.finding or id in self.config.finding or self.config.create_schema
        for one in self.snapshot.findings if asked else ():
            if one.id == id and one.is_open:
                yield one

    def _not_ours(self) -> Iterator[unrecorded.Found]:
        """What no statement of Django's repairs, each with its hint."""
        for one in self.snapshot.findings:
            named = one.id in self.config.finding and one.id in scope.NO_DEVIATIONS
            if named or (one.id in NOT_OURS and scope.includes(self.config, one.id, one.severity)):
                why = f"{one.reason}. {one.hint}" if one.reason else one.hint
                yield one.schema, (), (self._refusal(one, why),)

    def _refusal(self, one: Finding, why: str) -> Refusal:
        is_told = one.candidates and one.id != MISNAMED
        found = f"{one.found[:1].upper()}{one.found[1:]}. {why}" if is_told else why
        ways = tenant_choices.about(one, self.snapshot.plan.topology) or choices.of(one.id, one.object, "")
        if one.id == TABLE_KIND:
            ways = tuple(self._other_kind(one).choices())
        return Refusal(one.id, one.object, found, ways)

    def _other_kind(self, one: Finding) -> OtherKind:
        plan = self.structure.plans[one.schema]
        makers = self.expectations.makers_of(plan, one.object)
        expected, actual = self.expectations.of(plan), self.structure.shapes_of(one.schema)
        return OtherKind(plan, one.object, expected, actual, makers)

    def _in_order(self, plans: Mapping[str, RepairPlan]) -> dict[str, RepairPlan]:
        """The shared schema first, since others have keys to it; the same order each time."""
        names = [one.schema.name for one in self.snapshot.plan.schemas]
        names += [*self.snapshot.plan.topology.without_schema, *plans]
        return {name: plans[name] for name in dict.fromkeys(names) if plans.get(name)}


def _as_elsewhere(one: Deviation, finding: Finding) -> Deviation:
    """The deviation; of a missing table, with the kind that it has in the other schemas."""
    if one.difference.id not in (GHOST, MASKED) or not finding.expected:
        return one
    return replace(one, difference=replace(one.difference, expected=finding.expected))


_EMPTY = "A new schema would be EMPTY: what was in the old one comes back from a backup alone."


def _replanner(plan: Replan, forbidden: Mapping[Named, Refusal]) -> Replan:
    """Plans again with what was refused meanwhile, beside what is forbidden already."""
    return lambda refused: plan({**forbidden, **refused})
