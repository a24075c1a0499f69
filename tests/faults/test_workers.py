"""Worker processes: whatever happens to one of them, or to their parent, every schema's state is known."""

import os
import signal
from pathlib import Path

import pytest

from tests.support.release import Project, until
from tests.support.running import (
    WAIT_AT_GATE,
    Gate,
    Running,
    alive,
    first_time,
    only_in,
    run_sql,
    sessions,
    terminate,
)

LAST = "0003_announcement_pinned"


def gated(project: Project, body: str = WAIT_AT_GATE, *, atomic: bool = True) -> None:
    """0004 does something, 0005 would be the next."""
    loose = "" if atomic else "]\n    atomic = False\n    _ = ["
    statement = f"DO $do$ BEGIN {body} END $do$"
    project.migration("announcements", "0004_held", LAST, run_sql(statement) + loose)
    project.migration("announcements", "0005_after", "0004_held", run_sql("SELECT 1"))


def in_kypseli_alone(project: Project, *, atomic: bool = True) -> None:
    """0004 waits in one schema."""
    loose = "" if atomic else "]\n    atomic = False\n    _ = ["
    project.migration("announcements", "0004_held", LAST, run_sql(only_in("kypseli", WAIT_AT_GATE)) + loose)


def last_announcement(project: Project, schema: str) -> str:
    """The newest migration that is recorded there."""
    return project.database.applied(schema, "announcements")[-1]


@pytest.fixture
def with_two(past: Project, begin):
    """Begins a release with two workers."""

    def start(**more: str) -> Running:
        return begin(past, RELEASE_JOBS="2", **more)

    return start


def test_two_schemas_are_migrated_at_the_same_time(past: Project, with_two, gate: Gate):
    gated(past)
    release = with_two()
    gate.reached(by=2)
    gate.open()

    assert (release.finish().code, last_announcement(past, "piraeus")) == (0, "0005_after")


def test_a_killed_worker_is_noticed_and_another_one_goes_on(past: Project, with_two, gate: Gate):
    in_kypseli_alone(past)
    release = with_two()
    gate.reached()
    until(lambda: last_announcement(past, "piraeus") == "0004_held", what="the other worker's work")
    holder = next(pid for pid in release.workers if holds_a_session(past, pid, waiting=True))
    os.kill(holder, signal.SIGKILL)
    run = release.finish(seconds=20)

    assert (run.code, run.states) == (
        7,
        {"public": "migrated", "athena": "migrated", "kypseli": "failed", "piraeus": "migrated"},
    )


def holds_a_session(project: Project, pid: int, *, waiting: bool) -> bool:
    """Whether a process has the connection of the session that waits at the gate."""
    wanted = project.database.sql(
        "SELECT a.client_port FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        f" WHERE locktype = 'advisory' AND {'NOT' if waiting else ''} granted AND objid = 4711"
    )
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        if int(line.split()[1].split(":")[1], 16) == int(wanted)
    }
    links = {str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir() if one.is_symlink()}
    return not links.isdisjoint(f"socket:[{inode}]" for inode in inodes)


@pytest.fixture
def killed(past: Project, with_two, gate: Gate):
    """The run of a release in which kypseli's worker was killed in the middle of a migration."""
    in_kypseli_alone(past)
    release = with_two()
    gate.reached()
    until(lambda: last_announcement(past, "piraeus") == "0004_held", what="the other worker's work")
    os.kill(next(pid for pid in release.workers if holds_a_session(past, pid, waiting=True)), 9)
    return release.finish(seconds=20)


def test_the_outcome_of_a_killed_worker_is_what_its_records_say(past: Project, killed):
    outcome = killed.outcome("kypseli")

    assert outcome["failed_at"] == "announcements.0004_held"
    assert "killed by signal 9" in outcome["message"]
    recorded = past.database.lines("SELECT app || '.' || name FROM kypseli.django_migrations")
    (pending,) = (one["migrations"] for one in killed.report["pending"] if "kypseli" in one["schemas"])
    assert outcome["applied"] == [step for step in pending if step in recorded] != []


@pytest.mark.usefixtures("killed")
def test_a_killed_worker_leaves_no_session_and_no_half_of_a_migration(past: Project):
    assert sessions(past.database) == []
    assert last_announcement(past, "kypseli") == LAST


@pytest.mark.usefixtures("killed")
def test_the_next_release_migrates_what_a_killed_worker_left(past: Project, gate: Gate, begin):
    gate.open()

    assert begin(past, name="next").finish().states["kypseli"] == "migrated"


def test_workers_whose_parent_is_killed_stop_before_their_next_migration(past: Project, with_two, gate: Gate):
    gated(past)
    release = with_two()
    gate.reached(by=2)
    workers = release.workers
    release.kill(workers=False)
    gate.open()
    until(lambda: not any(map(alive, workers)), what="the end of the workers")

    assert {last_announcement(past, schema) for schema in ("athena", "kypseli")} <= {LAST, "0004_held"}
    assert last_announcement(past, "piraeus") == "0001_initial"


def test_no_second_release_runs_beside_orphaned_workers(past: Project, with_two, begin, gate: Gate):
    gated(past)
    first = with_two()
    gate.reached(by=2)
    workers = first.workers
    first.kill(workers=False)
    second = begin(past, "--lock-wait", "0", name="second").finish()
    orphaned = all(map(alive, workers))

    assert (orphaned, second.code) == (True, 4)


