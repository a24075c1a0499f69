"""SIGINT and SIGTERM while a schema is migrated: it ends soon, tells what was not reached, leaves nothing."""

import signal
from collections.abc import Iterator

import pytest

from tests.conftest import TENANTS
from tests.support.release import Project, Run, until
from tests.support.running import WAIT_AT_GATE, Gate, Running, only_in, run_sql, sessions
from tests.support.unwell import borrowed

LAST = "0003_announcement_pinned"
SIGNALS = [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
both = pytest.mark.parametrize(("signum", "code"), SIGNALS)
# The main thread waits inside the driver, which another one cancels.
in_the_driver = pytest.mark.versions


def held_in(project: Project, schema: str, atomic: bool = True) -> None:
    """The migration 0004 stops at the gate; 0005 would be the next."""
    loose = "" if atomic else "]\n    atomic = False\n    _ = ["
    project.migration("announcements", "0004_held", LAST, run_sql(only_in(schema, WAIT_AT_GATE)) + loose)
    project.migration("announcements", "0005_after", "0004_held", run_sql("SELECT 1"))


def interrupted(project: Project, begin, gate, signum: int = signal.SIGTERM):
    """A release that got a signal while kypseli's migration stood at the gate."""
    held_in(project, "kypseli")
    release = begin(project)
    gate.reached()
    release.process.send_signal(signum)
    return release.finish(seconds=10)


@pytest.fixture(scope="module")
def stopped(server, template, tmp_path_factory) -> Iterator[tuple[Project, Run]]:
    """The project after such a release, and its run."""
    with borrowed(server, template(*TENANTS), tmp_path_factory.mktemp("stopped")) as project:
        gate = Gate(project.database)
        yield project, interrupted(project, Running, gate)
        gate.open()


@pytest.mark.xdist_group("stopped")
@in_the_driver
def test_a_signal_in_the_middle_of_a_migration_ends_the_release_soon(stopped):
    _, run = stopped

    assert run.code == 143
    assert run.report["causes"][0]["exit_code"] == 143


@in_the_driver
def test_ctrl_c_in_the_middle_of_a_migration_ends_the_release_soon(past: Project, begin, gate):
    run = interrupted(past, begin, gate, signal.SIGINT)

    assert run.code == 130
    assert run.report["causes"][0]["exit_code"] == 130


@pytest.mark.xdist_group("stopped")
def test_the_migration_in_hand_is_rolled_back_and_those_before_it_stay(stopped):
    project, _ = stopped

    assert project.database.applied("kypseli", "announcements") == [
        "0001_initial",
        "0002_announcement_audience",
        LAST,
    ]


@pytest.mark.xdist_group("stopped")
def test_what_an_interrupted_release_did_and_did_not_reach_is_told(stopped):
    _, run = stopped

    assert run.states == {
        "public": "migrated",
        "athena": "migrated",
        "kypseli": "not reached",
        "piraeus": "not reached",
    }
    told = " ".join(event["message"] for event in run.named("schemas.not_reached"))
    assert "kypseli" in told
    assert "piraeus" in told


@pytest.mark.xdist_group("stopped")
def test_an_interrupted_release_ends_with_its_summary_and_the_command_to_run_again(stopped):
    _, run = stopped

    assert "SIGTERM" in run.event("release.failed")["message"]
    assert run.event("release.hinted")["message"].endswith("--schema kypseli --schema piraeus")
    assert run.events[-1]["event"] == "release.finished"
    assert run.named("release.crashed") == []


@pytest.mark.xdist_group("stopped")
def test_an_interrupted_release_leaves_no_session_on_the_server(stopped):
    project, _ = stopped

    until(lambda: sessions(project.database) == [], 5, "the end of our sessions")


def test_a_release_after_an_interrupted_one_finishes_the_work(past: Project, begin, gate):
    interrupted(past, begin, gate)
    gate.open()
    run = begin(past).finish()

    assert (run.code, run.states["athena"], run.states["kypseli"]) == (0, "current", "migrated")


def test_a_signal_in_the_shared_schema_leaves_every_tenant_not_reached(past: Project, begin, gate):
    past.migration("users", "0003_held", "0002_user_phone", run_sql(only_in("public", WAIT_AT_GATE)))
    release = begin(past)
    gate.reached()
    release.process.send_signal(signal.SIGTERM)
    run = release.finish(seconds=10)

    assert run.code == 143
    assert {run.states.get(schema) for schema in ("athena", "kypseli", "piraeus")} == {"not reached"}
    assert past.database.applied("public", "users") == ["0001_initial", "0002_user_phone"]


@both
@in_the_driver
def test_a_migration_that_is_not_atomic_is_let_to_its_end(past: Project, begin, gate, signum, code):
    held_in(past, "kypseli", atomic=False)
    release = begin(past)
    gate.reached()
    release.process.send_signal(signum)
    assert gate.stays_reached(1.5)
    gate.open()
    run = release.finish(seconds=10)

    assert run.code == code
    assert past.database.applied("kypseli", "announcements")[-1] == "0004_held"


def test_two_signals_while_a_migration_is_not_atomic_do_not_tear_it(past: Project, begin, gate):
    held_in(past, "kypseli", atomic=False)
    release = begin(past)
    gate.reached()
    for _ in range(2):
        release.process.send_signal(signal.SIGINT)
        assert gate.stays_reached(0.5)
    gate.open()

    assert release.finish(seconds=10).code == 130
    assert past.database.applied("kypseli", "announcements")[-1] == "0004_held"


@pytest.mark.parametrize("pair", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)])
def test_two_signals_in_a_row_end_like_one(past: Project, begin, gate, pair):
    held_in(past, "kypseli")
    release = begin(past)
    gate.reached()
    for signum in pair:
        release.process.send_signal(signum)
    run = release.finish(seconds=10)

    assert run.code in (143, 130)
    assert run.events[-1]["event"] == "release.finished"
    assert (run.states["kypseli"], run.stderr) == ("not reached", "")


