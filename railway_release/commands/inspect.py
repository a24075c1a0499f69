"""The commands that only read: plan, verify, check and status; and the plan with which a release begins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from railway_release.commands import selection
from railway_release.commands.phases import phase, preflight
from railway_release.config.config import Config
from railway_release.errors import Exit, InvalidConfiguration
from railway_release.migrations.outcome import in_words
from railway_release.migrations.plan import Plan, Planner
from railway_release.migrations.schema_status import status_of
from railway_release.preflight.target import Target
from railway_release.report.report import Report
from railway_release.report.result import Pending, Result
from railway_release.report.results import CheckResult, PlanResult, StatusResult, VerifyResult
from railway_release.runtime.log import get_logger
from railway_release.runtime.program import PROGRAM
from railway_release.runtime.text import count, schemas_in_words
from railway_release.snapshot import Extent, Snapshot, take_record_snapshot, take_snapshot
from railway_release.verification import blocking
from railway_release.verification.capacity import TooHeavy
from railway_release.verification.compare import Depth
from railway_release.verification.extensions import MisplacedExtension
from railway_release.verification.findings import INCOMPLETE, UNFINISHED

R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class Planned:
    """What is there, and which of the pending migrations the command is about."""

    planner: Planner
    snapshot: Snapshot
    pending: tuple[Pending, ...]

    @property
    def shared_schema(self) -> str:
        """The name of the shared schema."""
        return self.snapshot.plan.shared.schema.name


def plan(target: Target, report: Report) -> None:
    """What a release would do; exit code 9 if that is anything."""
    result, found = _inspected(target, report, PlanResult, in_depth=False)
    config = target.config
    result = replace(result, every=config.all, foreseen=_foreseen(result, found, config))
    report.result = _failing_for_pending(result, found, config)


def verify(target: Target, report: Report) -> None:
    """Whether every schema holds what its migrations say; exit code 8 if not."""
    result, found = _inspected(target, report, VerifyResult, in_depth=True)
    report.result = _failing_for_errors(result, found, target.config)


def check(target: Target, report: Report) -> None:
    """Whether nothing is pending and nothing is missing; with --start, only the shared schema is judged."""
    result, found = _inspected(target, report, CheckResult, in_depth=True)
    result = _failing_for_pending(result, found, target.config)
    report.result = _failing_for_errors(result, found, target.config)


def _inspected(target: Target, report: Report, kind: type[R], *, in_depth: bool) -> tuple[R, Planned]:
    """What was found, as a result of this kind that is not judged yet."""
    preflight(target, report)
    with phase(report, "plan"):
        found = planned(target, in_depth=in_depth)
    held_up = blocking.held_up(found.snapshot.plan, found.snapshot.findings)
    compared = sum(one.is_chosen_by(target.config) for one in found.snapshot.plan.schemas)
    findings = found.snapshot.findings
    result = kind(found.shared_schema, found.pending, held_up=held_up, findings=findings, compared=compared)
    return result, found


def status(target: Target, report: Report) -> None:
    """Show which migrations each schema has; nothing is judged."""
    config = target.config
    if config.app[1:]:
        raise InvalidConfiguration("status takes --app with a label alone.", f"Type: --app {config.app[0]}")
    preflight(target, report)
    with phase(report, "status"):
        planner = Planner()
        for app in config.app:
            planner.check_app(app)
        plan, recorded = take_record_snapshot(target, planner)
        found = status_of(plan, recorded, config)
        say_what_is_put_aside(plan)
    pending = tuple(Pending(one.pending, one.schemas) for one in found.groups if one.pending)
    report.result = StatusResult(plan.shared.schema.name, pending, status=found, each_schema=config.schemas)


def planned(target: Target, *, in_depth: bool = False) -> Planned:
    """Take a snapshot, as deep as --depth says if `in_depth`, and log what is pending."""
    planner = Planner(*target.config.app)
    start = target.config.start
    depth: Depth = target.config.depth if in_depth else "tables"
    extent: Extent = "tables" if in_depth and depth != "everything" else "all"
    snapshot = take_snapshot(target, planner, depth=depth, extent="shared tables" if start else extent)
    if start:
        _say_what_was_looked_at(snapshot.plan, depth)
    say_what_is_put_aside(snapshot.plan)
    pending = pending_of(snapshot.plan, target.config)
    _say_what_is_pending(snapshot.plan, pending)
    _say_what_fails(snapshot, target.config)
    # A start command must be quick, and cannot change models.
    if not start and (changed := snapshot.plan.graph.changed_models()):
        text = f"models changed without a migration in {', '.join(changed)}; run makemigrations"
        get_logger().warning("models.changed", message=text, apps=changed)
    return Planned(planner, snapshot, pending)


def say_what_is_put_aside(plan: Plan) -> None:
    """One line for the schemas that are no tenants, since a restore has put them aside or copied them."""
    if names := plan.topology.put_aside:
        text = f"left alone, as a restore has put aside or copied: {schemas_in_words(names)}"
        get_logger().info("schemas.put_aside", message=text, schemas=list(names)[:100])


_LOOKED_AT = """looked at: the shared schema {} ({}); of {}, the records and whether the tables are there. \
Not looked at: the tenants' columns, keys, constraints and indexes, and content types and permissions: \
`{} check` does"""


