"""A real PgBouncer between the release and the server."""

from collections.abc import Iterator

import pytest

from tests.support.pgbouncer import PROGRAM, pgbouncer
from tests.support.release import Database, Project
from tests.support.snapshot import contents

pytestmark = pytest.mark.skipif(
    not PROGRAM, reason="no pgbouncer program: on Debian, apt-get install pgbouncer"
)

# What a session can leave behind for the next one that is given the same server connection.
SESSION_STATE = """
SELECT pg_backend_pid(), current_setting('search_path'), current_setting('lock_timeout'),
       current_setting('statement_timeout'), current_setting('default_transaction_read_only'),
       current_setting('role'), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')
"""


@pytest.fixture
def pooled(past: Project) -> Iterator[str]:
    """The project's database through a transaction pooler."""
    with pgbouncer(past.database.url, "transaction") as url:
        yield url


def test_a_release_through_a_transaction_pooler_is_refused_before_any_write(past: Project, pooled: str):
    before = contents(past.database)

    run = past.run(DATABASE_URL=pooled)

    assert (run.code, run.report["error"]) == (3, "database.pooler")
    assert contents(past.database) == before


def test_the_refusal_names_the_ways_out(past: Project, pooled: str):
    run = past.run(DATABASE_URL=pooled)

    (cause,) = run.report["causes"]
    ways = ("RELEASE_DATABASE_URL", "DATABASE_UNPOOLED_URL", "RELEASE_POOLER=session")
    assert [way for way in ways if way not in cause["message"]] == []


def test_a_pooler_in_session_mode_is_refused_unless_vouched_for(past: Project):
    with pgbouncer(past.database.url, "session") as url:
        run = past.run(DATABASE_URL=url)

    assert (run.code, run.report["error"]) == (3, "database.pooler")


def test_a_direct_url_that_is_pooled_after_all_is_refused(past: Project, pooled: str):
    run = past.run(RELEASE_DATABASE_URL=pooled)

    (cause,) = run.report["causes"]
    assert (run.code, run.report["error"]) == (3, "database.pooler")
    assert "RELEASE_DATABASE_URL" in cause["message"]


def test_release_pooler_session_vouches_for_a_session_pooler(past: Project):
    with pgbouncer(past.database.url, "session") as url:
        run = past.run(DATABASE_URL=url, RELEASE_POOLER="session")

    assert (run.code, set(run.states.values())) == (0, {"migrated"}), run.text


def test_with_a_direct_url_the_pooler_is_passed_by(past: Project, pooled: str):
    run = past.run(DATABASE_URL=pooled, DATABASE_UNPOOLED_URL=past.database.url)

    assert (run.code, set(run.states.values())) == (0, {"migrated"}), run.text
    assert run.event("connection.chosen")["why"] == "DATABASE_UNPOOLED_URL"


@pytest.mark.parametrize(
    ("words", "code"), [(("plan",), 9), (("verify",), 0), (("check",), 9), (("status",), 0)]
)
def test_commands_that_only_look_work_through_a_transaction_pooler(
    past: Project, pooled: str, words: tuple[str, ...], code: int
):
    run = past.run(*words, DATABASE_URL=pooled)

    assert run.code == code, run.text


def test_check_start_works_through_a_transaction_pooler(current: Project):
    with pgbouncer(current.database.url, "transaction") as url:
        run = current.run("check", "--start", DATABASE_URL=url)

    assert run.code == 0, run.text


@pytest.mark.parametrize("words", [("check", "--start"), ("check",), ("plan",), ("verify",)])
def test_nothing_is_left_behind_on_the_only_server_connection_of_a_pool(
    past: Project, words: tuple[str, ...]
):
    with pgbouncer(past.database.url, "transaction", pool_size=1) as url:
        before = Database(url).sql(SESSION_STATE)
        run = past.run(*words, DATABASE_URL=url)
        after = Database(url).sql(SESSION_STATE)

    assert run.code in (0, 9), run.text
    assert after == before
