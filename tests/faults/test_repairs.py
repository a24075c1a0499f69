"""repair while others are at work, and when something ends it: the backup, the locks, signals, indexes."""

import shlex
import signal
import subprocess

import pytest

from tests.support.binaries import bin_dir, environment
from tests.support.picture import picture
from tests.support.release import Project, until
from tests.support.snapshot import contents
from tests.support.unwell import definitions, mends, remedy

ANNOUNCEMENT, MEMBERSHIP = "announcements_announcement", "buildings_buildingmembership"
PATIENCE = {"RELEASE_LOCK_TIMEOUT": "0.3", "RELEASE_RETRY_FOR": "30"}


@pytest.fixture
def ghosts(past: Project) -> Project:
    """Each tenant has lost a table and the foreign keys of one that is left."""
    keys = past.database.lines(
        "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I;', conrelid::regclass, conname)"
        f" FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text LIKE '%.{MEMBERSHIP}'"
    )
    tables = [f"DROP TABLE {name}.{ANNOUNCEMENT};" for name in ("athena", "kypseli", "piraeus")]
    past.database.sql("".join((*keys, *tables)))
    return past


def occupied(session, project: Project, schema: str):
    """Somebody who holds a table that is to be altered, and can be read."""
    stranger = session(project.database)
    stranger.run(f"BEGIN; LOCK TABLE {schema}.{MEMBERSHIP} IN EXCLUSIVE MODE;")
    return stranger