def _say_what_was_looked_at(plan: Plan, depth: Depth) -> None:
    """A start command must be quick, so it reads only what its answer needs; say what that leaves out."""
    tenants, shared = len(plan.tenants), plan.shared.schema.name
    text = _LOOKED_AT.format(shared, depth, count(tenants, "tenant"), PROGRAM)
    get_logger().info("check.narrowed", message=text, schema=shared, depth=depth, tenants=tenants)


def _say_what_is_pending(plan: Plan, pending: tuple[Pending, ...]) -> None:
    waiting = sum(len(group.schemas) for group in pending)
    steps = tuple(dict.fromkeys(step for group in pending for step in group.migrations))
    text = f"migrations are pending in {waiting} of {count(len(plan.schemas), 'schema')}"
    text += f": {in_words(steps)}" if steps else ""
    squashed = dict.fromkeys(key for one in plan.schemas for key in one.cohort.squashes)
    text += f"; a release only records {in_words((*squashed,))}, as squashed" if squashed else ""
    get_logger().info("plan.made", message=text, schemas=len(plan.schemas), pending=waiting)


def _say_what_fails(snapshot: Snapshot, config: Config) -> None:
    groups: dict[TooHeavy | MisplacedExtension, list[str]] = {}
    for one in snapshot.plan.pending:
        if one.is_chosen_by(config) and (obstacle := snapshot.obstacles.get(one.schema.name)):
            groups.setdefault(obstacle, []).append(one.schema.name)
    for obstacle, names in groups.items():
        text = f"{schemas_in_words(names)}: {obstacle.message}"
        event = "migrations.too_heavy" if isinstance(obstacle, TooHeavy) else "extension.astray"
        get_logger().warning(event, message=text, schemas=names[:100], hint=obstacle.hint)


def pending_of(plan: Plan, config: Config) -> tuple[Pending, ...]:
    """The pending migrations of the chosen schemas."""
    return tuple(Pending(steps, tuple(names)) for steps, names in plan.pending_groups(config).items())


def _foreseen(result: PlanResult, found: Planned, config: Config) -> str:
    """The exit code of a release that meets what was found, and why, in words; empty if nothing is wrong."""
    snapshot, shared = found.snapshot, found.snapshot.plan.shared
    is_due = shared.due and shared.is_chosen_by(config)
    if is_due and (outcome := selection.not_to_be_touched(snapshot, shared)):
        return _would_exit(Exit.SHARED_FAILED, f"{outcome.schema} would not be touched, and no tenant either")
    failed = [one.schema for one in selection.without_migrating(snapshot, config) if one.state == "failed"]
    if len(failed) > config.tolerate_failed:
        return _would_exit(Exit.TENANTS_FAILED, f"{schemas_in_words(failed)} would not be migrated")
    left = [one for one in result.errors if one.id not in _COMPLETED]
    if left and config.verify == "strict":
        return _would_exit(Exit.VERIFICATION, f"{count(len(left), 'error')} would be left")
    return _would_exit(Exit.DONE, "nothing of this fails it") if result.errors else ""


# What a release does by itself.
_COMPLETED = {INCOMPLETE, UNFINISHED}


def _would_exit(code: Exit, why: str) -> str:
    return f"A release would end with exit code {int(code)}: {why}."


def _failing_for_pending(result: R, found: Planned, config: Config) -> R:
    waiting = [
        one
        for one in found.snapshot.plan.schemas
        if (one.pending or one.unfinished)
        and one.is_chosen_by(config)
        and _counts(one.schema.name, found, config)
    ]
    if not waiting:
        return result
    verb = "not finished" if any(one.unfinished for one in waiting) else "pending"
    return result.failing(Exit.PENDING, f"Migrations are {verb} in {count(len(waiting), 'schema')}.")


def _failing_for_errors(result: R, found: Planned, config: Config) -> R:
    errors = [one for one in result.errors if _counts(one.schema, found, config)]
    return result.failing(Exit.VERIFICATION, errors_in_words(len(errors))) if errors else result


def _counts(schema: str, found: Planned, config: Config) -> bool:
    """Whether the exit code depends on it: with --start, only the shared schema matters."""
    return not config.start or schema == found.shared_schema


def errors_in_words(errors: int) -> str:
    """The sentence for a verification that found errors."""
    return f"Verification found {count(errors, 'error')}."
