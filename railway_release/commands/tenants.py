"""The tenants phase: who is migrated, who is left alone and why, and an outcome for everyone."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from railway_release.commands import selection
from railway_release.commands.work import Work
from railway_release.config.config import Config
from railway_release.engine.attempt import NOT_ATOMIC, RECEIVERS
from railway_release.engine.identity import ConnectionChanged
from railway_release.migrations.outcome import Outcome
from railway_release.migrations.plan import SchemaPlan
from railway_release.migrations.settle import SettlePolicy, settled, suspects, wait_until_settled
from railway_release.postgres.catalog import busy_schemas, schemas
from railway_release.runtime.log import get_logger
from railway_release.runtime.text import in_time, some
from railway_release.snapshot import Snapshot, take_snapshot

# What comes with these may have been done, and not rolled back, where it does not belong.
MAY_STAY = (NOT_ATOMIC, RECEIVERS, ConnectionChanged.hint)

# What is not needed for going on does not keep the others waiting.
_AUXILIARY_SECONDS = 5.0

NOT_REACHED = "the release ended before it came to this schema"
_LATE = "it came, or got its name, after the plan was made: run again"
_STILL_MADE = "another session is still creating this schema, or at work in it"


@dataclass
class Round:
    """The tenants of one release: those still waiting, and the outcomes so far."""

    oids: dict[str, int] = field(default_factory=dict)  # of all schemas
    waiting: dict[str, SchemaPlan] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    why_stopped: str = NOT_REACHED

    @property
    def failed(self) -> int:
        """The number of tenants that have failed so far."""
        return sum(outcome.state == "failed" for outcome in self.outcomes)

    def take_in(self, snapshot: Snapshot, config: Config) -> None:
        """Give each tenant of the snapshot an outcome, or a place among those that wait."""
        self.oids |= snapshot.plan.topology.in_database
        self.outcomes += selection.without_migrating(snapshot, config)
        self.waiting |= {one.schema.name: one for one in selection.to_migrate(snapshot, config)}

    def end(self, outcome: Outcome) -> None:
        """Keep the outcome of a schema, which waits no longer."""
        self.waiting.pop(outcome.schema, None)
        self.outcomes.append(outcome)

    def all_outcomes(self) -> tuple[Outcome, ...]:
        """One outcome for each tenant; those that still wait were not reached."""
        rest = [Outcome(name, "not reached", message=self.why_stopped) for name in self.waiting]
        return (*self.outcomes, *rest)


def migrate(work: Work, round: Round) -> Snapshot:
    """Migrate every tenant schema that needs it; `round` has the outcomes, also after an interruption.

    Returns the snapshot that was taken before the first tenant.
    """
    # Read again: migrating the shared schema may have changed rows, types and what is expected.
    snapshot = take_snapshot(work.target, work.planner, work.before)
    round.take_in(snapshot, work.target.config)
    round.outcomes += _dropped_since(work, snapshot)
    work.backup.before_writing(round.waiting.values())
    doubtful = _doubtful(work, snapshot, round.waiting)
    late = _unsettled(work, snapshot, doubtful)
    now = [one for name, one in round.waiting.items() if name not in late]
    if _apply(work, round, now) and late:
        _apply_late(work, round, late, doubtful, snapshot)
    return snapshot


@dataclass(frozen=True)
class Doubtful:
    """Schemas that somebody else may still be creating."""

    half_made: frozenset[str]  # new, or at an unusual level
    fresh: frozenset[str]  # at the usual level, but somebody wrote a record of late

    @property
    def all(self) -> frozenset[str]:
        """All schemas that somebody else may be creating."""
        return self.half_made | self.fresh


def _doubtful(work: Work, snapshot: Snapshot, waiting: Collection[str]) -> Doubtful:
    strange = set(waiting) - work.own
    half_made = suspects(snapshot.plan.tenants, _known_before(work), snapshot.fresh) & strange
    return Doubtful(half_made, (snapshot.fresh & strange) - half_made)


def _dropped_since(work: Work, snapshot: Snapshot) -> Iterator[Outcome]:
    topology = snapshot.plan.topology
    left = {one.name for one in topology.tenants} | {one.schema for one in topology.unusable}
    left |= set(topology.without_schema)
    if work.before.plan.topology.by_name:  # then those are among them that the manager leaves out
        return
    there = work.before.plan.topology.in_database, topology.in_database
    for one in work.before.plan.tenants:
        if one.schema.name not in left and one.is_chosen_by(work.target.config):
            yield Outcome(one.schema.name, "skipped", message=_what_became_of(one.schema.name, *there))


def _what_became_of(name: str, before: Mapping[str, int], now: Mapping[str, int]) -> str:
    """What others have done to a schema; nothing if it is there."""
    if name in now:
        return "another session deleted its tenant row meanwhile"
    renamed = [other for other, oid in now.items() if oid == before.get(name)]
    return f"another session {f'renamed it to {renamed[0]}' if renamed else 'dropped it'} meanwhile"


def latecomers(work: Work, now: Snapshot) -> Iterator[Outcome]:
    """Tenants with work to do that this release has not known."""
    known = {outcome.schema for outcome in work.outcomes}
    for one in now.plan.tenants:
        if one.due and one.is_chosen_by(work.target.config) and one.schema.name not in known:
            yield Outcome(one.schema.name, "not reached", message=_LATE)


def _known_before(work: Work) -> frozenset[str]:
    return frozenset(one.schema.name for one in work.before.plan.tenants)


def _unsettled(work: Work, snapshot: Snapshot, suspected: Doubtful) -> frozenset[str]:
    """The schemas in which another session works, or whose records differ between two reads."""
    if not (doubtful := suspected.all):
        return frozenset()
    _say_what_is_checked(suspected, _settle_policy(work).apart)
    # Where the schemas were there already, the first look counts as the first of the two reads.
    first = work.before if doubtful <= _known_before(work) else snapshot
    policy = _settle_policy(work)
    calm, _ = work.target.read_pool.read(
        lambda connection: settled(connection, doubtful, first.history, first.read_at, policy)
    )
    return doubtful - calm


def _say_what_is_checked(doubtful: Doubtful, seconds: float) -> None:
    groups = {
        "Changed within the last hour": doubtful.fresh,
        "New, or with other migrations than the rest": doubtful.half_made,
    }
    for what, names in groups.items():
        if names:
            check = f"checking for {in_time(seconds)} that no other session works in"
            text = f"{what}; {check}: {some(sorted(names))}"
            get_logger().info("schemas.awaited", message=text, schemas=sorted(names)[:100])


def _say_who_is_awaited(work: Work, late: Collection[str]) -> str:
    """Log which sessions are waited for; returns it in words."""
    application = work.target.application
    busy = work.target.read_pool.read(lambda connection: busy_schemas(connection, late, application))
    named = [f"{name} ({busy.get(name, 'its records change')})" for name in sorted(late)]
    what = f"waiting until no other session works in {some(named)}"
    text = f"{what}; {in_time(work.target.config.settle_wait)} at most"
    get_logger().info("schemas.awaited", message=text, schemas=sorted(late)[:100])
    return what


def _apply(work: Work, round: Round, plans: Sequence[SchemaPlan]) -> bool:
    """Run the engine; False when --on-error or --max-failures ended it."""
    config = work.target.config
    limit = 1 if config.on_error == "stop" else config.max_failures

    def enough() -> bool:
        return bool(limit) and round.failed >= limit

    work.progress.expect(len(plans))
    for ended in work.engine.migrate(plans, enough):
        outcome = _or_gone(work, ended, round.oids)
        round.end(outcome)
        work.progress.advance(outcome)
    if enough():
        round.why_stopped = f"stopped after {round.failed} failed"
    return not enough()


def _or_gone(work: Work, outcome: Outcome, before: Mapping[str, int]) -> Outcome:
    """The outcome, or that the tenant was deleted or renamed meanwhile; no failure, if nothing may stay."""
    if outcome.state != "failed":
        return outcome
    try:
        now = work.target.read_pool.read(schemas, most=_AUXILIARY_SECONDS).oids
    except Exception:  # noqa: BLE001 - a look that fails must not cost the others their turn
        return outcome
    if outcome.schema in now:
        return outcome
    gone = _what_became_of(outcome.schema, before, now)
    if outcome.hint in MAY_STAY:
        return replace(outcome, message=f"{outcome.message}; {gone}")
    return replace(outcome, state="skipped", failed_at="", sqlstate="", message=gone, hint="", statement="")


def _apply_late(work: Work, round: Round, late: frozenset[str], doubtful: Doubtful, seen: Snapshot) -> None:
    """Give the unsettled a bounded time; for those that settle a new snapshot is taken."""
    what, policy, started = _say_who_is_awaited(work, late), _settle_policy(work), time.monotonic()
    deadline = started + work.target.config.settle_wait
    ready = work.target.read_pool.read(
        lambda connection: wait_until_settled(connection, late, policy, deadline), what=what
    )
    work.target.retry_policy.budget.spend(time.monotonic() - started)
    now = take_snapshot(work.target, work.planner, seen)
    calm = {name for name in ready if ready[name] == now.history.get(name)}
    # Nothing but a lock speaks against these, and if it stays it has to be told: as the failure it causes.
    calm |= {name for name in late & doubtful.fresh if seen.history.get(name) == now.history.get(name)}
    for name in late - {one.schema.name for one in now.plan.tenants}:
        gone = _what_became_of(name, round.oids, now.plan.topology.in_database)
        round.end(Outcome(name, "skipped", message=gone))
    for outcome in selection.without_migrating(now, work.target.config):
        if outcome.schema in calm:
            round.end(outcome)
    again = [one for one in selection.to_migrate(now, work.target.config) if one.schema.name in calm]
    if _apply(work, round, again):
        _leave_to_others(work, round)


def _leave_to_others(work: Work, round: Round) -> None:
    """Schemas in which another session still works end as `not reached`, with what is known of it."""
    busy = work.target.read_pool.read(
        lambda connection: busy_schemas(connection, round.waiting, work.target.application)
    )
    for name in list(round.waiting):
        who = f": {busy[name]}" if name in busy else ""
        round.end(Outcome(name, "not reached", message=f"{_STILL_MADE}{who}"))


def _settle_policy(work: Work) -> SettlePolicy:
    return SettlePolicy(work.target.config.settle, work.target.application)
