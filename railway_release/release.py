"""The phases of a release, in order; and the commands that only look."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import cast

from railway_release import static, tenants, triage
from railway_release.backup.once import Backup
from railway_release.config import Config
from railway_release.engines.choose import chosen_engine
from railway_release.engines.guard import OwnGuard
from railway_release.errors import Exit, InvalidConfiguration
from railway_release.interrupts import Interrupts
from railway_release.log import Screen, get_logger
from railway_release.migrations.outcome import Key, Outcome, in_words
from railway_release.migrations.plan import Plan, Planner
from railway_release.migrations.standing import status_of
from railway_release.phases import locked, phase, preflight, preflight_to_write
from railway_release.preflight.target import Target
from railway_release.progress import Progress, tell
from railway_release.report import Pending, Report
from railway_release.survey import Survey, look, look_at_records
from railway_release.verification.compare import Depth, mark_known
from railway_release.words import count
from railway_release.work import Work


def release(target: Target, report: Report, screen: Screen, interrupts: Interrupts) -> None:
    """Migrate the shared schema, then every tenant schema; what happened is in the report."""
    preflight_to_write(target, report, screen)
    with locked(target, report, interrupts) as watch:
        with phase(report, "plan"):
            planner, before = _plan(target, report)
        engine = chosen_engine(target, planner, OwnGuard(interrupts, watch))
        work = Work(target, report, planner, before, engine, Backup(target, interrupts), Progress(screen))
        with naming_the_unreached(work):
            with phase(report, "backup"):
                _back_up(work)
            seen = migrate(work)
        with phase(report, "verify"):
            _verify(work, seen)
    with phase(report, "collectstatic"):
        _collect_static(work)


def migrate(work: Work) -> Survey:
    """The shared schema, then the tenants; returns what was seen last before the first tenant."""
    with phase(work.report, "shared"):
        _migrate_shared(work)
    with phase(work.report, "tenants"):
        return _migrate_tenants(work)


def inspect(target: Target, report: Report) -> None:
    """plan, verify and check: one look, and what each concludes from it."""
    preflight(target, report)
    with phase(report, "plan"):
        _, survey = _plan(target, report)
    report.findings = survey.findings
    report.causes |= _conclusions(report.command, survey, target.config)


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
        plan, recorded = look_at_records(target, planner)
        report.status = status_of(plan, recorded, planner, config)
    report.shared_schema = plan.shared.schema.name
    report.each_schema = config.schemas
    report.pending = tuple(Pending(one.pending, one.schemas) for one in report.status.groups if one.pending)


@contextlib.contextmanager
def naming_the_unreached(work: Work) -> Iterator[None]:
    """Whatever ends the release early: every schema with pending work has an outcome in the report."""
    try:
        yield
    except BaseException:
        named = {outcome.schema for outcome in work.report.outcomes}
        waiting = [one for one in work.before.plan.pending if one.within(work.target.config)]
        work.report.outcomes += tuple(
            Outcome(one.schema.name, "not reached", message=tenants.NOT_REACHED)
            for one in waiting
            if one.schema.name not in named
        )
        raise


def _plan(target: Target, report: Report) -> tuple[Planner, Survey]:
    planner = Planner(*target.config.app)
    looking = report.command in ("verify", "check")
    depth = cast("Depth", target.config.depth if looking else "tables")
    survey = look(target, planner, depth=depth, rows=not looking or depth == "everything")
    report.shared_schema = survey.plan.shared.schema.name
    report.pending = pending_of(survey.plan, target.config)
    _say_what_ispending_of(survey.plan, report.pending)
    # A start command must be quick, and cannot mend models.
    if not target.config.start and (changed := planner.changed_models()):
        text = f"models changed without a migration in {', '.join(changed)}; run makemigrations"
        get_logger().warning("models.changed", message=text, apps=changed)
    return planner, survey


def _say_what_ispending_of(plan: Plan, pending: tuple[Pending, ...]) -> None:
    waiting = sum(len(group.schemas) for group in pending)
    steps = tuple(dict.fromkeys(step for group in pending for step in group.migrations))
    text = f"migrations are pending in {waiting} of {count(len(plan.schemas), 'schema')}"
    text += f": {in_words(steps)}" if steps else ""
    get_logger().info("plan.made", message=text, schemas=len(plan.schemas), pending=waiting)


def pending_of(plan: Plan, config: Config) -> tuple[Pending, ...]:
    """The pending migrations that the command is about."""
    groups: dict[tuple[Key, ...], list[str]] = {}
    for one in plan.pending:
        if one.within(config):
            groups.setdefault(one.cohort.steps, []).append(one.schema.name)
    return tuple(Pending(steps, tuple(schemas)) for steps, schemas in groups.items())


def _back_up(work: Work) -> None:
    config, plan = work.target.config, work.before.plan
    work.backup.before_writing(one for one in plan.schemas if one.within(config))
    work.report.backup = work.backup.result


def _migrate_shared(work: Work) -> None:
    for outcome in _shared_outcome(work):
        work.report.outcomes = (outcome,)
        if outcome.state in ("migrated", "failed"):
            tell(outcome)
        if outcome.state == "failed":
            text = f"The shared schema {outcome.schema} failed, so no tenant was touched."
            work.report.fail(Exit.SHARED_FAILED, text)


def _shared_outcome(work: Work) -> Iterator[Outcome]:
    one, config = work.before.plan.shared, work.target.config
    if not one.within(config):
        if one.pending:
            text = f"{one.schema.name} is left out and has pending migrations: {in_words(one.cohort.steps)}"
            get_logger().warning("shared.left_out", message=text)
        yield Outcome(one.schema.name, "skipped")
    elif not one.due:
        yield Outcome(one.schema.name, "current")
    elif findings := triage.blocking(work.before, one):
        yield triage.blocked(one, findings)
    else:
        yield from work.engine.migrate([one], lambda: False)


def _migrate_tenants(work: Work) -> Survey:
    """Returns the last look that was taken before the first tenant was written to."""
    round, seen = tenants.Round(), work.before
    try:
        if Exit.SHARED_FAILED in work.report.causes:
            round.take_in(work.before, work.target.config)
            round.why_stopped = "the shared schema failed"
        else:
            seen = tenants.migrate(work, round)
    finally:
        work.progress.end()
        work.report.backup = work.backup.result
        work.report.outcomes += round.all_outcomes()
    failed = work.report.failed_tenants
    if len(failed) > work.target.config.tolerate_failed:
        work.report.fail(Exit.TENANTS_FAILED, f"{count(len(failed), 'tenant schema')} failed.")
    return seen


def _verify(work: Work, seen: Survey) -> None:
    after = look(work.target, work.planner, seen) if work.report.wrote else seen
    work.report.findings = mark_known(after.findings, work.before.findings)
    if work.report.errors and work.target.config.verify == "strict":
        work.report.fail(Exit.VERIFICATION, _errors_in_words(len(work.report.errors)))


def _collect_static(work: Work) -> None:
    if Exit.SHARED_FAILED in work.report.causes or not static.wanted(work.target.config.collectstatic):
        return
    if failure := static.collect(work.target.platform):
        work.report.fail(Exit.COLLECTSTATIC, f"collectstatic failed: {failure}")


def _conclusions(command: str, survey: Survey, config: Config) -> dict[Exit, str]:
    shared = survey.plan.shared.schema.name
    pending = [one.schema.name for one in survey.plan.pending if one.within(config)]
    errors = [f.schema for f in survey.findings if f.severity == "error"]
    if config.start:
        pending, errors = ([name for name in names if name == shared] for names in (pending, errors))
    causes = {}
    if pending and command in ("plan", "check", "release"):
        causes[Exit.PENDING] = f"Migrations are pending in {count(len(pending), 'schema')}."
    if errors and command in ("verify", "check"):
        causes[Exit.VERIFICATION] = _errors_in_words(len(errors))
    return causes


def _errors_in_words(errors: int) -> str:
    return f"Verification found {count(errors, 'error')}."
