"""fake beside a release: it waits for the lock, and judges what is there afterwards."""

import pytest

from tests.support.release import Project, until
from tests.support.running import WAIT_AT_GATE, Gate, only_in, run_sql

FAKE = ("fake", "buildings", "0007_gate", "--data-is-done", "--schema", "athena")
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
RECORDS = "SELECT count(*) FROM athena.django_migrations WHERE name = '0007_gate'"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_fake_waits_for_the_release_and_records_nothing_twice(
    current: Project, begin, gate: Gate, jobs: str
) -> None:
    current.migration("buildings", "0007_gate", "0006_fill_slugs", run_sql(only_in("athena", WAIT_AT_GATE)))
    release = begin(current, RELEASE_JOBS=jobs)
    gate.reached()
    refused = begin(current, *FAKE, "--lock-wait", "0", name="refused").finish()
    waiting = begin(current, *FAKE, "--lock-wait", "60", name="waiting")
    waiting.reach("lock.awaited")
    gate.open()

    assert (refused.code, release.finish().code) == (4, 0)
    run = waiting.finish()
    assert (run.code, run.states, current.database.sql(RECORDS)) == (0, {"athena": "current"}, "1"), run.text


def test_a_release_waits_for_fake_and_finds_what_it_recorded(current: Project, begin, session) -> None:
    current.migration("buildings", "0007_gate", "0006_fill_slugs", run_sql("SELECT 1"))
    stranger = session(current.database)
    stranger.run("BEGIN; LOCK TABLE athena.django_migrations IN SHARE MODE;")
    fake = begin(current, *FAKE, RELEASE_LOCK_TIMEOUT="30", name="fake")
    until(lambda: current.database.sql(WAITING) != "0", what="fake at the locked table")
    release = begin(current, name="release")
    release.reach("lock.awaited")
    stranger.close()

    assert fake.finish().states == {"athena": "repaired"}
    run = release.finish()
    assert (run.code, run.states["athena"], run.states["kypseli"]) == (0, "current", "migrated"), run.text
    assert current.database.sql(RECORDS) == "1"
