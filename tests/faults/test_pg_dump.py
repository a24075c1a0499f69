"""Backups by pg_dump that fail: nothing is migrated, nothing looks like a backup, nothing is left running."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.backups import manifest, manifests, processes, prove, stand_in
from tests.support.binaries import bin_dir
from tests.support.binaries import run as run_program
from tests.support.disk import small_file_system
from tests.support.release import Project, Run, until
from tests.support.running import Running, sessions
from tests.support.schemas import held_open

SIGNALS = [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
LOUD = "CREATE TABLE athena.large AS SELECT md5(n::text) AS word FROM generate_series(1, 60000) n"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The folder for backups."""
    return tmp_path / "kept"


@pytest.fixture
def release(past: Project, begin, kept: Path, tmp_path: Path) -> Callable[..., Running]:
    """Starts a release with a backup, with stand-ins for PostgreSQL's programs."""

    def start(*words: str, pg_dump: str = "", pg_restore: str = "", **environ: str) -> Running:
        folder = stand_in(tmp_path / "bin", pg_dump, pg_restore)
        return begin(past, *words, RELEASE_BACKUP_TO=str(kept), RELEASE_BACKUP_BIN=folder, **environ)

    return start


def assert_untouched(project: Project, kept: Path) -> None:
    """Nothing was migrated, and nothing is kept or goes on."""
    assert project.database.applied("public", "users") == ["0001_initial"]
    assert project.database.applied("athena", "buildings")[-1] != "0006_fill_slugs"
    assert [path.name for path in kept.rglob("*")] == []
    until(lambda: sessions(project.database) == [], 5, "the end of our sessions")


def failed(run: Run) -> str:
    """Why the backup failed."""
    assert (run.code, run.report["error"]) == (5, "backup.failed"), run.text
    assert set(run.states.values()) <= {"not reached"}
    return str(run.event("release.failed")["message"])


# pg_dump fails

BAD_DUMPS = {
    "killed in the middle": ("REAL | head -c 9000; kill -9 $$", "signal SIGKILL"),
    "killed at its last byte": ("REAL; kill -9 $$", "signal SIGKILL"),
    "failed at its last byte": ("REAL; echo 'pg_dump: error: lost' >&2; exit 1", "1: pg_dump: error: lost"),
    "ended before its first byte": ("exit 1", "exit code 1"),
    "truncated, and content": ("REAL | head -c 9000", "pg_restore failed with exit code 1"),
    "without its last byte, and content": ("REAL | head -c -1", "pg_restore failed with exit code 1"),
    "empty, and content": ("true", "pg_restore failed with exit code 1"),
    "no archive, and content": ("seq 100000", "pg_restore failed with exit code 1"),
    "without one table, and content": (
        f'{bin_dir() / "pg_dump"} -T athena.buildings_building "$@"',
        "lacks athena.buildings_building, which the database has",
    ),
    "without one table's rows, and content": (
        f'{bin_dir() / "pg_dump"} --exclude-table-data=athena.buildings_building "$@"',
        "lacks athena.buildings_building, which the database has",
    ),
    "without a sequence's value, and content": (
        f'{bin_dir() / "pg_dump"} --exclude-table-data=athena.buildings_building_id_seq "$@"',
        "lacks the value of athena.buildings_building_id_seq postgres, which the database has",
    ),
}


@pytest.mark.parametrize(("script", "words"), BAD_DUMPS.values(), ids=BAD_DUMPS)
def test_a_dump_that_is_not_whole_ends_the_release_before_any_write(
    past: Project, release, kept, script, words
):
    text = failed(release(pg_dump=script).finish())

    assert words in text
    assert "Nothing was migrated." in text
    assert_untouched(past, kept)


def test_a_pg_restore_that_cannot_read_it_ends_the_release(past: Project, release, kept):
    assert "pg_restore failed with signal SIGKILL" in failed(release(pg_restore="kill -9 $$").finish())
    assert_untouched(past, kept)


def test_a_backup_that_takes_too_long_is_ended(past: Project, release, kept):
    run = release("--backup-timeout", "1.5", pg_dump="REAL; sleep 100").finish(seconds=20)

    assert "pg_dump did not end within the time for the backup" in failed(run)
    assert "--backup-timeout waits longer" in failed(run)
    assert_untouched(past, kept)


@pytest.mark.skipif(not DEBIAN_15.exists(), reason="there is no older pg_dump")
def test_programs_that_are_older_than_the_server_are_refused_with_what_is_to_be_added(past: Project, kept):
    if "15." in past.database.sql("SHOW server_version"):
        pytest.skip("this server is no newer")
    run = past.run(RELEASE_BACKUP_TO=str(kept), RELEASE_BACKUP_BIN=str(DEBIAN_15))

    text = failed(run)
    assert "version 18 or newer are needed, since the server is 18; found only 15." in text
    assert "postgresql-client-18" in text
    assert_untouched(past, kept)


