"""The sessions of a dead worker: ended if they are provably ours, else left, or waited for in bounds."""

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db.backends.postgresql.base import Database as Driver

from railway_release.postgres.terminate import end_sessions
from tests.faults.test_misbehaviour import number_in, python
from tests.support.release import Database, Project, until
from tests.support.roles import roles
from tests.support.running import sessions

OURS = "railway-release 1234abcd"


@pytest.fixture
def connect() -> Iterator[Callable[..., Any]]:
    """Opens connections in autocommit."""
    opened = []

    def start(url: str, **more: str) -> Any:
        opened.append(Driver.connect(url, **more))
        opened[-1].autocommit = True
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def is_there(database: Database, pid: int) -> bool:
    """Whether a session with this process id is on the server."""
    return database.sql(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}") == "1"


def test_a_session_is_ended_only_by_process_id_name_and_database(
    past: Project, new_database: Callable[..., Database], session, connect
):
    """A process id that is somebody else's by now is left alone."""
    ours = session(past.database, OURS).pid
    others = [
        session(past.database, "railway-release 00000000").pid,  # of another release
        session(past.database, OURS).pid,  # of another worker
        session(new_database(), OURS).pid,  # in another database
        session(past.database, "psql").pid,
    ]
    named = {ours, others[0], others[2], others[3]}
    left = end_sessions(connect(past.database.url), OURS, named, seconds=10)

    assert (left, is_there(past.database, ours)) == ([], False)
    assert all(is_there(past.database, pid) for pid in others)


def test_a_session_that_may_not_be_ended_is_waited_for_and_named(past: Project, connect):
    """By a role without a right to it, and which is not shown what it does."""
    with roles(past.database) as names:
        other = connect(names.url(names.deploy), application_name=OURS)
        pid, ours = other.info.backend_pid, connect(names.url(names.application))
        left = end_sessions(ours, OURS, {pid}, seconds=0.2)
        other.close()
        after = end_sessions(ours, OURS, {pid}, seconds=10)
        ours.close()

        assert (left, after) == ([pid], [])


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_a_killed_worker_has_done_is_told_also_under_a_role_that_is_assumed(past: Project, begin, jobs):
    """SET ROLE takes away what the login role may do to its own sessions."""
    python(
        past,
        "if name == 'kypseli':\n"
        "    (here / 'worker').write_text(f'{os.getpid()}\\n')\n"
        "    connection.cursor().execute('SELECT pg_sleep(600)')\n",
    )
    with roles(past.database) as names:
        release = begin(past, DATABASE_URL=names.url(names.deploy, assume=True), RELEASE_JOBS=jobs)
        worker = number_in(past.folder / "worker")
        until(lambda: past.database.sql("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%sleep(600)'"))
        os.kill(worker, signal.SIGKILL)
        run = release.finish(seconds=30)
        left = sessions(past.database)

    outcome = run.outcome("kypseli")
    assert (run.code, outcome["state"], run.states["piraeus"], left) == (7, "failed", "migrated", []), (
        run.text
    )
    assert (len(outcome["applied"]) > 0, "killed by signal 9" in outcome["message"]) == (True, True)
