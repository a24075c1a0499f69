"""Connections that are not to be had, or are lost: waited for, or told with a code of their own."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import TENANTS
from tests.support.release import Database, Project, until
from tests.support.running import WAIT_AT_GATE, Running, Session, only_in, run_sql, terminate
from tests.support.second import OwnServer, copy_to, own_server
from tests.support.server import create_database, database_url, psql

from .test_retries import as_role
from .test_workers import holds_a_session

LAST = "0003_announcement_pinned"
READING = "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE '% read' AND wait_event_type = 'Lock'"
WORKERS = pytest.mark.parametrize("jobs", ["1", "2"])


def allow(project: Project, role: str, connections: int) -> None:
    """How many sessions the role may have."""
    project.database.sql(f"ALTER ROLE {role} CONNECTION LIMIT {connections}")


@WORKERS
def test_a_lock_without_a_free_connection_is_waited_for(counted: Project, begin, limited, session, jobs):
    """Others have taken what the role allows, but for the one with which the release looks."""
    allow(counted, limited, 3)
    url = as_role(counted, limited)
    for _ in range(2):
        session(Database(url))
    release: Running = begin(counted, DATABASE_URL=url, RELEASE_JOBS=jobs)
    cause = release.reach("database.retried", phase="lock")["cause"]
    allow(counted, limited, -1)
    run = release.finish()

    assert "too many connections" in cause
    assert (run.code, set(run.states.values())) == (0, {"migrated"}), run.text


def test_workers_without_a_free_connection_wait_for_one(counted: Project, begin, limited):
    """The look and the lock have theirs, and none is left for whoever migrates."""
    full = f"ALTER ROLE {limited} CONNECTION LIMIT 2;"
    counted.migration("users", "0003_full", "0002_user_phone", run_sql(only_in("public", full)))
    release: Running = begin(counted, DATABASE_URL=as_role(counted, limited), RELEASE_JOBS="2")
    release.reach("schema.retried")
    allow(counted, limited, -1)
    run = release.finish()

    assert (run.code, set(run.states.values())) == (0, {"migrated"}), run.text


def test_a_look_that_fails_after_a_worker_has_died_leaves_the_other_workers_alone(
    counted: Project,
    begin,
    gate,
    limited,
):
    """Nobody can say what became of that worker's schema; the others are migrated all the same."""
    counted.migration("announcements", "0004_held", LAST, run_sql(only_in("kypseli", WAIT_AT_GATE)))
    release: Running = begin(
        counted, "--retry-for", "1", DATABASE_URL=as_role(counted, limited), RELEASE_JOBS="2"
    )
    gate.reached()
    until(lambda: "0004_held" in counted.database.applied("piraeus", "announcements"))
    allow(counted, limited, 0)
    terminate(counted.database, "railway-release % read")
    os.kill(next(pid for pid in release.workers if holds_a_session(counted, pid, waiting=True)), 9)
    release.reach("survey.retried", phase="tenants")
    run = release.finish()
    allow(counted, limited, -1)

    assert "cannot be read" in run.outcome("kypseli")["message"]
    assert (run.states["athena"], run.states["piraeus"]) == ("migrated", "migrated")
    assert run.named("release.crashed") == []


COMMANDS = [["plan"], ["verify"], ["status"], ["check"], ["repair"], []]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words) or "release")
def test_a_database_that_goes_away_for_good_ends_every_command_with_11(
    past: Project, begin, session, command
):
    """Whatever has to be read: no traceback, and the hint says what to do."""
    name = past.database.url.rpartition("/")[2]
    maintenance = Database(database_url(past.database.url, "postgres"))
    session(past.database).run("BEGIN; LOCK TABLE athena.django_migrations IN ACCESS EXCLUSIVE MODE;")
    release = begin(past, *command, "--retry-for", "0.5")
    until(lambda: past.database.sql(READING), what="the look that waits")
    maintenance.sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    terminate(maintenance, "railway-release % read", name)
    run = release.finish()
    maintenance.sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    assert (run.code, run.report["error"]) == (11, "database.lost"), run.text
    assert "--retry-for" in run.report["causes"][0]["message"]
    assert run.named("release.crashed") == []


