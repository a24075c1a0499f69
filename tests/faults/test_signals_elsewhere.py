"""SIGINT and SIGTERM while nothing is migrated: it starts, waits, looks, backs up or collects files."""

import signal
import time
from collections.abc import Iterator

import pytest

from tests.support.release import Project, until
from tests.support.running import Running, Session, alive
from tests.support.schemas import copy_tenant
from tests.support.unwell import borrowed

from .test_signals import both, held_in, in_the_driver


def test_two_signals_while_python_is_waiting_end_like_one(past: Project, begin, gate):
    """Both handlers may run one after the other, the second while the first is unwinding."""
    held_in(past, "athena")
    begin(past, name="first")
    gate.reached()
    for attempt in range(5):
        release = begin(past, name=f"waiting{attempt}")
        release.reach("lock.awaited")
        release.process.send_signal(signal.SIGTERM)
        release.process.send_signal(signal.SIGINT)
        run = release.finish(seconds=10)

        assert run.code in (143, 130)
        assert (run.events[-1]["event"], run.stderr) == ("release.finished", "")


def test_signals_up_to_the_very_end_of_the_process_do_not_change_its_exit_code(past: Project, begin, gate):
    held_in(past, "athena")
    begin(past, name="first")
    gate.reached()
    release = begin(past, name="second", TEST_COLD="1")
    release.reach("lock.awaited")
    release.process.send_signal(signal.SIGTERM)
    while release.process.poll() is None:
        release.process.send_signal(signal.SIGINT)
        time.sleep(0.001)

    run = release.finish(seconds=10)
    assert (run.code in (143, 130), run.stderr) == (True, "")


@both
@in_the_driver
def test_a_signal_while_the_database_does_not_answer(past: Project, begin, signum, code):
    release = begin(past, DATABASE_URL="postgresql://nobody@127.0.0.1:9/nothing")
    release.reach("database.retried")
    release.process.send_signal(signum)
    run = release.finish(seconds=8)

    assert (run.code, run.events[-1]["event"]) == (code, "release.finished")


@both
def test_a_signal_while_another_release_holds_the_lock(past: Project, begin, gate, signum, code):
    held_in(past, "athena")
    begin(past, name="first")
    gate.reached()
    release = begin(past, name="second")
    release.reach("lock.awaited")
    release.process.send_signal(signum)
    run = release.finish(seconds=5)

    assert (run.code, run.report["schemas"]) == (code, [])


@both
def test_a_signal_during_the_backup_command_ends_all_of_it(past: Project, begin, signum, code):
    release, pids = in_backup(past, begin, "sleep 60 & echo $$ $! > {}; wait")
    release.process.send_signal(signum)
    run = release.finish(seconds=10)

    assert run.code == code
    assert past.database.applied("public", "users") == ["0001_initial"]
    until(lambda: not any(alive(pid) for pid in pids), 5, "the end of the command and its child")


def test_a_backup_command_that_ignores_the_signal_is_ended_all_the_same(past: Project, begin):
    release, pids = in_backup(past, begin, "trap '' TERM INT; sleep 60 & echo $$ $! > {}; wait; sleep 60")
    release.process.send_signal(signal.SIGTERM)

    assert release.finish(seconds=30).code == 143
    until(lambda: not any(alive(pid) for pid in pids), 5, "the end of the command and its child")


def test_a_child_of_the_backup_command_that_ignores_the_signal_is_ended_all_the_same(past: Project, begin):
    release, pids = in_backup(past, begin, "(trap '' TERM INT; exec sleep 60) & echo $$ $! > {}; wait")
    release.process.send_signal(signal.SIGTERM)

    assert release.finish(seconds=30).code == 143
    until(lambda: not any(alive(pid) for pid in pids), 5, "the end of the command and its child")


def test_a_second_signal_does_not_save_a_backup_command_that_ignores_the_first(past: Project, begin):
    release, pids = in_backup(past, begin, "trap '' TERM INT; sleep 60 & echo $$ $! > {}; wait; sleep 60")
    release.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)  # the release is now giving the command its time to end
    release.process.send_signal(signal.SIGTERM)

    assert release.finish(seconds=30).code == 143
    until(lambda: not any(alive(pid) for pid in pids), 5, "the end of the command and its child")


