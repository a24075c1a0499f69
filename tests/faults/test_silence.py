"""A peer that vanishes: whatever is sent is taken, and nothing ever comes back."""

import pytest

from tests.support.proxy import SwallowingProxy, opened
from tests.support.release import Project, until
from tests.support.running import WAIT_AT_GATE, Gate, only_in

LAST = "0003_announcement_pinned"
HOW = pytest.mark.parametrize(
    "how", [{"RELEASE_JOBS": "2"}, {"RELEASE_ENGINE": "stock"}], ids=["two", "stock"]
)
WRITING = "SELECT 1 FROM pg_stat_activity WHERE application_name ~ '^railway-release [0-9a-f]{8}$'"


@HOW
def test_a_release_whose_server_vanishes_ends_and_the_next_one_ends_what_it_left(
    past: Project, begin, gate: Gate, how: dict[str, str]
):
    """The first is told why; the second names the session that the server still has, ends it, and goes on."""
    # From Python, so that its transaction is open when the answer comes.
    held = f"editor.execute({only_in('kypseli', WAIT_AT_GATE)!r})"
    past.migration("announcements", "0004_held", LAST, f"migrations.RunPython(lambda apps, editor: {held})")
    with opened(SwallowingProxy(past.database.url)) as proxy:
        release = begin(past, DATABASE_URL=proxy.url, RELEASE_PEER_TIMEOUT="1", **how)
        gate.reached()
        proxy.swallow()
        first = release.finish(seconds=30)
        gate.open()
        until(lambda: past.database.sql(f"{WRITING} AND state LIKE 'idle%'"), what="the session that is left")
        second = begin(past, name="second", RELEASE_PEER_TIMEOUT="1", **how).finish()

    assert (first.code, first.report["error"], first.states["kypseli"]) == (4, "lock.lost", "not reached")
    assert "has not answered for 1 s" in first.report["causes"][0]["message"]
    assert "railway-release" in second.named("lock.session_ended")[0]["message"]
    assert (second.code, second.report["findings"]) == (0, []), second.text


def test_a_look_whose_server_vanishes_ends(past: Project, begin, session):
    """It asks on a new connection whether anybody answers; nobody does."""
    session(past.database).run("BEGIN; LOCK TABLE athena.django_migrations IN ACCESS EXCLUSIVE MODE;")
    waiting = (
        "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE '% read' AND wait_event_type = 'Lock'"
    )
    with opened(SwallowingProxy(past.database.url)) as proxy:
        look = begin(
            past, "plan", DATABASE_URL=proxy.url, RELEASE_PEER_TIMEOUT="0.5", RELEASE_RETRY_FOR="0.5"
        )
        until(lambda: past.database.sql(waiting), what="the look that waits")
        proxy.swallow()
        run = look.finish(seconds=30)

    assert (run.code, run.report["error"], len(run.named("database.silent"))) == (11, "database.lost", 1), (
        run.text
    )


def test_a_look_that_takes_longer_than_that_is_not_given_up(past: Project, begin, session):
    """Somebody answers on a new connection, so the answer to the old question is yet to come."""
    blocker = session(past.database)
    blocker.run("BEGIN; LOCK TABLE athena.django_migrations IN ACCESS EXCLUSIVE MODE;")
    look = begin(past, "plan", RELEASE_PEER_TIMEOUT="0.2")
    asked = "SELECT count(*) > 0 FROM pg_stat_database WHERE datname = current_database() AND sessions > {}"
    sessions = int(
        past.database.sql("SELECT sessions FROM pg_stat_database WHERE datname = current_database()")
    )
    until(lambda: past.database.sql(asked.format(sessions + 3)) == "t", what="questions on new connections")
    blocker.close()
    run = look.finish()

    assert (run.code, run.named("database.silent"), run.named("survey.retried")) == (9, [], []), run.text


def test_every_session_notices_the_end_of_the_other_side_unless_the_user_says_otherwise(past: Project):
    """On this side and on the server's; what OPTIONS say stays."""
    past.settings("DATABASES['default']['OPTIONS'] = {'keepalives_idle': 77}")
    past.migration(
        "users",
        "0003_seen",
        "0002_user_phone",
        "migrations.RunPython(see)",
        extra="def see(apps, editor):\n"
        "    info = editor.connection.connection.info\n"
        "    seen = getattr(info, 'dsn_parameters', None) or info.get_parameters()\n"
        "    names = ('keepalives_idle', 'keepalives_count', 'tcp_user_timeout')\n"
        "    text = ' '.join(seen[name] for name in names)\n"
        "    server = \"current_setting('tcp_keepalives_idle')\"\n"
        "    editor.execute(f\"CREATE TABLE seen AS SELECT '{text}' AS here, {server} AS there\")\n",
    )
    run = past.run("--shared-only")

    assert run.code == 0, run.text
    assert past.database.sql("SELECT * FROM public.seen") == "77 4 30000|10"
