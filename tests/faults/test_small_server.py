"""A server with hardly any room: for locks, and for connections."""

import os
from collections.abc import Iterator

import pytest

from railway_release.postgres.batch_reader import BatchReader
from tests.support.release import Database, Project
from tests.support.running import only_in, run_sql
from tests.support.server import copy_of

psycopg = pytest.importorskip("psycopg", reason="the sessions of these tests are opened with it")

LAST = "0003_announcement_pinned"
SMALL = {
    "max_connections": "8",
    "max_locks_per_transaction": "10",
    "max_wal_senders": "0",
    "max_worker_processes": "1",
    "autovacuum": "off",
}

pytestmark = pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="copies a server that is not ours")


@pytest.fixture
def small(past: Project) -> Iterator[Project]:
    """The project on such a server."""
    with copy_of(past.database.url, **SMALL) as url:
        past.url, past.database = url, Database(url)
        yield past


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_migration_that_needs_more_locks_than_there_are_fails_its_tenant_alone(small: Project, jobs: str):
    """Three attempts, since each time others may have held the slots until just before they were counted."""
    tables = "FOR n IN 1..5000 LOOP EXECUTE format('CREATE TABLE t%s ()', n); END LOOP;"
    small.migration("announcements", "0004_tables", LAST, run_sql(only_in("kypseli", tables)))
    run = small.run(RELEASE_JOBS=jobs)
    outcome = run.outcome("kypseli")

    assert (run.code, [one for one in run.states if run.states[one] != "migrated"]) == (7, ["kypseli"])
    assert (outcome["state"], outcome["sqlstate"], outcome["attempts"]) == ("failed", "53200", 3)
    assert "ALTER SYSTEM SET max_locks_per_transaction" in outcome["hint"]


def test_many_schemas_are_read_with_the_locks_of_one(small: Project):
    small.database.sql(
        "DO $do$ BEGIN FOR s IN 1..50 LOOP"
        " EXECUTE format('CREATE SCHEMA s%1$s; CREATE TABLE s%1$s.t (n int)', s);"
        " FOR i IN 1..40 LOOP EXECUTE format('CREATE INDEX ON s%s.t (n)', s); END LOOP; COMMIT;"
        " END LOOP; END $do$"
    )
    names = [f"s{number}" for number in range(1, 51)]
    with psycopg.connect(small.database.url, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.OutOfMemory):
            connection.execute(" UNION ALL ".join(f"SELECT n FROM {name}.t" for name in names).encode())
        unreadable: dict[str, str] = {}
        rows = BatchReader(connection).read(names, "SELECT {literal}, count(*) FROM {schema}.t", unreadable)

        assert ({name for name, _ in rows}, unreadable) == (set(names), {})


def test_a_release_does_with_the_last_three_connections(small: Project, as_ordinary, session):
    roles = as_ordinary(small, "owner")
    for _ in range(2):  # of the five that superusers leave
        session(small.database, url=roles.url(roles.application))
    run = small.run(RELEASE_JOBS="4")

    assert (run.code, set(run.states.values())) == (0, {"migrated"}), run.text
    assert "one process migrates: max_connections of the server leaves 1 connection" in run.text
