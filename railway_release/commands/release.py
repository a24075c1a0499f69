"""The phases of a release, in order."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from railway_release.backup.once import Backup
from railway_release.commands import collectstatic, selection, tenants
from railway_release.commands.inspect import errors_in_words, planned
from railway_release.commands.phases import locked, phase, preflight_to_write
from railway_release.commands.work import Work
from railway_release.engine.cancel_token import OwnCancelToken
from railway_release.engine.choose import chosen_engine
from railway_release.errors import Exit
from railway_release.migrations.outcome import Outcome, in_words
from railway_release.preflight.target import Target
from railway_release.report.progress import Progress, tell
from railway_release.report.report import Report
from railway_release.runtime.log import Screen, get_logger
from railway_release.runtime.signals import Interrupts
from railway_release.runtime.text import count
from railway_release.snapshot import Snapshot, take_snapshot
from railway_release.verification.compare import mark_known


def release(target: Target, report: Report, screen: Screen, interrupts: Interrupts) -> None:
    """Migrate the shared schema, then every tenant schema; what happened is in the report."""
    preflight_to_write(target, report, screen)
    with locked(target, report, interrupts) as monitor:
        with phase(report, "plan"):
            planner, before = planned(target, report)
        engine = chosen_engine(target, planner, before.plan, OwnCancelToken(interrupts, monitor))
        work = Work(target, report, planner, before, engine, Backup(target, interrupts), Progress(screen))
        with naming_the_unreached(work):
            with phase(report, "backup"):
                _back_up(work)
            seen = migrate(work)
        with phase(report, "verify"):
            _verify(work, seen)
    with phase(report, "collectstatic"):
        _collect_static(work)


def migrate(work: Work) -> Snapshot:
    """The shared schema, then the tenants; returns what was seen last before the first tenant."""
    with phase(work.report, "shared"):
        _migrate_shared(work)
    with phase(work.report, "tenants"):
        return _migrate_tenants(work)


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
    elif outcome := selection.not_to_be_touched(work.before, one):
        yield outcome
    else:
        yield from work.engine.migrate([one], lambda: False)


def _migrate_tenants(work: Work) -> Snapshot:
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


def _verify(work: Work, seen: Snapshot) -> None:
    after = take_snapshot(work.target, work.planner, seen) if work.report.wrote else seen
    work.report.findings = mark_known(after.findings, work.before.findings)
    if work.report.errors and work.target.config.verify == "strict":
        work.report.fail(Exit.VERIFICATION, errors_in_words(len(work.report.errors)))


def _collect_static(work: Work) -> None:
    if Exit.SHARED_FAILED in work.report.causes or not collectstatic.wanted(work.target.config.collectstatic):
        return
    if failure := collectstatic.collect(work.target.platform):
        work.report.fail(Exit.COLLECTSTATIC, f"collectstatic failed: {failure}")
