"""Point-in-time recovery: a release records the instant before its first write, if the log is archived."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from railway_release.postgres.recovery import _INSTANT
from tests.support.release import Database, Project, until
from tests.support.server import database_url, psql, server_with

_ARCHIVED = "SELECT last_archived_time > coalesce(last_failed_time, '-infinity') FROM pg_stat_archiver"
# The command runs in the data directory.
_BREAK = """
DO $$ BEGIN
    EXECUTE format('COPY (SELECT 1) TO %L', current_setting('data_directory') || '/broken');
END $$
"""
_WRITE = "INSERT INTO something VALUES (1); SELECT pg_switch_wal()"
_FAILED = "SELECT last_failed_time > coalesce(last_archived_time, '-infinity') FROM pg_stat_archiver"


@pytest.fixture
def archiving(tmp_path: Path) -> Iterator[Project]:
    """The example project before its first release, on a server that archives its log."""
    with server_with(archive_mode="on", archive_command="'test ! -e broken'") as url:
        psql(url, "CREATE DATABASE archived")
        yield Project(tmp_path / "project", Database(database_url(url, "archived")))


def test_the_instant_before_the_first_write_is_told_as_long_as_archiving_works(archiving: Project) -> None:
    database = archiving.database
    database.sql("CREATE TABLE something (id int); SELECT pg_switch_wal()")
    until(lambda: database.sql(_ARCHIVED) == "t", 30, "the log to be archived")
    before = datetime.now(UTC)
    run = archiving.run("--no-collectstatic")
    told = run.event("backup.finished")["message"].partition("point-in-time recovery can go back to ")[2]

    assert run.code == 0, run.text
    assert before - timedelta(seconds=5) < datetime.fromisoformat(told) < datetime.now(UTC)
    assert told in run.report["backup"]
    database.sql(_BREAK)
    until(lambda: database.sql(_WRITE) and database.sql(_FAILED) == "t", 30, "archiving to fail")
    assert not database.sql(_INSTANT)


def test_nothing_is_said_where_the_log_is_not_archived(past: Project) -> None:
    assert not past.database.sql(_INSTANT)
