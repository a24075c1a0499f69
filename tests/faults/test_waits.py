"""Whatever is waited for longer than five seconds is named, with the session that holds the lock."""

import signal

import pytest

from tests.support.release import Project
from tests.support.running import Session, only_in, run_sql

LOCK = "BEGIN; LOCK TABLE kypseli.buildings_building;"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_lock_that_is_waited_for_is_told_with_its_holder(past: Project, begin, session, jobs: str):
    holder: Session = session(past.database)
    holder.run(LOCK)
    release = begin(past, "--lock-timeout", "20", "--jobs", jobs)
    told = release.reach("wait.told")
    holder.close()

    assert told["message"].startswith(f"at work in kypseli (waiting for pid {holder.pid} (stranger, role ")
    assert told["duration_ms"] >= 5000
    assert release.finish().code == 0


def test_a_read_that_waits_is_told_with_the_holder(past: Project, begin, session):
    holder: Session = session(past.database)
    holder.run("BEGIN; LOCK TABLE kypseli.django_migrations;")
    plan = begin(past, "plan")
    told = plan.reach("wait.told")
    holder.close()

    expected = f"the database is being read (waiting for pid {holder.pid} (stranger, role "
    assert told["message"].startswith(expected)
    assert plan.finish().code == 9


def test_a_backup_is_told_while_it_runs(past: Project, begin):
    release = begin(past, RELEASE_BACKUP_COMMAND="sleep 5.2")
    told = release.reach("wait.told")

    assert told["message"].startswith("the backup command is running (it may take 60 min), for 5 s")
    assert told["phase"] == "backup"
    assert release.finish().code == 0


def test_a_wait_for_another_sessions_work_names_it_at_once_and_spends_the_time_for_retries(
    past: Project, begin, session
):
    """Somebody wrote a record within the last hour, and somebody has a lock."""
    past.database.sql("UPDATE kypseli.django_migrations SET applied = now()")
    holder: Session = session(past.database)
    holder.run(LOCK)
    release = begin(past, "--settle-wait", "2", "--retry-total", "1", "--lock-timeout", "1")
    first = release.reach("schemas.awaited")
    awaited = release.reach("schemas.awaited", message=AWAITED.format(holder.pid))
    run = release.finish()

    assert first["message"] == CHECKED
    assert awaited["schemas"] == ["kypseli"]
    assert (run.code, run.outcome("kypseli")["attempts"]) == (7, 1)


CHECKED = "Changed within the last hour; checking for 0.2 s that no other session works in: kypseli"
AWAITED = "waiting until no other session works in kypseli (pid {} (stranger)); 2 s at most"


def test_a_signal_says_at_once_who_is_waited_for(past: Project, begin):
    slow = run_sql(only_in("kypseli", "PERFORM pg_sleep(60);"))
    past.migration("announcements", "0004_slow", "0003_announcement_pinned", slow)
    release = begin(past, "--jobs", "2")
    release.reach("schema.migrated", schema="athena")
    release.process.send_signal(signal.SIGINT)

    stopped = release.reach("schemas.stopped")
    assert "kypseli" in stopped["schemas"]
    assert release.finish().code == 130
