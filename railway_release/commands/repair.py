"""repair: plan what would repair each schema; with --apply, do it, migrate what is pending, and verify."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from railway_release.backup.once import Backup
from railway_release.commands.inspect import pending_of
from railway_release.commands.migrate import migrate, naming_the_unreached
from railway_release.commands.phases import locked, phase, preflight, preflight_to_write
from railway_release.commands.work import Work
from railway_release.engine import lost
from railway_release.engine.attempt import SchemaRunner
from railway_release.engine.cancel_token import OwnCancelToken
from railway_release.engine.choose import chosen_engine, runner_of
from railway_release.engine.limits import sessions_with_limits
from railway_release.engine.pool import WorkerPool
from railway_release.errors import Exit
from railway_release.migrations.outcome import Outcome, dotted
from railway_release.migrations.plan import Cohort, Planner, SchemaPlan
from railway_release.postgres import locations
from railway_release.preflight.target import Target
from railway_release.repairs import create
from railway_release.repairs.apply import RepairTransaction
from railway_release.repairs.hints import hint_of
from railway_release.repairs.inspect import RepairInspection, inspect_schemas
from railway_release.repairs.repair_plan import PlannedRepair, RepairPlan
from railway_release.report.progress import Progress
from railway_release.report.report import Report
from railway_release.report.results import RepairResult
from railway_release.runtime.text import count, some
from railway_release.snapshot import take_snapshot
from railway_release.topology import Schema
from railway_release.verification.findings import CREATING

# A repair may bring to light what could not be seen before it.
_ROUNDS = 3


def repair(target: Target, report: Report) -> None:
    """Plan the repair of each schema; with --apply, carry the plans out, each schema with an outcome."""
    if not target.config.apply:
        preflight(target, report)
        report.result = _judged(_seen(_inspected(target, Planner(), report), target))
        return
    preflight_to_write(target, report)
    with locked(target, report) as token:
        _Repair(target, report, token).run()


def _inspected(target: Target, planner: Planner, report: Report) -> RepairInspection:
    with phase(report, "plan"):
        return inspect_schemas(target, planner)


def _seen(found: RepairInspection, target: Target) -> RepairResult:
    """The result before anything is done; schemas with equal plans are told together."""
    groups: dict[RepairPlan, list[str]] = {}
    for name, repair_plan in found.repair_plans.items():
        groups.setdefault(repair_plan, []).append(name)
    plan = found.snapshot.plan
    return RepairResult(
        plan.shared.schema.name,
        pending_of(plan, target.config),
        findings=found.snapshot.findings,
        repair_plans=tuple(PlannedRepair(one, tuple(names)) for one, names in groups.items()),
    )


def _judged(result: RepairResult) -> RepairResult:
    """The verdict without --apply: 8 for what is refused, 9 for what can be done."""
    to_do = {name for one in result.repair_plans if one.repair_plan.does_something for name in one.schemas}
    refusing = {name for one in result.repair_plans if one.repair_plan.refusals for name in one.schemas}
    if refusing:
        text = f"{count(len(refusing), 'schema')} cannot be repaired completely."
        result = result.failing(Exit.VERIFICATION, text)
    pending = {name for group in result.pending for name in group.schemas} - refusing
    if number := len(to_do | pending):
        text = f"{count(number, 'schema')} can be repaired or migrated; nothing was written."
        result = result.failing(Exit.PENDING, text)
    return result


class _Repair:
    """A repair that is being carried out, with the release lock held."""

    def __init__(self, target: Target, report: Report, token: OwnCancelToken) -> None:
        self._target = target
        self._report = report
        self._token = token
        self._progress = Progress(target.invocation.screen)
        self._planner = Planner()
        self._runner = runner_of(target, token)
        self._outcomes: dict[str, Outcome] = {}  # of what was repaired or created, by schema
        self._migrated: list[Outcome] = []  # of the release that follows

    def run(self) -> None:
        """Back up, repair, create what is missing, migrate, verify; each step adds to the result."""
        found = _inspected(self._target, self._planner, self._report)
        result = self._report.result = _seen(found, self._target)
        backup = Backup(self._target)
        with phase(self._report, "backup") as this:
            backup.before_changing(*self._to_be_changed(found))
            this.idle = not backup.ran
        try:
            with phase(self._report, "repair") as this:
                this.idle = not found.to_do
                found = self._repair(found)
                made = self._create_empty(found)
            if not self._shared_failed(found):
                self._release(backup, found, made)
                with phase(self._report, "create") as this:
                    this.idle = not any(one.creates_schema or one.is_own for one in found.to_do.values())
                    found = self._complete(found, made)
        finally:
            outcomes = tuple(self._merged(found))
            result = self._report.result = replace(result, outcomes=outcomes, backup=backup.result)
        with phase(self._report, "verify"):
            after = take_snapshot(self._target, self._planner, depth="everything")
        self._report.result = self._verified(replace(result, findings=after.findings))

    def _to_be_changed(self, found: RepairInspection) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
        due = [
            one for one in found.snapshot.plan.schemas if one.due and one.is_chosen_by(self._target.config)
        ]
        steps = dict.fromkeys(step for one in due for step in one.cohort.steps)
        names = dict.fromkeys((*found.to_do, *(one.schema.name for one in due)))
        return tuple(names), tuple(steps)

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
            found = _inspected(self._target, self._planner, self._report)
        return found

    def _round(self, found: RepairInspection, waiting: Mapping[str, RepairPlan]) -> None:
        """Carry out each plan, the shared schema's first; if that fails, the others are left alone."""
        self._progress.expect(len(waiting))
        for name, repair_plan in waiting.items():
            self._token.check()
            self._progress.advance(self._noted(self._repair_one(name, repair_plan, found), repair_plan))
            if self._shared_failed(found):
                break

    def _repair_one(self, name: str, repair_plan: RepairPlan, found: RepairInspection) -> Outcome:
        transaction = RepairTransaction(found.expectations, self._runner.execution)
        one = found.plans[name]
        work = partial(transaction.apply, one, repair_plan, found.deviations.get(name, ()))
        return self._runner.run(one, work)

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
        return self._repair(_inspected(self._target, self._planner, self._report)) if later else found

    def _run_for_each(
        self, found: RepairInspection, names: Iterable[str], work: Callable[[str], None]
    ) -> None:
        """Call `work` with each name, in a worker process, where the outcome is noted.

        It may run the project's own create_schema() and receivers, which may do anything to their process.
        """
        schemas = [Schema(name, "tenant") for name in names]
        plans = [SchemaPlan(one, Cohort(frozenset(), ()), frozenset()) for one in schemas]

        def run_task(number: int, runner: SchemaRunner) -> Outcome:
            return runner.run(plans[number], partial(work, plans[number].schema.name))

        pool = WorkerPool(
            plans,
            run_task,
            self._runner,
            self._token,
            self._target.read_pool,
            outcome_of_loss=lost.creation_outcome,
        )
        with sessions_with_limits(self._runner.limits):
            for outcome in pool.outcomes(lambda: False) if plans else ():
                self._noted(outcome, found.repair_plans[outcome.schema])
        self._token.check()

    def _noted(self, outcome: Outcome, repair_plan: RepairPlan) -> Outcome:
        """Keep an outcome, with what earlier rounds have repaired; returns it."""
        before = self._outcomes.get(outcome.schema)
        repairs = before.repairs if before else ()
        state = "repaired" if outcome.state == "migrated" else outcome.state
        if state == "repaired":
            repairs = tuple(dict.fromkeys((*repairs, *_in_words(repair_plan))))
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
        config = self._target.config
        without = replace(config, exclude=(*config.exclude, *failed, *later, *found.obstructed))
        target = replace(self._target, config=without)
        before = take_snapshot(target, self._planner)
        engine = chosen_engine(target, self._planner, before.plan, self._token)
        work = Work(target, self._planner, before, engine, backup, self._progress, made, self._migrated)
        with naming_the_unreached(work):
            migrate(work, self._report)

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
                joined = _joined(repaired, then) if repaired else then
                yield _refused(joined, found.repair_plans[name]) if name in found.repair_plans else joined

    def _verified(self, result: RepairResult) -> RepairResult:
        shared = result.shared_schema
        if self._failed(shared):
            text = f"The shared schema {shared} could not be repaired."
            result = result.failing(Exit.SHARED_FAILED, text)
        elif shared in self._failed_to_migrate:
            text = f"The shared schema {shared} failed, so no tenant was touched."
            result = result.failing(Exit.SHARED_FAILED, text)
        result = result.failing_for_tenants(self._target.config.tolerate_failed)
        if errors := result.errors:
            text = f"{count(len(errors), 'error')} left; see above why."
            result = result.failing(Exit.VERIFICATION, text)
        return result


def _in_words(repair_plan: RepairPlan) -> tuple[str, ...]:
    repaired = (f"repaired {id} {object}" for id, object in repair_plan.repairs)
    return (*repaired, *(f"recorded {dotted(key)}" for key in repair_plan.records))


def _joined(repaired: Outcome, released: Outcome) -> Outcome:
    state = "repaired" if released.state in ("current", "migrated") else released.state
    return replace(
        released,
        state=state,
        repairs=repaired.repairs,
        duration=repaired.duration + released.duration,
        attempts=repaired.attempts + released.attempts,
        statements=repaired.statements + released.statements,
    )


def _refused(outcome: Outcome, repair_plan: RepairPlan) -> Outcome:
    """An outcome that says what was left as it is; the reason stands with the plan."""
    gone = outcome.state == "skipped" and outcome.message
    if not repair_plan.refusals or outcome.state == "not reached" or gone:
        return outcome
    objects = some([f"{one.id} {one.object}" for one in repair_plan.refusals], 3)
    return replace(outcome, state="refused", message=f"left as it is: {objects}", hint="")