def test_the_backup_is_made_before_the_first_write(ghosts: Project, begin):
    dump = ghosts.folder / "before.dump"
    command = shlex.join([str(bin_dir() / "pg_dump"), "-Fc", "-s", "-f", str(dump)])
    run = begin(ghosts, "repair", "--apply", RELEASE_BACKUP_COMMAND=command).finish()

    listed = subprocess.run(
        [bin_dir() / "pg_restore", "--list", dump],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert run.code == 0, run.text
    assert f" TABLE athena {MEMBERSHIP} " in listed
    assert ANNOUNCEMENT not in listed


def test_nothing_is_repaired_when_the_backup_fails(ghosts: Project, begin):
    before = contents(ghosts.database)
    run = begin(ghosts, "repair", "--apply", RELEASE_BACKUP_COMMAND="false").finish()

    assert (run.code, run.report["error"]) == (5, "backup.failed")
    assert contents(ghosts.database) == before


def test_without_apply_no_backup_is_made(ghosts: Project, begin):
    run = begin(ghosts, "repair", RELEASE_BACKUP_COMMAND="false").finish()

    assert (run.code, run.report["backup"]) == (9, "")


@pytest.mark.parametrize("words", [("repair", "--apply"), ("release",)])
def test_nobody_else_writes_while_a_repair_is_under_way(ghosts: Project, begin, session, words):
    occupied(session, ghosts, "kypseli")
    first = begin(ghosts, "repair", "--apply", name="first", **PATIENCE)
    first.reach("schema.retried", schema="kypseli")
    second = begin(ghosts, *words, "--lock-wait", "0", name="second").finish()

    assert (second.code, second.report["error"]) == (4, "lock.held")


def test_looking_needs_no_lock(ghosts: Project, begin, session):
    occupied(session, ghosts, "kypseli")
    first = begin(ghosts, "repair", "--apply", name="first", **PATIENCE)
    first.reach("schema.retried", schema="kypseli")

    assert begin(ghosts, "repair", name="second").finish().code == 9


def test_a_table_that_is_locked_for_a_while_is_repaired_when_it_is_free(ghosts: Project, begin, session):
    stranger = occupied(session, ghosts, "kypseli")
    repair = begin(ghosts, "repair", "--apply", **PATIENCE)
    repair.reach("schema.retried", schema="kypseli")
    stranger.close()
    run = repair.finish()

    assert (run.code, run.states["kypseli"]) == (0, "repaired")
    assert run.outcome("kypseli")["attempts"] > 1


def test_a_table_that_stays_locked_fails_its_schema_alone_and_leaves_it_as_it_was(
    ghosts: Project, begin, session
):
    before = definitions(picture(ghosts.database), "kypseli")
    stranger = occupied(session, ghosts, "kypseli")
    run = begin(ghosts, "repair", "--apply", RELEASE_LOCK_TIMEOUT="0.3", RELEASE_RETRY_FOR="1").finish()
    stranger.close()

    assert run.code == 7
    assert run.states == {
        "public": "migrated",
        "athena": "repaired",
        "kypseli": "failed",
        "piraeus": "repaired",
    }
    assert (run.outcome("kypseli")["sqlstate"], run.outcome("kypseli")["repairs"]) == ("55P03", [])
    assert definitions(picture(ghosts.database), "kypseli") == before


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_in_the_middle_leaves_nothing_half_done(ghosts: Project, begin, session, signum, code):
    before = picture(ghosts.database)
    stranger = occupied(session, ghosts, "kypseli")
    repair = begin(ghosts, "repair", "--apply")
    until(lambda: waiting(ghosts), what="the repair at the locked table")
    repair.process.send_signal(signum)
    run = repair.finish()
    stranger.close()

    assert run.code == code
    assert [run.states[name] for name in ("athena", "kypseli", "piraeus")] == [
        "repaired",
        "not reached",
        "not reached",
    ]
    after = picture(ghosts.database)
    assert all(definitions(after, name) == definitions(before, name) for name in ("kypseli", "piraeus"))
    assert ANNOUNCEMENT in ghosts.database.tables("athena")


def test_a_repair_that_was_killed_is_done_by_the_next(ghosts: Project, begin, session):
    stranger = occupied(session, ghosts, "kypseli")
    repair = begin(ghosts, "repair", "--apply")
    until(lambda: waiting(ghosts), what="the repair at the locked table")
    repair.kill()
    stranger.close()
    run = begin(ghosts, "repair", "--apply", name="next").finish()

    assert run.code == 0, run.text
    assert begin(ghosts, "repair").finish().report["remedies"] == []


def waiting(project: Project) -> bool:
    """Whether a statement of a repair waits for a lock."""
    where = "wait_event_type = 'Lock' AND application_name LIKE 'railway-release%'"
    return project.database.sql(f"SELECT count(*) FROM pg_stat_activity WHERE {where}") != "0"


@pytest.mark.parametrize(
    ("damage", "row"),
    [
        (
            f"DELETE FROM kypseli.{MEMBERSHIP}; ALTER TABLE kypseli.{MEMBERSHIP} DROP user_id",
            f"INSERT INTO kypseli.{MEMBERSHIP} (building_id, role) VALUES (1, 'new')",
        ),
        (
            f"DELETE FROM kypseli.{ANNOUNCEMENT}; ALTER TABLE kypseli.{ANNOUNCEMENT} SET SCHEMA public",
            f"INSERT INTO public.{ANNOUNCEMENT} (title, body, published_at) VALUES ('a', 'b', now())",
        ),
    ],
    ids=["required column", "masked table"],
)
def test_rows_that_came_after_the_look_are_seen_before_anything_is_written(
    past: Project, begin, session, damage, row
):
    past.database.sql(damage)
    before = definitions(picture(past.database), "kypseli")
    stranger = session(past.database)
    stranger.run(f"BEGIN; {row};")
    repair = begin(past, "repair", "--apply")
    until(lambda: waiting(past), what="the repair at the locked table")
    stranger.run("COMMIT;")
    run = repair.finish()

    assert (run.code, run.states["kypseli"]) == (7, "failed")
    assert "holds rows by now" in run.outcome("kypseli")["message"]
    assert definitions(picture(past.database), "kypseli") == before


# Indexes whose making was cut off.

CONCURRENTLY = """
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("announcements", "0003_announcement_pinned")]
    operations = [AddIndexConcurrently("announcement", models.Index(fields=["title"], name="by_title"))]
"""
INVALID = "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid"


def test_an_index_whose_making_was_killed_is_made_anew_and_recorded(past: Project, begin, session):
    assert begin(past).finish().code == 0
    past.write("announcements/migrations/0004_concurrently.py", CONCURRENTLY)
    past.migration("announcements", "0005_after", "0004_concurrently", "migrations.RunSQL('SELECT 1')")
    stranger = session(past.database)
    stranger.run(f"BEGIN; UPDATE athena.{ANNOUNCEMENT} SET title = title;")
    release = begin(past, "--schema", "athena", "--lock-timeout", "60")
    until(lambda: past.database.lines(INVALID), what="the index half made")
    release.kill()
    # The server may have noticed by itself that the client is gone.
    making = "FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%'"
    past.database.sql(f"SELECT pg_terminate_backend(pid, 10000) {making}")
    assert past.database.lines(f"SELECT pid {making}") == []
    stranger.close()

    dry = begin(past, "repair").finish()
    assert remedy(dry, "athena")["reindexes"] == ["by_title"]
    assert remedy(dry, "athena")["records"] == ["announcements.0004_concurrently"]
    run = begin(past, "repair", "--apply").finish()
    assert run.code == 0, run.text
    assert past.database.lines(INVALID) == []
    assert past.database.applied("athena", "announcements")[-2:] == ["0004_concurrently", "0005_after"]


def test_what_a_cancelled_reindex_has_left_is_taken_away(past: Project, begin, session):
    (index,) = past.database.lines(
        f"SELECT indexname FROM pg_indexes WHERE schemaname = 'athena' AND tablename = '{ANNOUNCEMENT}'"
    )
    stranger, other = session(past.database), session(past.database)
    stranger.run(f"BEGIN; UPDATE athena.{ANNOUNCEMENT} SET title = title;")
    other.send(f"REINDEX INDEX CONCURRENTLY athena.{index};")
    until(lambda: past.database.lines(INVALID), what="the index half made")
    past.database.sql(f"SELECT pg_cancel_backend({other.pid})")
    stranger.close()
    dry = begin(past, "repair").finish()
    run = begin(past, "repair", "--apply").finish()

    assert mends(dry, "athena") == [f"index.invalid {ANNOUNCEMENT}.{index}_ccnew"]
    assert run.code == 0, run.text
    assert past.database.lines(INVALID) == []
    assert index in past.database.sql("SELECT indexname FROM pg_indexes WHERE schemaname = 'athena'")