def in_backup(project: Project, begin, script: str) -> tuple[Running, list[int]]:
    """A release in the middle of its backup command, and the processes of that command."""
    file = project.folder / "pids"
    project.write("backup.sh", script.format(file) + "\n")
    release = begin(project, RELEASE_BACKUP_COMMAND="sh backup.sh")
    until(lambda: file.exists() and len(file.read_text().split()) == 2, what="the backup command")
    return release, [int(pid) for pid in file.read_text().split()]


@both
def test_a_signal_during_a_backup_hook_in_python(past: Project, begin, signum, code):
    past.write(
        "hooks.py",
        "import pathlib, time\n\n\n"
        "def back_up(context):\n"
        "    pathlib.Path('began').touch()\n"
        "    time.sleep(600)\n",
    )
    release = begin(past, RELEASE_BACKUP_HOOK="hooks.back_up")
    until((past.folder / "began").exists)
    release.process.send_signal(signum)
    run = release.finish(seconds=8)

    assert (run.code, past.database.applied("public", "users")) == (code, ["0001_initial"])


@both
def test_a_signal_during_collectstatic_comes_after_everything_was_migrated(
    past: Project, begin, signum, code
):
    past.write(
        "slow.py",
        "import pathlib, time\n\nfrom django.contrib.staticfiles.finders import BaseFinder\n\n\n"
        "class Finder(BaseFinder):\n"
        "    def check(self, **options):\n        return []\n\n"
        "    def list(self, ignore_patterns):\n"
        "        pathlib.Path('began').touch()\n"
        "        time.sleep(600)\n",
    )
    past.settings("STATICFILES_FINDERS = ['slow.Finder']")
    release = begin(past, RELEASE_COLLECTSTATIC="yes")
    until((past.folder / "began").exists)
    release.process.send_signal(signum)
    run = release.finish(seconds=8)

    assert (run.code, set(run.states.values())) == (code, {"migrated"})


@both
def test_a_signal_while_a_schema_is_given_time_to_settle(past: Project, begin, session, signum, code):
    past.database.sql("DELETE FROM kypseli.django_migrations WHERE name = '0003_building_address'")
    past.database.sql("INSERT INTO kypseli.django_migrations (app, name, applied) VALUES ('x', 'y', now())")
    session(past.database).run("BEGIN; LOCK TABLE kypseli.django_migrations IN ROW EXCLUSIVE MODE;")
    release = begin(past, "--settle-wait", "600")
    release.reach("schema.migrated", schema="piraeus")
    release.process.send_signal(signum)
    run = release.finish(seconds=8)

    assert (run.code, run.states["kypseli"], run.states["piraeus"]) == (code, "not reached", "migrated")


@pytest.fixture(scope="module")
def crowded(server, template, tmp_path_factory) -> Iterator[Project]:
    """So many tenants that several reads look at them; some of their records are locked."""
    with borrowed(server, template("athena"), tmp_path_factory.mktemp("crowded")) as project:
        names = [f"more_{number:02}" for number in range(62)]
        copy_tenant(project.database, "athena", *names)
        locked = ", ".join(f"{name}.django_migrations" for name in names[:10])
        stranger = Session(project.database)
        stranger.run(f"BEGIN; LOCK TABLE {locked} IN ACCESS EXCLUSIVE MODE;")
        yield project
        stranger.close()


@both
@in_the_driver
@pytest.mark.xdist_group("crowded")
def test_a_signal_while_one_of_several_reads_waits_for_a_lock(crowded: Project, begin, signum, code):
    release = begin(crowded, RELEASE_JOBS="2")
    until(lambda: crowded.database.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0")
    release.process.send_signal(signum)

    assert release.finish(seconds=8).code == code


def test_a_signal_before_django_is_set_up(past: Project, begin):
    past.settings("import pathlib, time\npathlib.Path('began').touch()\ntime.sleep(600)")
    release = begin(past)
    until((past.folder / "began").exists)
    release.process.send_signal(signal.SIGTERM)
    run = release.finish(seconds=8)

    assert (run.code, run.events[-1]["event"]) == (143, "release.finished")


@in_the_driver
def test_a_signal_during_a_look(past: Project, begin, session):
    session(past.database).run("BEGIN; LOCK TABLE athena.django_migrations IN ACCESS EXCLUSIVE MODE;")
    release = begin(past, "plan")
    waiting = (
        "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE '% read' AND wait_event_type = 'Lock'"
    )
    until(lambda: past.database.sql(waiting), what="the look that waits")
    release.process.send_signal(signal.SIGTERM)

    assert release.finish(seconds=8).code == 143
