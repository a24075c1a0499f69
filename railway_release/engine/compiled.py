"""The compiled engine: what all schemas of a cohort have in common is done once, the rest in parallel."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from railway_release.engine import receivers
from railway_release.engine.apply import Applier, has_receivers
from railway_release.engine.attempt import SchemaRunner
from railway_release.engine.cancel_token import OwnCancelToken
from railway_release.engine.compile import Program, compiled
from railway_release.engine.leaks import LeakDetector
from railway_release.engine.limits import sessions_with_limits
from railway_release.engine.pool import CAN_FORK, WorkerPool
from railway_release.migrations.outcome import Key, Outcome
from railway_release.migrations.plan import Cohort, SchemaPlan
from railway_release.postgres.failures import describe
from railway_release.postgres.server import ConnectionLimit, tightest_connection_limit
from railway_release.preflight.read_pool import ReadPool
from railway_release.runtime.counting import Clock, counted
from railway_release.runtime.log import get_logger
from railway_release.runtime.platform import cores
from railway_release.runtime.text import count
from railway_release.topology import search_path_set_once, tenant_connection

_MAX_MODELS = 4000  # rendered and kept in memory at once; each takes some 25 kB


@dataclass(frozen=True)
class Task:
    """A schema's plan, and the program of its cohort."""

    plan: SchemaPlan
    program: Program


class CompiledEngine:
    """Applies the programs of cohorts; see engine.Engine."""

    def __init__(self, runner: SchemaRunner, token: OwnCancelToken, read_pool: ReadPool, jobs: int) -> None:
        self._runner = runner
        self._token = token
        self._read_pool = read_pool
        self._requested_jobs = jobs
        self._clock = Clock()
        self._programs: dict[frozenset[Key], Program] = {}  # of the last batch, by the applied migrations

    def migrate(self, plans: Sequence[SchemaPlan], enough: Callable[[], bool]) -> Iterator[Outcome]:
        """See Engine. Uses worker processes, unless one job is enough and none of the project's code runs."""
        self._token.check()
        with _migrate_environment(self._runner):
            jobs = self._jobs(len(plans))
            leaks = LeakDetector()
            for batch in self._batches(plans):
                if isinstance(batch, Outcome):
                    yield batch
                else:
                    yield from self._run_batch(batch, jobs, leaks, enough)
                self._token.check()
                if enough():
                    return

    def _run_batch(
        self, tasks: Sequence[Task], jobs: int, leaks: LeakDetector, enough: Callable[[], bool]
    ) -> Iterator[Outcome]:
        def run_task(number: int, runner: SchemaRunner) -> Outcome:
            task = tasks[number]
            return Applier(task.program, runner, leaks).run(task.plan)

        plans = [task.plan for task in tasks]
        pool = WorkerPool(plans, run_task, self._runner, self._token, self._read_pool, jobs=jobs)
        # The project's code may do anything to its process, which must not be this one.
        if jobs > 1 or any(task.program.runs_code or has_receivers(task.program) for task in tasks):
            yield from pool.outcomes(enough)
        else:
            yield from pool.in_this_process(enough)

    def _batches(self, plans: Sequence[SchemaPlan]) -> Iterator[list[Task] | Outcome]:
        """The tasks, for as many cohorts at a time as fit into memory, each batch in the order of the plans.

        Where the program of a cohort cannot be compiled, its schemas have failed.
        """
        batch: list[Task] = []
        weight = 0
        for cohort, members in self._by_cohort(plans):
            program = self._program(cohort)
            if isinstance(program, str):
                yield from (_not_compiled(plan, program) for plan in members)
                continue
            if batch and weight + program.weight > _MAX_MODELS:
                yield _in_order(batch, plans)
                self._programs = {cohort.applied: program}
                batch, weight = [], 0
            batch += [Task(plan, program) for plan in members]
            weight += program.weight
        if batch:
            yield _in_order(batch, plans)

    def _by_cohort(self, plans: Sequence[SchemaPlan]) -> Iterator[tuple[Cohort, list[SchemaPlan]]]:
        """The plans of each cohort; logs how many migrations are compiled, and how far that has come."""
        self._clock = Clock()
        groups: dict[frozenset[Key], list[SchemaPlan]] = {}
        for plan in plans:
            groups.setdefault(plan.cohort.applied, []).append(plan)
        new = [one[0].cohort for key, one in groups.items() if key not in self._programs]
        if most := max((len(cohort.steps) for cohort in new), default=0):
            text = f"preparing {count(most, 'migration')} for {count(len(plans), 'schema')}"
            text += f", in {len(groups)} groups that lack different ones" if len(groups) > 1 else ""
            get_logger().info("plans.begun", message=text, migrations=most, levels=len(groups))
        parts = list(groups.values())
        for members in counted(parts, "plans.counted", "groups of schemas prepared", self._clock):
            yield members[0].cohort, members

    def _program(self, cohort: Cohort) -> Program | str:
        """The program of a cohort, or why there is none. Kept, since other plans of the cohort may follow."""
        program = self._programs.get(cohort.applied) or self._compile(cohort)
        if isinstance(program, Program):
            self._programs[cohort.applied] = program
        return program

    def _compile(self, cohort: Cohort) -> Program | str:
        try:
            return compiled(cohort, self._clock)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the project's migrations may raise anything
            return f"the migrations cannot be prepared: {type(error).__name__}: {describe(error)}"

    def _jobs(self, schemas: int) -> int:
        if schemas <= 1 or self._requested_jobs == 1:
            return 1
        if not CAN_FORK:
            get_logger().info("workers.none", message="one process migrates: only Linux can fork safely")
            return 1
        try:
            limit = self._read_pool.read(tightest_connection_limit)
        except Exception as error:  # noqa: BLE001 - schemas are migrated without that number, too
            text = f"one process migrates: the free connections could not be counted ({describe(error)})"
            get_logger().warning("workers.none", message=text)
            return 1
        return _chosen_jobs(limit, self._requested_jobs, schemas)


def _chosen_jobs(limit: ConnectionLimit, requested: int, schemas: int) -> int:
    """The number of processes that free connections allow, by default for half of them; logs it."""
    wanted = min(requested or min(cores(), max(1, limit.free // 2)), schemas)
    # This process closes its connection before a worker opens one.
    free = limit.free + (tenant_connection().connection is not None)
    jobs = max(1, min(wanted, free))
    if jobs > 1 or free < wanted:
        text = f"{jobs} worker processes (start method fork)" if jobs > 1 else "one process migrates"
        text += f": {limit.bound} leaves {count(free, 'connection')}" if free < wanted else ""
        get_logger().info("workers.chosen", message=text, jobs=jobs, connections_free=free)
    return jobs


def _in_order(tasks: list[Task], plans: Sequence[SchemaPlan]) -> list[Task]:
    place = {plan.schema.name: index for index, plan in enumerate(plans)}
    return sorted(tasks, key=lambda task: place[task.plan.schema.name])


def _not_compiled(plan: SchemaPlan, why: str) -> Outcome:
    return Outcome(
        plan.schema.name, "failed", message=why, hint="`python manage.py sqlmigrate` shows the same."
    )


@contextlib.contextmanager
def _migrate_environment(runner: SchemaRunner) -> Iterator[None]:
    """While entered, receivers, connections and settings are as the migrations of all schemas need them."""
    receivers.register()
    tenant_connection().set_schema_to_public()  # where every attempt begins, also in the workers
    with search_path_set_once(), receivers.without_djangos_own(), sessions_with_limits(runner.limits):
        yield
