"""What a repair proposes: its result before anything is done, and the verdict on that."""

from __future__ import annotations

from railway_release.commands.inspect import pending_of
from railway_release.config.config import Config
from railway_release.errors import Exit
from railway_release.repairs import scope
from railway_release.repairs.inspect import RepairInspection
from railway_release.repairs.repair_plan import PlannedRepair, RepairPlan
from railway_release.report.results import RepairResult
from railway_release.runtime.text import count


def seen(found: RepairInspection, config: Config) -> RepairResult:
    """The result before anything is done; schemas with equal plans are told together."""
    groups: dict[RepairPlan, list[str]] = {}
    for name, repair_plan in found.repair_plans.items():
        groups.setdefault(repair_plan, []).append(name)
    plan, findings = found.snapshot.plan, found.snapshot.findings
    return RepairResult(
        plan.shared.schema.name,
        pending_of(plan, config),
        findings=findings,
        repair_plans=tuple(PlannedRepair(one, tuple(names)) for one, names in groups.items()),
        left_out=tuple(scope.left_out(config, findings)),
    )


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
