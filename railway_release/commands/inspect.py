"""The commands that only look: plan, verify, check and status; and the plan with which a release begins."""

from __future__ import annotations

from typing import cast

from railway_release.commands.phases import phase, preflight
from railway_release.config.config import Config
from railway_release.errors import Exit, InvalidConfiguration
from railway_release.migrations.outcome import Key, in_words
from railway_release.migrations.plan import Plan, Planner
from railway_release.migrations.schema_status import status_of
from railway_release.preflight.target import Target
from railway_release.report.report import Pending, Report
from railway_release.runtime.log import get_logger
from railway_release.runtime.text import count, schemas_in_words
from railway_release.snapshot import Extent, Snapshot, take_record_snapshot, take_snapshot
from railway_release.verification.capacity import TooHeavy
from railway_release.verification.compare import Depth


def inspect(target: Target, report: Report) -> None:
    """plan, verify and check: one look, and what each concludes from it."""
    preflight(target, report)
    with phase(report, "plan"):
        _, snapshot = planned(target, report)
    report.findings = snapshot.findings
    report.causes |= _conclusions(report.command, snapshot, target.config)


def status(target: Target, report: Report) -> None:
    """How far each schema is; whatever there is to see is shown, and nothing is judged."""
    config = target.config
    if config.app[1:]:
        raise InvalidConfiguration("status takes --app with a label alone.", f"Type: --app {config.app[0]}")
    preflight(target, report)
    with phase(report, "status"):
        planner = Planner()
        for app in config.app:
            planner.check_app(app)
        plan, recorded = take_record_snapshot(target, planner)
        report.status = status_of(plan, recorded, planner, config)
    report.shared_schema = plan.shared.schema.name
    report.each_schema = config.schemas
    report.pending = tuple(Pending(one.pending, one.schemas) for one in report.status.groups if one.pending)


def planned(target: Target, report: Report) -> tuple[Planner, Snapshot]:
    """One look, as deep as the command wants it; what is pending is told."""
    planner = Planner(*target.config.app)
    looking, start = report.command in ("verify", "check"), target.config.start
    depth = cast("Depth", target.config.depth if looking else "tables")
    extent: Extent = "tables" if looking and depth != "everything" else "all"
    snapshot = take_snapshot(target, planner, depth=depth, extent="shared tables" if start else extent)
    if start:
        _say_what_was_looked_at(snapshot.plan, depth)
    report.shared_schema = snapshot.plan.shared.schema.name
    report.pending = pending_of(snapshot.plan, target.config)
    _say_what_is_pending(snapshot.plan, report.pending)
    _say_what_is_too_heavy(snapshot, target.config)
    # A start command must be quick, and cannot mend models.
    if not start and (changed := planner.changed_models()):
        text = f"models changed without a migration in {', '.join(changed)}; run makemigrations"
        get_logger().warning("models.changed", message=text, apps=changed)
    return planner, snapshot


_LOOKED_AT = """looked at: the shared schema {} ({}); of {}, the records and whether the tables are there. \
Not looked at: the tenants' columns, keys, constraints and indexes, and content types and permissions: \
`python run_migrations.py check` does"""


def _say_what_was_looked_at(plan: Plan, depth: Depth) -> None:
    """A start command is to be quick, so it reads what its answer needs; nobody is to take it for more."""
    tenants, shared = len(plan.tenants), plan.shared.schema.name
    text = _LOOKED_AT.format(shared, depth, count(tenants, "tenant"))
    get_logger().info("check.narrowed", message=text, schema=shared, depth=depth, tenants=tenants)


def _say_what_is_pending(plan: Plan, pending: tuple[Pending, ...]) -> None:
    waiting = sum(len(group.schemas) for group in pending)
    steps = tuple(dict.fromkeys(step for group in pending for step in group.migrations))
    text = f"migrations are pending in {waiting} of {count(len(plan.schemas), 'schema')}"
    text += f": {in_words(steps)}" if steps else ""
    get_logger().info("plan.made", message=text, schemas=len(plan.schemas), pending=waiting)


def _say_what_is_too_heavy(snapshot: Snapshot, config: Config) -> None:
    groups: dict[TooHeavy, list[str]] = {}
    for one in snapshot.plan.pending:
        if one.within(config) and (heavy := snapshot.too_heavy.get(one.schema.name)):
            groups.setdefault(heavy, []).append(one.schema.name)
    for heavy, names in groups.items():
        text = f"{schemas_in_words(names)}: {heavy.message}"
        get_logger().warning("migrations.too_heavy", message=text, schemas=names[:100], hint=heavy.hint)


def pending_of(plan: Plan, config: Config) -> tuple[Pending, ...]:
    """The pending migrations that the command is about."""
    groups: dict[tuple[Key, ...], list[str]] = {}
    for one in plan.pending:
        if one.within(config):
            groups.setdefault(one.cohort.steps, []).append(one.schema.name)
    return tuple(Pending(steps, tuple(schemas)) for steps, schemas in groups.items())


def _conclusions(command: str, snapshot: Snapshot, config: Config) -> dict[Exit, str]:
    shared = snapshot.plan.shared.schema.name
    waiting = [one for one in snapshot.plan.schemas if (one.pending or one.unfinished) and one.within(config)]
    pending = [one.schema.name for one in waiting]
    errors = [f.schema for f in snapshot.findings if f.severity == "error"]
    if config.start:
        pending, errors = ([name for name in names if name == shared] for names in (pending, errors))
    causes = {}
    if pending and command in ("plan", "check", "release"):
        verb = "not finished" if any(one.unfinished for one in waiting) else "pending"
        causes[Exit.PENDING] = f"Migrations are {verb} in {count(len(pending), 'schema')}."
    if errors and command in ("verify", "check"):
        causes[Exit.VERIFICATION] = errors_in_words(len(errors))
    return causes


def errors_in_words(errors: int) -> str:
    """Why verification fails a command."""
    return f"Verification found {count(errors, 'error')}."
