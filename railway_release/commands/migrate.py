"""Migrating, as release and repair do it: the shared schema, then the tenants; nothing is judged."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from railway_release.commands import selection, tenants
from railway_release.commands.phases import phase
from railway_release.commands.work import Work
from railway_release.migrations.outcome import Outcome, in_words
from railway_release.report.progress import tell
from railway_release.report.report import Report
from railway_release.runtime.log import get_logger
from railway_release.snapshot import Snapshot


def migrate(work: Work, report: Report) -> Snapshot:
    """Migrate what is due, each schema with an outcome; returns the last snapshot before the first tenant."""
    with phase(report, "shared") as this:
        work.outcomes.extend(_migrate_shared(work))
        this.idle = not any(one.attempts for one in work.outcomes)
    before = len(work.outcomes)
    with phase(report, "tenants") as this:
        seen = _migrate_tenants(work)
        this.idle = not any(one.attempts for one in work.outcomes[before:])
    return seen


def shared_failed(work: Work) -> bool:
    """Whether the shared schema failed, so that no tenant may be touched."""
    shared = work.before.plan.shared.schema.name
    return any(one.schema == shared and one.state == "failed" for one in work.outcomes)


@contextlib.contextmanager
def naming_the_unreached(work: Work) -> Iterator[None]:
    """If an error ends the block, every schema that still has pending migrations becomes `not reached`."""
    try:
        yield
    except BaseException:
        named = {outcome.schema for outcome in work.outcomes}
        waiting = [one for one in work.before.plan.pending if one.is_chosen_by(work.target.config)]
        work.outcomes.extend(
            Outcome(one.schema.name, "not reached", message=tenants.NOT_REACHED)
            for one in waiting
            if one.schema.name not in named
        )
        raise


def _migrate_shared(work: Work) -> Iterator[Outcome]:
    for outcome in _shared_outcome(work):
        if outcome.state in ("migrated", "failed"):
            tell(outcome)
        yield outcome


def _shared_outcome(work: Work) -> Iterator[Outcome]:
    one, config = work.before.plan.shared, work.target.config
    if not one.is_chosen_by(config):
        if one.pending:
            text = (
                f"{one.schema.name} is left out and has pending migrations: {in_words(one.cohort.to_apply)}"
            )
            get_logger().warning("shared.left_out", message=text)
        yield Outcome(one.schema.name, "skipped")
    elif not one.due:
        yield Outcome(one.schema.name, "current")
    elif outcome := selection.not_to_be_touched(work.before, one):
        yield outcome
    else:
        yield from work.engine.migrate([one], lambda: False)


def _migrate_tenants(work: Work) -> Snapshot:
    round = tenants.Round()
    try:
        if not shared_failed(work):
            return tenants.migrate(work, round)
        round.take_in(work.before, work.target.config)
        round.why_stopped = "the shared schema failed"
        return work.before
    finally:
        work.progress.end()
        work.outcomes.extend(round.all_outcomes())
