"""repair: plan what would repair each schema; with --apply, do it, migrate what is pending, and verify."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from railway_release.backup.once import Backup
from railway_release.commands import creation, selection
from railway_release.commands.migrate import migrate, naming_the_unreached
from railway_release.commands.phases import locked, phase, preflight, preflight_to_write
from railway_release.commands.proposal import judged, left_as_it_is, seen, still_refusing
from railway_release.commands.work import Work
from railway_release.config.config import Config
from railway_release.engine.cancel_token import OwnCancelToken
from railway_release.engine.choose import chosen_engine, runner_of
from railway_release.engine.limits import sessions_with_limits
from railway_release.errors import Exit
from railway_release.migrations.outcome import Outcome
from railway_release.migrations.plan import Planner, SchemaPlan
from railway_release.postgres import locations
from railway_release.preflight.target import Target
from railway_release.repairs import create, scope
from railway_release.repairs.apply import RepairTransaction
from railway_release.repairs.hints import hint_of
from railway_release.repairs.inspect import RepairInspection, inspect_schemas
from railway_release.repairs.outcomes import in_one, in_words, is_refusal, joined, with_refusals
from railway_release.repairs.repair_plan import Named, Refusal, RepairPlan
from railway_release.report.progress import Progress
from railway_release.report.repair_result import RepairResult
from railway_release.report.report import Report
from railway_release.runtime.text import count
from railway_release.snapshot import Snapshot, take_snapshot, update_snapshot
from railway_release.topology import Schema
from railway_release.verification.findings import CREATING

# A repair may bring to light what could not be seen before it.
_ROUNDS = 3


def repair(target: Target, report: Report) -> None:
    """Plan the repair of each schema; with --apply, carry the plans out, each schema with an outcome."""
    scope.check_names(target.config)
    if not target.config.apply:
        preflight(target, report)
        with phase(report, "plan"):
            found = inspect_schemas(target, Planner(gap_allowed=True))
        report.result = judged(seen(found, target.config))
        return
    preflight_to_write(target, report)
    with locked(target, report) as token:
        _Repair(target, report, token).run()


class _Repair:
    """A repair that is being carried out, with the release lock held."""

    def __init__(self, target: Target, report: Report, token: OwnCancelToken) -> None:
        self._target = target
        self._report = report
        self._token = token
        self._progress = Progress(target.invocation.screen)
        self._planner = Planner(gap_allowed=True)
        self._runner = runner_of(target, token)
        self._outcomes: dict[str, Outcome] = {}  # of what was repaired or created, by schema
        self._migrated: list[Outcome] = []  # of the release that follows
        self._written: set[str] = set()  # the schemas that have changed since they were inspected

    def run(self) -> None:
        """Back up, repair, create what is missing, migrate, verify; each step adds to the result."""
        with phase(self._report, "plan"):
            found = inspect_schemas(self._target, self._planner)
        result = self._report.result = seen(found, self._target.config)
        backup = Backup(self._target, found.snapshot.plan.shared.schema.name)
        with phase(self._report, "backup") as this:
            backup.before_changing(*self._to_be_changed(found))
            this.idle = not backup.ran
        try:
            with phase(self._report, "repair") as this:
                this.idle = not found.to_do
                found = self._repair(found)
                made = self._create_empty(found)
            if not self._shared_failed(found):
                found = self._inspected_again(found)
                self._release(backup, found, made)
                with phase(self._report, "create") as this:
                    this.idle = not any(one.creates_schema or one.is_own for one in found.to_do.values())
                    found = self._complete(found, made)
        finally:
            outcomes = tuple(self._merged(found))
            result = self._report.result = replace(
                result, outcomes=outcomes, backup=backup.result, backup_name=backup.name
            )
        with phase(self._report, "verify"):
            after = self._looked_again(found)
        left_out = tuple(scope.left_out(self._config, after.findings))
        left = replace(still_refusing(result, found, after), findings=after.findings, left_out=left_out)
        self._report.result = self._verified(left, after)

    @property
    def _config(self) -> Config:
        return self._target.config

    def _to_be_changed(self, found: RepairInspection) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
        due = [one for one in found.snapshot.plan.schemas if one.due and one.is_chosen_by(self._config)]
        steps = dict.fromkeys(step for one in due for step in one.cohort.steps)
        names = dict.fromkeys((*found.to_do, *(one.schema.name for one in due)))
        return tuple(names), tuple(steps)

    def _inspected_again(self, found: RepairInspection) -> RepairInspection:
        """The inspection as it is now; only what was written since is read again."""
        if not self._written:
            return found
        changed, self._written = self._written, set()
        earlier = None if self._shared_is_migrated(found) else found.snapshot
        return inspect_schemas(self._target, self._planner, earlier, changed)

    def _looked_again(self, found: RepairInspection) -> Snapshot:
        """The snapshot in the end; only what was written since is read again."""
        if self._shared_is_migrated(found):
            return take_snapshot(self._target, self._planner, depth="everything")
        if not self._written:
            return found.snapshot
        return update_snapshot(self._target, self._planner, found.snapshot, self._written)

    def _shared_is_migrated(self, found: RepairInspection) -> bool:
        """Whether anything may have changed: migrations of the shared schema may reach everywhere."""
        shared = found.snapshot.plan.shared.schema.name
        return any(one.schema == shared and one.attempts for one in self._migrated)

    def _repair(self, found: RepairInspection) -> RepairInspection:
        """Carry plans out and inspect again until nothing is left to do; returns the last inspection."""
        for _ in range(_ROUNDS):
            to_do = {name: one for name, one in found.to_do.items() if one.repairs_schema}
            waiting = {name: one for name, one in to_do.items() if not self._failed(name)}
            if not waiting:
                break
            try:
                with sessions_with_limits(self._runner.limits):
                    self._round(found, waiting)
            finally:
                self._progress.end()
            if self._shared_failed(found):
                break
            found = self._inspected_again(found)
        return found

    def _round(self, found: RepairInspection, waiting: Mapping[str, RepairPlan]) -> None:
        """Carry out each plan, the shared schema's first; if that fails, the others are left alone."""
        self._progress.expect(len(waiting))
        for name, repair_plan in waiting.items():
            self._token.check()
            self._progress.advance(self._noted(*self._repair_one(name, repair_plan, found)))
            if self._shared_failed(found):
                break

    def _repair_one(
        self, name: str, repair_plan: RepairPlan, found: RepairInspection
    ) -> tuple[Outcome, RepairPlan]:
        """Carry out a plan, without what the server refuses; the outcome, and what was done of the plan."""
        ended: list[Outcome] = []
        refused: dict[Named, Refusal] = {}
        while repair_plan.repairs_schema:
            transaction = RepairTransaction(found.expectations, self._runner.execution)
            before = found.deviations.get(name, ())
            work = partial(transaction.apply, found.plans[name], repair_plan, before)
            ended.append(self._runner.run(found.plans[name], work))
            if not (is_refusal(ended[-1]) and transaction.refused):
                break
            refused |= {named: Refusal(*named, ended[-1].message) for named in transaction.refused}
            again = found.replan[name](refused)
            repair_plan = replace(again, records=repair_plan.records)
        done = repair_plan if ended[-1].state == "migrated" else RepairPlan()
        return in_one(ended, refused), done

    def _create_empty(self, found: RepairInspection) -> frozenset[str]:
        """Create schemas in which everything is pending; returns those whose creation is ours to complete."""
        own = [name for name, one in found.to_do.items() if one.is_own]
        if not own or self._shared_failed(found):
            return frozenset()
        self._run_for_each(
            found, [name for name in own if found.repair_plans[name].creates_schema], create.make
        )
        return self._target.read_pool.read(partial(locations.commented, text=CREATING)) & frozenset(own)

    def _complete(self, found: RepairInspection, made: frozenset[str]) -> RepairInspection:
        """Complete what was created, and clone what has a template, which is migrated by now."""
        migrated = {one.schema for one in self._migrated if one.state in ("migrated", "current")}
        if found.snapshot.plan.shared.schema.name in self._failed_to_migrate:
            return found
        self._run_for_each(found, [name for name in found.to_do if name in migrated & made], create.finish)
        later = [name for name, one in found.to_do.items() if one.through_django_tenants]
        self._run_for_each(found, later, create.make_through_django_tenants)
        # The template itself may lack something.
        return self._repair(self._inspected_again(found)) if later else found

    def _run_for_each(
        self, found: RepairInspection, names: Iterable[str], work: Callable[[str], None]
    ) -> None:
        names = [*names]
        self._written.update(names)
        nothing = replace(found.snapshot.plan.shared.cohort, applied=frozenset(), steps=(), squashes=())
        plans = [SchemaPlan(Schema(name, "tenant"), nothing, frozenset()) for name in names]
        for outcome in creation.outcomes(plans, work, self._target, self._runner, self._token):
            is_done = outcome.state == "migrated"
            self._noted(outcome, found.repair_plans[outcome.schema] if is_done else RepairPlan())

    def _noted(self, outcome: Outcome, done: RepairPlan) -> Outcome:
        """Keep an outcome, with what earlier rounds have repaired; returns it."""
        before = self._outcomes.get(outcome.schema)
        repairs = before.repairs if before else ()
        state = "repaired" if outcome.state == "migrated" else outcome.state
        repairs = tuple(dict.fromkeys((*repairs, *in_words(done))))
        self._written.add(outcome.schema)
        message = "stopped before it was repaired; nothing is half done"
        ended = self._outcomes[outcome.schema] = replace(
            outcome,
            state=state,
            repairs=repairs,
            failed_at="",
            message=message if state == "not reached" else outcome.message,
            hint=hint_of(outcome),
        )
        return ended

    def _failed(self, name: str) -> bool:
        return name in self._outcomes and self._outcomes[name].state != "repaired"

    @property
    def _failed_to_migrate(self) -> set[str]:
        return {one.schema for one in self._migrated if one.state == "failed"}

    def _shared_failed(self, found: RepairInspection) -> bool:
        return self._failed(found.snapshot.plan.shared.schema.name)

    def _release(self, backup: Backup, found: RepairInspection, made: frozenset[str]) -> None:
        """Migrate what is pending, but for schemas that could not be repaired."""
        failed = [name for name in self._outcomes if self._failed(name)]
        later = [name for name, one in found.to_do.items() if one.through_django_tenants]
        without = replace(self._config, exclude=(*self._config.exclude, *failed, *later, *found.obstructed))
        before = found.snapshot
        due = any(one.due and one.is_chosen_by(without) for one in before.plan.schemas)
        if before.plan.shared.cohort.inconsistency or not due:
            self._migrated.extend(selection.as_they_are(before, without))
            return
        target = replace(self._target, config=without)
        engine = chosen_engine(target, before.plan, self._token)
        work = Work(target, self._planner, before, engine, backup, self._progress, made, self._migrated)
        try:
            with naming_the_unreached(work):
                migrate(work, self._report)
        finally:
            self._written.update(one.schema for one in self._migrated if one.attempts)

    def _merged(self, found: RepairInspection) -> Iterator[Outcome]:
        """One outcome for each schema, from its repair and its migrations."""
        released = {one.schema: one for one in self._migrated}
        for name in dict.fromkeys((*released, *self._outcomes, *found.to_do)):
            repaired, then = self._outcomes.get(name), released.get(name)
            if repaired and (then is None or repaired.state != "repaired"):
                yield repaired
            elif then is None:
                yield Outcome(name, "not reached", message="the repair ended before its turn")
            else:
                one = joined(repaired, then) if repaired else then
                yield with_refusals(one, found.repair_plans.get(name, RepairPlan()))

    def _verified(self, result: RepairResult, after: Snapshot) -> RepairResult:
        shared = result.shared_schema
        if self._failed(shared):
            text = f"The shared schema {shared} could not be repaired."
            result = result.failing(Exit.SHARED_FAILED, text)
        elif shared in self._failed_to_migrate:
            text = f"The shared schema {shared} failed, so no tenant was touched."
            result = result.failing(Exit.SHARED_FAILED, text)
        result = result.failing_for_tenants(self._config.tolerate_failed)
        if errors := result.errors:
            text = f"{count(len(errors), 'error')} left; see above why."
            result = result.failing(Exit.VERIFICATION, text)
        if left := sum(len(one.schemas) for one in result.repair_plans if one.repair_plan.refusals):
            result = result.failing(Exit.VERIFICATION, left_as_it_is(left))
        if pending := [one for one in after.plan.pending if one.is_chosen_by(self._config)]:
            text = f"Migrations are still pending in {count(len(pending), 'schema')}."
            result = result.failing(Exit.PENDING, text)
        return result
