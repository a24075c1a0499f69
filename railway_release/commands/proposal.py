"""What a repair proposes: its result before anything is done, and the verdict on that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from railway_release.commands.inspect import pending_of
from railway_release.config.config import Config
from railway_release.errors import Exit
from railway_release.repairs import scope
from railway_release.repairs.inspect import RepairInspection
from railway_release.repairs.repair_plan import PlannedRepair, RepairPlan
from railway_release.report.repair_result import RepairResult
from railway_release.runtime.text import count
from railway_release.snapshot import Snapshot
from railway_release.verification.findings import HINTS


def seen(found: RepairInspection, config: Config) -> RepairResult:
    """The result before anything is done; schemas with equal plans are told together."""
    plan, findings = found.snapshot.plan, found.snapshot.findings
    return RepairResult(
        plan.shared.schema.name,
        pending_of(plan, config),
        findings=findings,
        compared=sum(one.is_chosen_by(config) for one in plan.schemas),
        repair_plans=_grouped(found.repair_plans),
        left_out=tuple(scope.left_out(config, findings)),
    )


def still_refusing(result: RepairResult, found: RepairInspection, after: Snapshot) -> RepairResult:
    """The result with the plans as they were, but what is refused in the end: some of it is done by then.

    `found` is the last inspection, and `after` what there is after the migrations that followed it.
    """
    open = {(one.schema, one.id, one.object) for one in after.findings}
    plans = {name: one.repair_plan for one in result.repair_plans for name in one.schemas}
    plans |= {name: RepairPlan() for name in found.repair_plans if name not in plans}
    now = {}
    for name, one in plans.items():
        last = found.repair_plans.get(name, RepairPlan()).refusals
        left = (each for each in last if each.id not in HINTS or (name, each.id, each.object) in open)
        now[name] = replace(one, refusals=tuple(left))
    return replace(result, repair_plans=_grouped({name: one for name, one in now.items() if one}))


def _grouped(plans: Mapping[str, RepairPlan]) -> tuple[PlannedRepair, ...]:
    groups: dict[RepairPlan, list[str]] = {}
    for name, one in plans.items():
        groups.setdefault(one, []).append(name)
    return tuple(PlannedRepair(one, tuple(names)) for one, names in groups.items())


def judged(result: RepairResult) -> RepairResult:
    """The verdict without --apply: 8 for what is refused, 9 for what can be done."""
    to_do = {name for one in result.repair_plans if one.repair_plan.does_something for name in one.schemas}
    refusing = {name for one in result.repair_plans if one.repair_plan.refusals for name in one.schemas}
    if refusing:
        result = result.failing(Exit.VERIFICATION, left_as_it_is(len(refusing)))
    pending = {name for group in result.pending for name in group.schemas} - refusing
    if number := len(to_do | pending):
        text = f"{count(number, 'schema')} can be repaired or migrated; nothing was written."
        result = result.failing(Exit.PENDING, text)
    return result


def left_as_it_is(number: int) -> str:
    """Why the exit code is 8 where something was refused."""
    return f"{count(number, 'schema')} cannot be repaired completely; see above why."
