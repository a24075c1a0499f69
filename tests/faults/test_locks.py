"""One release at a time for a database; its sessions SET ROLE, so that they do not even see each other."""

import re

import pytest

from tests.support.release import Project, until
from tests.support.running import WAIT_AT_GATE, Gate, only_in, run_sql, sessions, terminate

pytestmark = pytest.mark.server

LAST = "0003_announcement_pinned"


@pytest.fixture
def past(past: Project, as_ordinary) -> Project:
    """Without a superuser."""
    as_ordinary(past, "assumed")
    return past


def wait_in(project: Project, schema: str) -> None:
    """One tenant's migration stops at the gate; its next one is `0005_after`."""
    project.migration("announcements", "0004_gate", LAST, run_sql(only_in(schema, WAIT_AT_GATE)))
    project.migration("announcements", "0005_after", "0004_gate", run_sql("SELECT 1"))


def lose_lock(project: Project, gate: Gate) -> None:
    """End the lock's session, and wait until the worker has heard of it and cancels what it has in hand.

    The shared schema has no worker, if none of its migrations is code.
    """
    terminate(project.database, "railway-release % lock")
    until(lambda: not gate.stays_reached(0), what="the word to the worker")


def test_a_second_release_waits_until_the_first_has_ended(past: Project, begin, gate):
    wait_in(past, "athena")
    first = begin(past, name="first")
    gate.reached()
    second = begin(past, name="second")
    second.reach("lock.awaited")
    gate.open()

    assert set(first.finish().states.values()) == {"migrated"}
    assert (second.finish().code, set(second.finish().states.values())) == (0, {"current"})


@pytest.mark.parametrize("seconds", ["0", "1"])
def test_a_release_that_has_waited_long_enough_names_the_holder_and_exits_4(
    past: Project, begin, gate, seconds
):
    wait_in(past, "athena")
    run_id = begin(past, name="first").reach("connection.chosen")["run_id"]
    gate.reached()
    holder = (
        rf"railway-release {run_id} lock \(pid \d+, role \w+, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC\)"
    )

    run = begin(past, "--lock-wait", seconds, name="second").finish()

    assert (run.code, run.report["error"], run.report["schemas"]) == (4, "lock.held", [])
    assert re.search(f"Another release holds the lock: {holder}", run.event("release.failed")["message"])


def test_the_pid_named_is_the_session_to_end_for_freeing_the_lock(past: Project, begin, gate):
    wait_in(past, "athena")
    begin(past, name="first")
    gate.reached()
    held = begin(past, "--lock-wait", "0", name="second").finish().report["causes"][0]["message"]
    pid = re.search(r"pid (\d+)", held).group(1)

    name = past.database.sql(f"SELECT application_name FROM pg_stat_activity WHERE pid = {pid}")

    assert name.endswith(" lock")


def test_the_lock_is_free_after_its_holder_was_killed(past: Project, begin, gate):
    wait_in(past, "athena")
    first = begin(past, name="first")
    gate.reached()
    first.kill()
    gate.open()

    run = begin(past, "--lock-wait", "10", name="second").finish()

    assert (run.code, run.states["athena"]) == (0, "migrated")


def test_a_release_that_was_stopped_while_it_waited_leaves_the_lock_to_others(past: Project, begin, gate):
    wait_in(past, "athena")
    first = begin(past, name="first")
    gate.reached()
    second = begin(past, name="second")
    second.reach("lock.awaited")
    second.kill()
    gate.open()

    assert first.finish().code == 0
    assert begin(past, "--lock-wait", "5", name="third").finish().code == 0


def test_a_look_does_not_wait_for_a_release(past: Project, begin, gate):
    wait_in(past, "athena")
    begin(past, name="first")
    gate.reached()

    assert past.run("plan").code == 9