@in_the_driver
def test_a_signal_while_waiting_for_another_try(past: Project, begin, session):
    session(past.database).run(
        "BEGIN; LOCK TABLE kypseli.announcements_announcement IN ACCESS EXCLUSIVE MODE;"
    )
    release = begin(past, "--lock-timeout", "0.3")
    release.reach("schema.retried", attempt=2)
    release.process.send_signal(signal.SIGTERM)
    run = release.finish(seconds=8)

    assert (run.code, run.states["kypseli"]) == (143, "not reached")


@in_the_driver
def test_a_signal_during_a_migration_written_in_python(past: Project, begin):
    past.migration(
        "announcements",
        "0004_long",
        LAST,
        "migrations.RunPython(long)",
        "import pathlib, time\n\n\n"
        "def long(apps, editor):\n"
        "    if editor.connection.schema_name == 'kypseli':\n"
        "        pathlib.Path('began').touch()\n"
        "        for _ in range(20):\n"
        "            with editor.connection.cursor() as cursor:\n"
        "                cursor.execute('SELECT pg_sleep(1)')\n",
    )
    release = begin(past)
    until((past.folder / "began").exists)
    release.process.send_signal(signal.SIGTERM)
    run = release.finish(seconds=10)

    assert (run.code, run.states["kypseli"]) == (143, "not reached")
    assert past.database.applied("kypseli", "announcements")[-1] == LAST


def test_a_migration_that_swallows_errors_is_followed_by_no_other(past: Project, begin):
    past.migration(
        "announcements",
        "0004_stubborn",
        LAST,
        "migrations.RunPython(stubborn)",
        "import pathlib\n\nfrom django.db import DatabaseError, transaction\n\n\n"
        "def stubborn(apps, editor):\n"
        "    for _ in range(6 if editor.connection.schema_name == 'kypseli' else 0):\n"
        "        try:\n"
        "            with transaction.atomic(), editor.connection.cursor() as cursor:\n"
        "                pathlib.Path('began').touch()\n"
        "                cursor.execute('SELECT pg_sleep(2)')\n"
        "        except DatabaseError:\n"
        "            pass\n",
    )
    past.migration("announcements", "0005_after", "0004_stubborn", run_sql("SELECT 1"))
    release = begin(past)
    until((past.folder / "began").exists)
    release.process.send_signal(signal.SIGTERM)
    run = release.finish(seconds=25)

    assert run.code == 143
    assert past.database.applied("kypseli", "announcements")[-1] in (LAST, "0004_stubborn")
