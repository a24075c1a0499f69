"""The phases of a release, in order."""

from __future__ import annotations

from dataclasses import replace

from railway_release.backup.once import Backup
from railway_release.commands import collectstatic, tenants
from railway_release.commands.inspect import errors_in_words, planned
from railway_release.commands.migrate import migrate, naming_the_unreached, shared_failed
from railway_release.commands.phases import locked, phase, preflight_to_write
from railway_release.commands.work import Work
from railway_release.engine.choose import chosen_engine
from railway_release.errors import Exit
from railway_release.preflight.target import Target
from railway_release.report.progress import Progress
from railway_release.report.report import Report
from railway_release.report.results import ReleaseResult
from railway_release.snapshot import Snapshot, take_snapshot
from railway_release.verification.compare import mark_known


def release(target: Target, report: Report) -> None:
    """Migrate the shared schema, then every tenant schema."""
    preflight_to_write(target, report)
    with locked(target, report) as token:
        with phase(report, "plan"):
            plan = planned(target)
        result = report.result = ReleaseResult(plan.shared_schema, plan.pending)
        engine = chosen_engine(target, plan.snapshot.plan, token)
        progress = Progress(target.invocation.screen)
        backup = Backup(target, plan.shared_schema, _names(plan.snapshot))
        work = Work(target, plan.planner, plan.snapshot, engine, backup, progress)
        try:
            with naming_the_unreached(work):
                with phase(report, "backup") as this:
                    _back_up(work)
                    this.idle = not work.backup.ran
                seen = migrate(work, report)
        finally:
            result = replace(result, outcomes=tuple(work.outcomes), backup=backup.result)
            result = report.result = replace(result, backup_name=backup.name, restorable=_restorable(work))
        result = report.result = _judged(work, result)
        with phase(report, "verify") as this:
            this.idle = not result.wrote
            result = report.result = _verified(work, seen, result)
    with phase(report, "collectstatic") as this:
        config = target.config
        this.idle = shared_failed(work) or not collectstatic.wanted(config.collectstatic, config.schema)
        report.result = result if this.idle else _with_static_files(work, result)


def _names(snapshot: Snapshot) -> tuple[str, ...]:
    return tuple(one.name for one in snapshot.plan.topology.schemas)


def _back_up(work: Work) -> None:
    config, plan = work.target.config, work.before.plan
    work.backup.before_writing(one for one in plan.schemas if one.is_chosen_by(config))


def _restorable(work: Work) -> dict[str, list[str]]:
    """The tenants that failed after this run had changed them, or where something stayed; by their backup."""
    shared, held = work.before.plan.shared.schema.name, work.backup.held
    found: dict[str, list[str]] = {}
    for one in work.outcomes:
        changed = one.state == "failed" and (one.applied or one.hint in tenants.MAY_STAY)
        if changed and one.schema in held and one.schema != shared:
            found.setdefault(held[one.schema], []).append(one.schema)
    return found


def _judged(work: Work, result: ReleaseResult) -> ReleaseResult:
    if shared_failed(work):
        text = f"The shared schema {result.shared_schema} failed, so no tenant was touched."
        result = result.failing(Exit.SHARED_FAILED, text)
    return result.failing_for_tenants(work.target.config.tolerate_failed)


def _verified(work: Work, seen: Snapshot, result: ReleaseResult) -> ReleaseResult:
    after = take_snapshot(work.target, work.planner, seen) if result.wrote else seen
    work.outcomes.extend(tenants.latecomers(work, after))
    findings = mark_known(after.findings, work.before.findings)
    result = replace(result, outcomes=tuple(work.outcomes), findings=findings)
    if not result.errors or work.target.config.verify != "strict":
        return result
    return result.failing(Exit.VERIFICATION, errors_in_words(len(result.errors)))


def _with_static_files(work: Work, result: ReleaseResult) -> ReleaseResult:
    failure = collectstatic.collect(work.target.invocation.platform)
    return result.failing(Exit.COLLECTSTATIC, f"collectstatic failed: {failure}") if failure else result
