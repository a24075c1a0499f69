"""The guards of a release whose role sees nothing of what other roles' sessions do.

pg_stat_activity shows a role that is no superuser only the sessions of roles that it is a member of; of
the others it hides the kind, the state, and since when they are there.
"""

import re
import signal
import time

import pytest

from tests.support.release import Project
from tests.support.roles import KINDS, Roles
from tests.support.running import WAIT_AT_GATE, Session, only_in, run_sql, wait_at

LAST = "0003_announcement_pinned"
OLD = {"public": "migrated", "athena": "migrated", "kypseli": "migrated", "piraeus": "migrated"}

by_jobs = pytest.mark.parametrize("jobs", ["1", "2"])


@pytest.fixture(params=KINDS)
def roles(request: pytest.FixtureRequest, past: Project, as_ordinary) -> Roles:
    """Who owns, releases and serves the project."""
    return as_ordinary(past, request.param)


@pytest.fixture
def application(roles: Roles, session) -> Session:
    """A session of the application's own role."""
    return session(roles.database, "the application", roles.url(roles.application))


@pytest.mark.usefixtures("roles")
def test_a_tenant_that_the_application_is_creating_is_not_touched(past: Project, begin, create, second_gate):
    body = only_in("ilion", f"LOCK TABLE announcements_announcement; {wait_at(2)}")
    past.migration("announcements", "0004_slow", LAST, run_sql(body))
    past.migration("announcements", "0005_after", "0004_slow", run_sql("SELECT 1"))
    creation = create(past, "ilion")
    second_gate.reached()
    run = begin(past, "--settle-wait", "0.5", "--retry-for", "1").finish()
    second_gate.open()

    assert (run.code, run.states) == (0, {**OLD, "ilion": "not reached"}), run.text
    assert re.search(r"another session is still creating.*: pid \d+ \(creation\)", run.text)
    assert creation.finish() == (0, "")


@by_jobs
def test_a_blocking_session_of_the_application_is_named(past: Project, application: Session, begin, jobs):
    application.run("BEGIN; LOCK TABLE kypseli.announcements_announcement;")
    release = begin(past, "--lock-timeout", "1.2", RELEASE_JOBS=jobs)
    blocked = release.reach("schema.blocked", schema="kypseli")["blockers"]
    application.close()

    assert re.match(rf"pid {application.pid} \(the application, role application_\w+, ", blocked)
    assert release.finish().code == 0


@by_jobs
@pytest.mark.usefixtures("roles")
def test_a_signal_ends_the_migration_in_hand_at_once(past: Project, begin, gate, jobs):
    past.migration("announcements", "0004_held", LAST, run_sql(only_in("athena", WAIT_AT_GATE)))
    release = begin(past, RELEASE_JOBS=jobs)
    gate.reached()
    release.process.send_signal(signal.SIGTERM)
    signalled = time.monotonic()
    run = release.finish()

    assert time.monotonic() - signalled < 8, run.text
    assert (run.code, run.states["athena"]) == (143, "not reached"), run.text
    assert past.database.applied("athena", "announcements")[-1] == LAST


def test_the_holder_of_the_lock_is_named_to_a_release_by_another_role(
    past: Project, roles: Roles, begin, gate
):
    past.migration("announcements", "0004_held", LAST, run_sql(only_in("athena", WAIT_AT_GATE)))
    holder = begin(past, name="first")
    run_id = holder.reach("connection.chosen")["run_id"]
    gate.reached()
    other = roles.url(roles.application, assume=True)
    run = begin(past, "--lock-wait", "0", name="second", DATABASE_URL=other).finish()

    assert run.code == 4, run.text
    expected = rf"Another release holds the lock: railway-release {run_id} lock \(pid \d+, role \w+, since "
    assert re.search(rf"{expected}(\d{{4}}-|when is not shown to this role)", run.text), run.text


def test_connections_that_others_use_up_are_told_and_waited_for(past: Project, as_ordinary, begin, session):
    roles = as_ordinary(past, "owner")
    past.database.sql(f"ALTER ROLE {roles.owner} CONNECTION LIMIT 4")
    others = [session(past.database, url=roles.url(roles.owner)) for _ in range(3)]
    release = begin(past)
    told = release.reach("connections.few")["message"]
    release.reach("database.retried")
    for one in others:
        one.close()
    run = release.finish()

    assert f"To have more: ALTER ROLE {roles.owner} CONNECTION LIMIT 20;" in told
    assert (run.code, run.states) == (0, OLD), run.text