def test_releases_of_two_databases_do_not_wait_for_each_other(
    past: Project, begin, gate, new_database, template
):
    wait_in(past, "athena")
    begin(past, name="first")
    gate.reached()
    other = new_database(template("athena", "kypseli", "piraeus"))

    run = begin(past, "--lock-wait", "0", "--shared-only", name="second", DATABASE_URL=other.url).finish()

    assert run.code == 0, run.text


def test_the_migration_in_hand_ends_and_nothing_more_is_started_once_the_lock_is_lost(
    past: Project, begin, gate
):
    """The schemas that were not reached are named."""
    wait_in(past, "athena")
    release = begin(past)
    gate.reached()
    lose_lock(past, gate)
    gate.open()
    run = release.finish()

    assert (run.code, run.report["error"]) == (4, "lock.lost")
    assert past.database.applied("athena", "announcements")[-1] in ("0003_announcement_pinned", "0004_gate")
    assert past.database.applied("kypseli", "announcements") == ["0001_initial"]
    assert {name: run.states[name] for name in ("public", "kypseli", "piraeus")} == {
        "public": "migrated",
        "kypseli": "not reached",
        "piraeus": "not reached",
    }
    assert run.states["athena"] in ("failed", "not reached")
    assert any("kypseli" in event["message"] for event in run.named("schemas.not_reached"))


def test_a_lock_that_is_lost_while_the_last_schema_is_in_hand_is_told_as_a_lost_lock(
    past: Project, begin, gate
):
    wait_in(past, "piraeus")
    release = begin(past)
    gate.reached()
    lose_lock(past, gate)
    gate.open()
    run = release.finish()

    assert (run.code, run.report["error"]) == (4, "lock.lost")
    assert (run.states["kypseli"], "0005_after" in past.database.applied("piraeus", "announcements")) == (
        "migrated",
        False,
    )


def test_a_lock_that_is_lost_while_the_shared_schema_is_in_hand_is_told_as_a_lost_lock(
    past: Project, begin, gate
):
    past.migration("users", "0003_gate", "0002_user_phone", run_sql(only_in("public", WAIT_AT_GATE)))
    past.migration("users", "0004_after", "0003_gate", run_sql("SELECT 1"))
    release = begin(past)
    gate.reached()
    terminate(past.database, "railway-release % lock")
    gate.open()
    run = release.finish()

    assert (run.code, run.report["error"]) == (4, "lock.lost")
    assert set(run.states.values()) - {"failed"} == {"not reached"}


def test_the_lock_goes_with_the_release_that_lost_it_and_the_next_one_finishes_the_work(
    past: Project, begin, gate
):
    wait_in(past, "athena")
    release = begin(past, name="first")
    gate.reached()
    lose_lock(past, gate)
    gate.open()
    release.finish()

    run = begin(past, name="second").finish()

    assert run.code == 0, run.text
    assert {past.database.applied(s, "announcements")[-1] for s in ("athena", "kypseli", "piraeus")} == {
        "0005_after"
    }


def test_a_release_that_waits_does_not_deadlock_with_create_index_concurrently(past: Project, begin, gate):
    past.migration("announcements", "0004_gate", LAST, run_sql(only_in("athena", WAIT_AT_GATE)))
    past.write(
        "announcements/migrations/0005_index.py",
        "from django.contrib.postgres.operations import AddIndexConcurrently\n"
        "from django.db import migrations, models\n\n\n"
        "class Migration(migrations.Migration):\n"
        "    atomic = False\n"
        "    dependencies = [('announcements', '0004_gate')]\n"
        "    operations = [\n"
        "        AddIndexConcurrently('announcement', models.Index(fields=['title'], name='by_title'))\n"
        "    ]\n",
    )
    first = begin(past, name="first")
    gate.reached()
    second = begin(past, name="second")
    second.reach("lock.awaited")
    gate.open()

    assert first.finish(seconds=20).code == 0, first.finish().text
    assert second.finish(seconds=20).code == 0, second.finish().text


def test_a_finished_release_leaves_no_session_behind(past: Project, begin):
    assert begin(past).finish().code == 0

    until(lambda: sessions(past.database) == [])