# Restarts of the whole server.


@pytest.fixture(scope="module")
def own(server: str, template: Callable[..., str]) -> Iterator[OwnServer]:
    with own_server() as restarting:
        url = create_database(restarting.url, "example")
        copy_to(url, database_url(server, template(*TENANTS)))
        yield restarting


@pytest.fixture
def restartable(own: OwnServer, tmp_path: Path) -> Project:
    """The example two releases behind, on a server that may be restarted."""
    psql(own.url, "DROP DATABASE IF EXISTS test WITH (FORCE)")
    # Of a copy through the log, a server that crashes would forget what sequences have given since.
    url = create_database(own.url, "test", "example")
    return Project(tmp_path / "project", Database(url))


def test_a_server_that_restarts_while_somebody_looks_is_asked_again(
    own: OwnServer, restartable: Project, begin
):
    """The exit codes are those that the commands have without a restart."""
    codes = {"plan": 9, "verify": 0, "status": 0, "check": 9, "repair": 9, "doctor": 8}
    blocker = Session(restartable.database)
    blocker.run("BEGIN; LOCK TABLE athena.django_migrations IN ACCESS EXCLUSIVE MODE;")
    looks = {command: begin(restartable, command, name=command) for command in codes}
    until(lambda: len(restartable.database.lines(READING)) == len(looks), what="the looks that wait")
    own.restart()
    blocker.close()
    runs = {command: look.finish() for command, look in looks.items()}

    assert {command: run.code for command, run in runs.items()} == codes
    assert [command for command, run in runs.items() if not run.named("survey.retried")] == []


@WORKERS
@pytest.mark.parametrize("engine", ["compiled", "stock"])
def test_a_server_that_restarts_in_the_middle_of_a_release_loses_the_lock_and_nothing_else(
    own: OwnServer, restartable: Project, begin, engine, jobs
):
    """The release ends, since nothing proves any more that it is alone; the next one finishes the work."""
    restartable.migration(
        "announcements", "0004_slow", LAST, run_sql(only_in("kypseli", "PERFORM pg_sleep(60);"))
    )
    release = begin(restartable, RELEASE_JOBS=jobs, RELEASE_ENGINE=engine)
    asleep = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    until(lambda: restartable.database.sql(asleep), what="the migration that takes its time")
    own.restart()
    run = release.finish()
    restartable.migration("announcements", "0004_slow", LAST, run_sql("SELECT 1"))
    after = begin(restartable, name="next").finish()

    assert (run.code, run.report["error"], run.named("release.crashed")) == (4, "lock.lost", []), run.text
    assert (after.code, after.report["findings"]) == (0, []), after.text


def test_a_server_that_restarts_in_the_middle_of_a_repair_leaves_nothing_half_repaired(
    own: OwnServer, restartable: Project, begin
):
    """The statement in hand is rolled back with its server; the next one repairs what is left."""
    assert begin(restartable, name="first").finish().code == 0
    restartable.database.sql("DROP TABLE athena.announcements_announcement_audience")
    restartable.database.sql("ALTER TABLE kypseli.announcements_announcement DROP COLUMN pinned")
    blocker = Session(restartable.database)
    blocker.run("BEGIN; LOCK TABLE kypseli.announcements_announcement IN ROW EXCLUSIVE MODE;")
    repair = begin(restartable, "repair", "--apply", "--lock-timeout", "60")
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
    until(lambda: restartable.database.sql(waiting), what="the statement that waits")
    own.restart()
    blocker.close()
    run = repair.finish()
    after = begin(restartable, "repair", "--apply", name="next").finish()

    assert (run.code, run.report["error"], run.named("release.crashed")) == (4, "lock.lost", []), run.text
    assert (after.code, after.report["findings"]) == (0, []), after.text