def test_after_the_orphans_have_ended_the_next_release_runs(past: Project, with_two, begin, gate: Gate):
    gated(past)
    first = with_two()
    gate.reached(by=2)
    first.kill(workers=False)
    second = begin(past, name="second", RELEASE_JOBS="2")
    second.reach("lock.awaited")
    gate.open()

    assert second.finish().code == 0


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_rolls_back_what_every_worker_has_in_hand(past: Project, with_two, gate: Gate, signum, code):
    gated(past)
    release = with_two()
    gate.reached(by=2)
    release.process.send_signal(signum)
    run = release.finish(seconds=10)

    assert (run.code, run.states) == (
        code,
        {"public": "migrated", "athena": "not reached", "kypseli": "not reached", "piraeus": "not reached"},
    )
    assert last_announcement(past, "athena") == last_announcement(past, "kypseli") == LAST


def test_ctrl_c_which_reaches_the_workers_too_ends_like_one_signal(past: Project, with_two, gate: Gate):
    gated(past)
    release = with_two()
    gate.reached(by=2)
    for pid in (*release.workers, release.process.pid):
        os.kill(pid, signal.SIGINT)
    run = release.finish(seconds=10)

    assert (run.code, run.states["athena"], run.stderr) == (130, "not reached", "")


def test_a_signal_lets_a_worker_finish_a_migration_that_is_not_atomic(past: Project, with_two, gate: Gate):
    in_kypseli_alone(past, atomic=False)
    release = with_two()
    gate.reached()
    release.process.send_signal(signal.SIGTERM)
    assert gate.stays_reached(1.5)
    gate.open()

    assert release.finish(seconds=10).code == 143
    assert last_announcement(past, "kypseli") == "0004_held"


def test_a_lost_lock_stops_the_workers_before_their_next_migration(past: Project, with_two, gate: Gate):
    gated(past)
    release = with_two()
    gate.reached(by=2)
    terminate(past.database, "railway-release % lock")
    gate.open()
    run = release.finish(seconds=20)

    assert (run.code, run.report["error"]) == (4, "lock.lost")
    assert last_announcement(past, "piraeus") == "0001_initial"


def test_on_error_stop_begins_no_further_schema(past: Project, with_two, gate: Gate):
    body = f"IF current_schema() = 'athena' THEN RAISE 'no'; ELSE {WAIT_AT_GATE} END IF;"
    gated(past, body)
    release = with_two(RELEASE_ON_ERROR="stop")
    gate.reached()
    release.reach("schema.failed")
    gate.open()
    run = release.finish()

    assert (run.code, run.states["athena"], run.states["kypseli"]) == (7, "failed", "migrated")
    assert run.states["piraeus"] == "not reached"


def test_a_transient_error_in_a_worker_is_retried_and_told(past: Project, with_two):
    past.database.sql("CREATE SEQUENCE public.attempts")
    past.migration(
        "announcements",
        "0004_flaky",
        LAST,
        run_sql(only_in("kypseli", first_time("RAISE SQLSTATE '40001';"))),
    )
    run = with_two().finish()

    assert (run.code, run.outcome("kypseli")["attempts"]) == (0, 2)
    assert run.event("schema.retried")["schema"] == "kypseli"


def test_who_blocks_a_worker_is_told(past: Project, with_two, session):
    stranger = session(past.database)
    stranger.run("BEGIN; LOCK TABLE kypseli.announcements_announcement;")
    release = with_two(RELEASE_LOCK_TIMEOUT="1.2", RELEASE_RETRY_FOR="30")
    blocked = release.reach("schema.blocked")
    stranger.close()

    assert (blocked["schema"], "stranger" in blocked["blockers"]) == ("kypseli", True)
    assert release.finish().code == 0


# The second part of the line comes late, while the other worker writes its own.
_TALK = """
import time

class Late(str):
    def __str__(self):
        time.sleep(0.5)
        return str.__str__(self)

def talk(apps, schema_editor):
    print("hello from", Late(schema_editor.connection.schema_name))
"""


def test_what_a_migration_prints_in_a_worker_is_a_log_line(past: Project, with_two):
    past.migration(
        "announcements",
        "0004_talkative",
        LAST,
        "migrations.RunPython(talk)",
        extra=_TALK,
    )
    run = with_two(RELEASE_LOG_LEVEL="debug", PYTHONUNBUFFERED="1").finish()

    printed = {event["message"] for event in run.named("output.captured")}
    assert {"hello from athena", "hello from kypseli", "hello from piraeus"} <= printed
    assert run.stderr == ""


def test_a_failing_tenant_leaves_the_others_as_a_run_without_it_would(past: Project, with_two):
    past.database.sql("INSERT INTO kypseli.django_migrations (app, name, applied) SELECT 'x', 'y', now()")
    past.migration("announcements", "0004_breaks", LAST, run_sql(only_in("athena", "RAISE 'no';")))
    run = with_two().finish()

    assert (run.states["athena"], run.states["kypseli"], run.states["piraeus"]) == (
        "failed",
        "migrated",
        "migrated",
    )
    assert run.outcome("athena")["failed_at"] == "announcements.0004_breaks"
