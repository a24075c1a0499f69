"""Creating schemas that tenants lack, as repair does it, each in a worker process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from railway_release.engine import lost
from railway_release.engine.attempt import SchemaRunner
from railway_release.engine.cancel_token import OwnCancelToken
from railway_release.engine.limits import sessions_with_limits
from railway_release.engine.pool import WorkerPool
from railway_release.migrations.outcome import Outcome
from railway_release.migrations.plan import SchemaPlan
from railway_release.preflight.target import Target


def outcomes(
    plans: Sequence[SchemaPlan],
    work: Callable[[str], None],
    target: Target,
    runner: SchemaRunner,
    token: OwnCancelToken,
) -> Iterator[Outcome]:
    """Call `work` with the name of each schema, in a worker process; the outcomes as they come.

    It may run the project's own create_schema() and receivers, which may do anything to their process.
    """

    def run_task(number: int, runner: SchemaRunner) -> Outcome:
        return runner.run(plans[number], partial(work, plans[number].schema.name))

    pool = WorkerPool(plans, run_task, runner, token, target.read_pool, outcome_of_loss=lost.creation_outcome)
    with sessions_with_limits(runner.limits):
        yield from pool.outcomes(lambda: False) if plans else ()
    token.check()
