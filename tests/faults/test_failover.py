"""A server that comes back as another, with less in it than was committed."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.proxy import open_proxy
from tests.support.release import Database, Project, until
from tests.support.running import WAIT_AT_GATE, Gate, only_in, run_sql, terminate
from tests.support.second import copy_to, own_server, second_server
from tests.support.server import create_database, psql
from tests.support.snapshot import contents

LAST = "0003_announcement_pinned"
WORKERS = pytest.mark.parametrize("jobs", ["1", "2"])
HOW = pytest.mark.parametrize(
    "how",
    [
        {"RELEASE_JOBS": "1"},
        {"RELEASE_JOBS": "2"},
        {"RELEASE_JOBS": "1", "RELEASE_ENGINE": "stock"},
    ],
    ids=["one", "two", "stock"],
)


@pytest.fixture
def standby(past: Project) -> Iterator[Database]:
    """Another server that holds what there is now, and hears of nothing that comes next."""
    parts = urlsplit(past.database.url)
    name = parts.path.lstrip("/")
    with second_server() as url:
        copy = create_database(url, name)
        copy_to(copy, past.database.url)
        psql(url, f"ALTER ROLE postgres PASSWORD '{parts.password}'")
        yield Database(urlsplit(copy)._replace(netloc=_as(parts.password or "", copy)).geturl())


def _as(password: str, url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.username}:{password}@{parts.hostname}:{parts.port}"


@HOW
def test_nothing_is_migrated_on_another_server_that_answers_of_a_sudden(
    past: Project, begin, gate: Gate, standby: Database, how: dict[str, str]
):
    """The old server still holds the lock, so only the new connection can tell."""
    past.migration("announcements", "0004_held", LAST, run_sql(only_in("kypseli", WAIT_AT_GATE)))
    before = contents(standby)
    with open_proxy(past.database.url) as proxy:
        release = begin(past, DATABASE_URL=proxy.url, **how)
        gate.reached()
        if how["RELEASE_JOBS"] == "2":
            until(lambda: past.database.applied("piraeus", "announcements")[-1] == "0004_held")
        proxy.lead_to(standby.url)
        past.database.sql(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE wait_event = 'advisory'"
            " AND datname = current_database() AND application_name LIKE 'railway-release ________'"
        )
        ended = release.finish()

    assert (ended.code, ended.report["error"]) == (4, "lock.lost"), ended.text
    assert ended.states["kypseli"] == "not reached"
    assert contents(standby) == before


@WORKERS
def test_a_server_that_comes_back_older_is_migrated_from_what_it_has(
    past: Project, begin, tmp_path: Path, jobs: str
):
    """The release ends, and the next one reads every record anew."""
    with own_server() as server:
        url = create_database(server.url, "test")
        copy_to(url, past.database.url)
        server.keep_copy()
        project = Project(tmp_path / "older", Database(url))
        slow = only_in("kypseli", "PERFORM pg_sleep(60);")
        project.migration("announcements", "0004_slow", LAST, run_sql(slow))
        release = begin(project, RELEASE_JOBS=jobs)
        asleep = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        until(lambda: project.database.sql(asleep), what="the migration that takes its time")
        server.come_back_older()
        ended = release.finish()
        project.migration("announcements", "0004_slow", LAST, run_sql("SELECT 1"))
        after = begin(project, name="next", RELEASE_JOBS=jobs).finish()

    assert (ended.code, ended.report["error"], ended.named("release.crashed")) == (4, "lock.lost", [])
    assert (after.code, after.states["athena"], after.report["findings"]) == (0, "migrated", []), after.text


def test_after_a_lost_connection_the_records_of_what_comes_next_are_read_again(
    past: Project, begin, gate: Gate
):
    """A schema that has less than it was planned for is not migrated on a plan that is not its own."""
    past.migration("announcements", "0004_held", LAST, run_sql(only_in("kypseli", WAIT_AT_GATE)))
    release = begin(past)
    gate.reached()
    gone = "app = 'announcements' AND name = '0001_initial'"
    past.database.sql(f"DELETE FROM piraeus.django_migrations WHERE {gone}")
    terminate(past.database, "railway-release ________")
    gate.open()
    ended = release.finish()

    states = ended.states["kypseli"], ended.states["piraeus"]
    assert (ended.code, states) == (7, ("migrated", "failed")), ended.text
    assert "announcements.0001_initial" in ended.outcome("piraeus")["message"]
    assert past.database.applied("piraeus", "announcements") == []
