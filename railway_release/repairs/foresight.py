"""Foresight: what the repairs that `doctor` advises will do, so that none is promised more than it does."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from railway_release.diagnosis.causes import Cause
from railway_release.diagnosis.commands import SHOWS_DECISIONS, SHOWS_THE_SQL
from railway_release.diagnosis.half_applied import UNRECORDED
from railway_release.preflight.target import Target
from railway_release.repairs import unrecorded
from railway_release.repairs.inspect import inspect_snapshot
from railway_release.repairs.repair_plan import RepairPlan
from railway_release.runtime.waiting import told
from railway_release.snapshot import Snapshot
from railway_release.verification.findings import (
    CHANGE_EARLY,
    COLUMN_EARLY,
    COLUMN_MISSING,
    GHOST,
    HALF_CREATED,
    MASKED,
    TENANTS_UNKNOWN,
)

# The findings that causes with names of their own are about.
_ABOUT = {
    **dict.fromkeys(("app.moved", "template.stale", "release.held_up"), frozenset({GHOST, MASKED})),
    TENANTS_UNKNOWN: frozenset({GHOST, COLUMN_MISSING}),
    COLUMN_EARLY: frozenset({COLUMN_EARLY, UNRECORDED}),
    CHANGE_EARLY: frozenset({CHANGE_EARLY, UNRECORDED}),
}
_DOES_A_PART = "shows the SQL, and what has to be decided; --apply does the rest"


def plans_of(causes: Iterable[Cause], target: Target, snapshot: Snapshot) -> Mapping[str, RepairPlan]:
    """The repair plans of all schemas, by name; none if no cause advises a repair."""
    if not any(_advises_repair(one) for one in causes):
        return {}
    everything = replace(target.config, warnings=True, finding=(), create_schema=False)
    with told("the repairs that are advised are being planned"):
        return inspect_snapshot(replace(target, config=everything), snapshot).repair_plans


def foreseen(one: Cause, plans: Mapping[str, RepairPlan]) -> Cause:
    """The cause; where its repair leaves something to a person, or waits for another, the command says so."""
    if not _advises_repair(one):
        return one
    ids = _ABOUT.get(one.id, frozenset({one.id}))
    own = [plans[name] for name in one.schemas if name in plans]
    able = [plan for plan in own if _does(plan, ids)]
    left = [plan for plan in own if plan not in able and plan.refusals]
    if not left and not any(refusal.id in ids for plan in own for refusal in plan.refusals):
        return one
    says = _DOES_A_PART if able else SHOWS_DECISIONS
    return replace(one, command=f"{one.command.partition('  # ')[0]}  # {says}")


def _advises_repair(one: Cause) -> bool:
    """Whether it says of a repair no more than that it shows SQL, which --apply runs."""
    return one.command.endswith(f"# {SHOWS_THE_SQL}; --apply does it")


def _does(plan: RepairPlan, ids: Collection[str]) -> bool:
    """Whether the plan does something about findings of these ids."""
    records = bool(plan.records) and not unrecorded.IDS.isdisjoint(ids)
    return (
        records or any(id in ids for id, _ in plan.repairs) or (plan.finishes_schema and HALF_CREATED in ids)
    )
