"""How often a release waits for the server, beside once for each migration and tenant."""

import pytest

from tests.support.release import Project, Run
from tests.support.schemas import let_a_day_pass
from tests.support.trips import CountingProxy, counting_proxy

from .test_engine import TENANTS, change, more_tenants

_IN_ALL = 30
_A_TENANT = 2
_A_WORKER = 6  # each one after the first: its session, and the question how many may be begun


def asked(project: Project, *words: str, **environ: str) -> tuple[Run, CountingProxy]:
    """A run, and what it has sent."""
    with counting_proxy(project.database.url) as proxy:
        run = project.run(*words, "--no-collectstatic", DATABASE_URL=proxy.url, **environ)
    return run, proxy


def beside(proxy: CountingProxy) -> list[str]:
    """What is not of a schema's turn: looks, the lock, and how each session begins."""
    return [trip for trip in proxy.waited_for if "BEGIN" not in trip]


def test_a_release_waits_thirty_times_beside_its_schemas_however_many_there_are(current: Project):
    """Shared schema and tenants are migrated, by one process; nothing is asked for each tenant."""
    change(current, "migrations.RunSQL('SELECT 1')")
    of_three = beside(asked(current)[1])
    more_tenants(current, 5)
    let_a_day_pass(current.database)  # or it is made sure that nobody is still creating them
    current.migration("buildings", "0008_step", "0007_step", "migrations.RunSQL('SELECT 1')")
    of_eight = beside(asked(current)[1])

    # A session's state is read after SQL of the user's own: one of the two for each tenant.
    assert len(of_three) - 3 <= _IN_ALL, of_three
    assert len(of_eight) - 8 <= _IN_ALL, of_eight


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_whole_release_waits_once_for_each_migration_and_twice_for_each_tenant(past: Project, jobs: str):
    """Two releases behind, with a data migration, by one worker or two."""
    run, proxy = asked(past, RELEASE_JOBS=jobs)

    migrations = sum(len(one["applied"]) for one in run.report["schemas"])
    more = _A_WORKER * (int(jobs) - 1)
    assert run.code == 0, run.text
    assert len(proxy.waited_for) <= _IN_ALL + migrations + _A_TENANT * len(TENANTS) + more


def test_a_release_with_nothing_to_do_waits_eighteen_times(current: Project):
    """Its second look is all that it takes to know that nothing came meanwhile."""
    run, proxy = asked(current)

    assert (run.code, len(proxy.waited_for) <= 18) == (0, True), proxy.waited_for