def test_without_any_programs_that_is_said(past: Project, kept, tmp_path: Path):
    run = past.run(RELEASE_BACKUP_TO=str(kept), RELEASE_BACKUP_BIN=str(tmp_path))

    assert f"found none in {tmp_path}" in failed(run)
    assert_untouched(past, kept)


# The place


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 200 kB."""
    with small_file_system("200k") as folder:
        yield folder


def test_a_full_disk_ends_the_release_and_is_as_empty_as_before(past: Project, begin, small_disk):
    past.database.sql(LOUD)
    run = begin(past, RELEASE_BACKUP_TO=str(small_disk / "kept")).finish()

    assert "cannot be written: No space left on device" in failed(run)
    assert_untouched(past, small_disk / "kept")


def test_a_folder_that_cannot_be_written_to_ends_the_release(past: Project, begin, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    run = begin(past, RELEASE_BACKUP_TO=str(small_disk)).finish()

    assert "cannot be written: Read-only file system" in failed(run)
    assert_untouched(past, small_disk)


def test_a_file_in_the_place_of_the_folder_ends_the_release(past: Project, begin, tmp_path: Path):
    (tmp_path / "file").touch()
    run = begin(past, RELEASE_BACKUP_TO=str(tmp_path / "file")).finish()

    assert "Not a directory" in failed(run)


# What others do meanwhile


def test_a_table_that_is_locked_is_waited_for_and_whoever_locks_it_is_named(past: Project, release, kept):
    with held_open(past.database, "LOCK TABLE kypseli.buildings_building IN ACCESS EXCLUSIVE MODE"):
        run = release("--backup-timeout", "11").finish(seconds=30)

    text = failed(run)
    assert "canceling statement due to statement timeout" in text  # of pg_dump: its own limit for locks
    assert "It waited for pid" in text
    assert "(psql, role postgres, idle in transaction" in text
    assert "it waits for pid" in run.event("wait.told")["message"]
    assert_untouched(past, kept)


MEANWHILE = {
    "dropped": "DROP TABLE athena.more",
    "truncated": "TRUNCATE athena.more",
    "rewritten": "ALTER TABLE athena.more ALTER COLUMN n TYPE bigint",
    "made anew": "DROP TABLE athena.more; CREATE TABLE athena.more AS SELECT 1 AS n",
    "renamed": "ALTER TABLE athena.more RENAME TO others",
}
LEFT = {"dropped": None, "truncated": 0, "rewritten": 1000, "made anew": 1, "renamed": None}


@pytest.mark.parametrize("what", MEANWHILE)
def test_a_table_that_changes_under_the_dump_makes_it_begin_again(past: Project, release, kept, what):
    """An older snapshot would find it empty, without a word."""
    past.database.sql("CREATE TABLE athena.more AS SELECT n FROM generate_series(1, 1000) n")
    change = f'test -e done || {{ touch done; PSQL -d {past.database.url} -c "{MEANWHILE[what]}"; }}; REAL'
    run = release(pg_dump=change).finish()

    assert run.code == 0, run.text
    assert "the backup begins again" in run.event("backup.repeated")["message"]
    found = manifest(kept).contents["athena"].get("more")
    assert (found.rows if found else None) == LEFT[what]
    if found:
        text = run_program(
            "pg_restore", "-f", "-", "-a", "-t", "more", str(kept / manifest(kept).pieces[0].name)
        )
        rows = text.partition("FROM stdin;\n")[2].partition("\\.\n")[0]
        assert len(rows.splitlines()) == LEFT[what]


def test_a_table_that_changes_each_time_ends_the_release(past: Project, release, kept):
    past.database.sql("CREATE TABLE athena.more AS SELECT n FROM generate_series(1, 1000) n")
    run = release(pg_dump=f'PSQL -d {past.database.url} -c "TRUNCATE athena.more"; REAL').finish()

    assert "athena.more: truncated, rewritten or dropped by others while" in failed(run)
    assert len(run.named("backup.repeated")) == 2
    assert_untouched(past, kept)


# Signals

# What makes the rows' texts long, but not their tables.
LONG = """
CREATE TABLE athena.long AS SELECT repeat('x', 90000000) AS text;
INSERT INTO athena.long SELECT text FROM athena.long, generate_series(1, 30);
"""
PHASES = {
    "dump": {"pg_dump": "echo $$ > began; exec sleep 100"},
    "dump, after its last byte": {"pg_dump": "REAL; echo $$ > began; exec sleep 100"},
    "count": {"pg_dump": f'{bin_dir() / "pg_dump"} --exclude-table-data=*.long "$@"; echo $$ > began'},
    "read back": {"pg_restore": "cat > /dev/null; echo $$ > began; exec sleep 100"},
    "encryption": {
        "pg_dump": "echo $$ > began; exec sleep 100",
        "RELEASE_BACKUP_ENCRYPT": "cat",
        "RELEASE_BACKUP_DECRYPT": "cat",
    },
}


@pytest.mark.parametrize(("phase", "signum"), [*((phase, 0) for phase in PHASES), ("dump", 1)])
def test_a_signal_leaves_no_backup_no_process_and_nothing_migrated(
    past: Project, release, kept, phase, signum
):
    if phase == "count":
        past.database.sql(LONG)
    running = release(**PHASES[phase])
    began = past.folder / "began"
    until(lambda: began.exists() and began.read_text(), what=phase)
    running.process.send_signal(SIGNALS[signum][0])
    run = running.finish(seconds=12)

    assert run.code == SIGNALS[signum][1], run.text
    assert_untouched(past, kept)
    until(lambda: processes(str(past.folder.parent)) == [], 5, "the end of all programs")


def test_rows_that_cannot_be_counted_in_time_end_the_release(past: Project, release, kept):
    past.database.sql(f"{LONG} INSERT INTO athena.long SELECT text FROM athena.long, generate_series(1, 2)")
    run = release("--backup-timeout", "3.5", **PHASES["count"]).finish(seconds=30)

    assert "The rows could not be counted within the time for the backup." in failed(run)
    assert "--backup-count-limit counts less" in failed(run)
    assert_untouched(past, kept)


def test_a_run_that_is_killed_leaves_nothing_that_looks_like_a_backup(past: Project, release, kept):
    running = release(pg_dump="REAL; echo $$ > began; exec sleep 100")
    until((past.folder / "began").exists, what="the dump")
    running.kill()
    os.kill(int((past.folder / "began").read_text()), signal.SIGKILL)
    listed = past.run("backups", RELEASE_BACKUP_TO=str(kept))
    assert (listed.report["backups"], listed.report["broken"]) == ([], [])

    run = release().finish()
    assert (run.code, len(manifests(kept))) == (0, 1), run.text
    prove(kept)


@pytest.mark.parametrize(("most", "code"), [(4, 3), (5, 0)])
def test_as_many_connections_are_needed_as_are_checked(past: Project, as_ordinary, kept, most, code):
    roles = as_ordinary(past, "owner")
    past.database.sql(f"ALTER ROLE {roles.owner} CONNECTION LIMIT {most}")
    run = past.run("--no-collectstatic", RELEASE_BACKUP_TO=str(kept))

    assert (run.code, run.report["error"]) == (code, "database.connections" if code else ""), run.text


# Secrets


def test_no_password_is_in_arguments_logs_or_the_backup(past: Project, release, kept):
    run = release(
        pg_dump="cat /proc/[0-9]*/cmdline > told; REAL", TEST_COLD="1", RELEASE_LOG_LEVEL="debug"
    ).finish()
    password = urlsplit(past.database.url).password
    told = (past.folder / "told").read_bytes()

    assert run.code == 0, run.text
    assert b"--snapshot" in told
    assert password.encode() not in told
    assert password not in run.text
    assert all(password.encode() not in path.read_bytes() for path in kept.rglob("*") if path.is_file())


# Encryption that fails

PYTHON = "python3 -c 'import sys; data = sys.stdin.buffer.read(); {}'"
BAD_ENCRYPTION = {
    "fails at its end": ("sh -c 'cat; exit 3'", "", "sh failed with exit code 3"),
    "stops early, and content": ("head -c 5000", "", "head ended before it had read everything"),
    "loses the end, and content": ("head -c -1", "cat", "pg_restore failed with exit code 1"),
    "changes a name, and content": (
        "sed s/_d6ca6985/_d6ca6986/",
        "cat",
        "is not what pg_dump wrote",
    ),
    "is not there": ("no-such-program", "", "no-such-program cannot be started"),
    "has another key": (
        "cat",
        "sh -c 'cat; echo wrong key >&2; exit 1'",
        "sh failed with exit code 1: wrong key",
    ),
    "decrypts less, and content": ("cat", "head -c 9000", "head ended before it had read everything"),
}


@pytest.mark.parametrize("case", BAD_ENCRYPTION)
def test_encryption_that_loses_anything_ends_the_release(past: Project, release, kept, case):
    encrypt, decrypt, words = BAD_ENCRYPTION[case]
    past.database.sql(LOUD)
    run = release(RELEASE_BACKUP_ENCRYPT=encrypt, RELEASE_BACKUP_DECRYPT=decrypt).finish()

    assert words in failed(run)
    assert_untouched(past, kept)
