"""Restores that are cut off, or whose archive is not what it was: the tenant is the old or the new one."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import TENANTS
from tests.support.account import give_to_account
from tests.support.backups import change
from tests.support.binaries import bin_dir
from tests.support.disk import small_file_system
from tests.support.proxy import Proxy, opened, pump, start
from tests.support.release import Database, Project, until
from tests.support.schemas import held_open
from tests.support.unwell import borrowed

MEMBERS = "buildings_buildingmembership"
# A pg_restore that stops at a section until it is told to go on, or ended.
STOPPING = """#!/bin/sh
case " $* " in *" --section={section} "*) touch "{mark}"; while [ -e "{mark}" ]; do sleep 0.05; done;; esac
exec "{programs}/pg_restore" "$@"
"""


@pytest.fixture(scope="module")
def released(server: str, template: Callable[..., str], tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """The name of a database after a release with a backup, and the folder of that."""
    folder = tmp_path_factory.mktemp("released")
    with borrowed(server, template(*TENANTS), folder) as project:
        run = project.run("--no-collectstatic", "--backup-to", str(folder / "backups"))
        assert run.code == 0, run.text
        yield urlsplit(project.database.url).path[1:], folder / "backups"


@pytest.fixture
def backed_up(released: tuple[str, Path], new_database: Callable[..., Database], tmp_path: Path) -> Project:
    """The project after a release with a backup, and rows deleted since."""
    name, backups = released
    shutil.copytree(backups, tmp_path / "backups")
    project = Project(tmp_path / "project", new_database(name))
    change(tmp_path / "backups", database=urlsplit(project.database.url).path[1:])
    project.database.sql(f"DELETE FROM athena.{MEMBERS} WHERE id > 2")
    return project


@pytest.fixture
def stopping(tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    """Makes a pg_restore that stops at a section; returns its folder and the mark that it sets."""

    def make(section: str) -> tuple[Path, Path]:
        folder, mark = tmp_path / "programs", tmp_path / "stopped"
        folder.mkdir()
        (folder / "pg_dump").symlink_to(bin_dir() / "pg_dump")
        text = STOPPING.format(section=section, mark=mark, programs=bin_dir())
        (folder / "pg_restore").write_text(text)
        (folder / "pg_restore").chmod(0o755)
        return folder, mark

    return make


def members(database: Database) -> str:
    return database.sql(f"SELECT count(*) FROM athena.{MEMBERS}")


def asides(database: Database) -> list[str]:
    return database.lines("SELECT nspname FROM pg_namespace WHERE nspname LIKE '%\\_\\_before\\_%'")


def backed_up_as(tmp_path: Path) -> str:
    return next((tmp_path / "backups").iterdir()).name


def no_session_of_ours(database: Database) -> bool:
    here = "datname = current_database() AND application_name LIKE 'railway-release%'"
    return not database.lines(f"SELECT 1 FROM pg_stat_activity WHERE {here}")


@pytest.mark.parametrize(
    "cut", list(itertools.product(("pre-data", "data"), (signal.SIGKILL, signal.SIGTERM)))
)
def test_a_restore_that_is_cut_off_leaves_the_old_tenant_and_the_next_one_brings_it_back(
    backed_up: Project, begin, tmp_path, stopping, cut
):
    section, signum = cut
    database, (folder, mark) = backed_up.database, stopping(section)
    words = ("restore", "latest", "--schema", "athena", "--apply", "--backup-to", str(tmp_path / "backups"))
    running = begin(backed_up, *words, RELEASE_BACKUP_BIN=str(folder))
    until(mark.exists, 30, "pg_restore to stop")
    os.kill(running.process.pid, signum)
    if signum == signal.SIGTERM:
        mark.unlink()
        run = running.finish()
        assert (run.code, run.states) == (143, {"athena": "not reached"}), run.text
        words = tuple(run.event("restore.hinted")["message"].partition("run_migrations.py ")[2].split())
        assert words[:2] == ("restore", backed_up_as(tmp_path))
    else:
        until(lambda: running.process.poll() is not None, 30, "the end of the process")
        mark.unlink()

    until(lambda: no_session_of_ours(database), 30, "the server to notice")
    assert (members(database), asides(database)) == ("2", [])
    assert backed_up.run(*words).states == {"athena": "restored"}
    assert members(database) == "8"


# An index on it waits for a lock while it is made, or while ANALYZE gathers statistics of it.
WAITING = """
CREATE FUNCTION athena.wait(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
    IF current_query() ~ '{}' THEN PERFORM pg_advisory_lock(77), pg_advisory_unlock(77); END IF; RETURN $1;
END $$;
CREATE TABLE athena.waiting AS SELECT 1 AS n; CREATE INDEX ON athena.waiting (athena.wait(n))
"""
LATE = {"CREATE INDEX": ("2", 0), "^ANALYZE": ("8", 1)}  # the rows of the tenant, and what was put aside


@pytest.mark.parametrize("cut", list(itertools.product(LATE, (signal.SIGKILL, signal.SIGTERM))))
def test_a_restore_that_is_cut_off_after_the_rows_leaves_the_old_tenant_or_the_new_one(
    backed_up: Project, begin, session, tmp_path, cut
):
    step, signum = cut
    database, to = backed_up.database, str(tmp_path / "later")
    database.sql(f"INSERT INTO athena.{MEMBERS} SELECT * FROM kypseli.{MEMBERS} WHERE id > 2")
    database.sql(WAITING.format(step))
    assert backed_up.run("backup", RELEASE_BACKUP_TO=to).code == 0
    database.sql(f"DELETE FROM athena.{MEMBERS} WHERE id > 2")
    other = session(database)
    other.run("SELECT pg_advisory_lock(77);")
    environ = {"RELEASE_BACKUP_TO": to, "RELEASE_LOCK_TIMEOUT": "60"}
    running = begin(backed_up, "restore", "latest", "--schema", "athena", "--apply", **environ)
    waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted"
    until(lambda: database.lines(waits), 30, step)
    os.kill(running.process.pid, signum)
    if signum == signal.SIGTERM:
        run = running.finish()
        state = "restored" if LATE[step][1] else "not reached"
        assert (run.code, run.states) == (143, {"athena": state}), run.text
    other.close()

    until(lambda: no_session_of_ours(database), 30, "the server to notice")
    assert (members(database), len(asides(database))) == LATE[step]


def test_everybody_works_on_while_a_tenant_is_restored_and_what_is_written_there_is_kept_aside(
    backed_up: Project, begin, tmp_path, stopping
):
    database, (folder, mark) = backed_up.database, stopping("data")
    words = ("restore", "latest", "--schema", "athena", "--apply", "--backup-to", str(tmp_path / "backups"))
    running = begin(backed_up, *words, RELEASE_BACKUP_BIN=str(folder))
    until(mark.exists, 30, "pg_restore to stop")
    for schema in ("athena", "kypseli"):
        database.sql(f"SET lock_timeout = '2s'; UPDATE {schema}.{MEMBERS} SET role = 'new'")
    beside = [
        backed_up.run(*others, RELEASE_LOCK_WAIT="0.3") for others in (words, ("backup",), ("release",))
    ]
    mark.unlink()

    assert [run.code for run in beside] == [4, 4, 4]
    assert running.finish().states == {"athena": "restored"}
    (aside,) = asides(database)
    count = "SELECT count(*) FROM {}.buildings_buildingmembership WHERE role = 'new'"
    assert [database.sql(count.format(name)) for name in (aside, "athena", "kypseli")] == ["2", "0", "8"]


def test_a_restore_waits_for_nobody_for_long_and_is_tried_again(backed_up: Project, begin, tmp_path):
    database = backed_up.database
    words = ("restore", "latest", "--schema", "athena", "--apply", "--backup-to", str(tmp_path / "backups"))
    with held_open(database, "LOCK TABLE public.users_user IN EXCLUSIVE MODE"):
        running = begin(backed_up, *words, RELEASE_LOCK_TIMEOUT="0.3", RELEASE_RETRY_FOR="30")
        running.reach("restore.retried")
        assert members(database) == "2"

    assert running.finish().states == {"athena": "restored"}
    (aside,) = asides(database)
    with held_open(database, f"LOCK TABLE {aside}.{MEMBERS} IN ACCESS SHARE MODE"):
        run = backed_up.run(*words, "--discard", RELEASE_LOCK_TIMEOUT="0.3", RELEASE_RETRY_FOR="1")

    assert (run.code, run.states) == (5, {aside: "failed"}), run.text
    assert run.outcome(aside)["message"] == "canceling statement due to lock timeout"
    assert "end it, or raise --retry-for" in run.outcome(aside)["hint"]


class Forgetful(Proxy):
    """Cuts the first connection that commits before the client hears that it has."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.cut = threading.Event()

    def join(self, client: socket.socket, server: socket.socket) -> None:
        commits = threading.Event()
        start(pump, client, server, lambda data: commits.set() if b"COMMIT\0" in data else None)
        start(self._answer, server, client, commits)

    def _answer(self, server: socket.socket, client: socket.socket, commits: threading.Event) -> None:
        while data := server.recv(65536):
            if commits.is_set() and not self.cut.is_set():
                self.cut.set()
                client.shutdown(socket.SHUT_RDWR)
                return
            client.sendall(data)


def test_a_restore_that_was_committed_unheard_is_no_failure(backed_up: Project, tmp_path):
    database = backed_up.database
    words = ("restore", "latest", "--schema", "athena", "--apply", "--backup-to", str(tmp_path / "backups"))
    with opened(Forgetful(database.url)) as proxy:
        run = backed_up.run(*words, DATABASE_URL=proxy.url)

    assert proxy.cut.is_set()
    assert (run.code, run.states) == (0, {"athena": "restored"}), run.text
    assert (members(database), len(asides(database))) == ("8", 1)


def test_an_archive_that_is_not_what_was_written_is_refused_before_anything_changes(
    backed_up: Project, tmp_path
):
    (archive,) = (tmp_path / "backups").rglob("*.dump")
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    run = backed_up.run(
        "restore", "latest", "--schema", "athena", "--apply", RELEASE_BACKUP_TO=str(tmp_path / "backups")
    )

    assert (run.code, run.states) == (5, {"athena": "failed"})
    assert "is not what was written" in run.outcome("athena")["message"]
    assert "Restore another one: " in run.outcome("athena")["hint"]
    assert (members(backed_up.database), asides(backed_up.database)) == ("2", [])

    archive.write_bytes(content[:-1])
    shown = backed_up.run("restore", "latest", RELEASE_BACKUP_TO=str(tmp_path / "backups"))
    assert (shown.code, len(shown.named("schemas.refused"))) == (8, 3)
    assert "001.dump is missing, or has another size" in shown.text


def test_the_backup_that_holds_a_schema_is_named_if_the_latest_does_not(backed_up: Project, tmp_path):
    first, to = backed_up_as(tmp_path), str(tmp_path / "backups")
    assert backed_up.run("backup", "--schema", "kypseli", RELEASE_BACKUP_TO=to).code == 0
    run = backed_up.run("restore", "latest", "--schema", "athena", RELEASE_BACKUP_TO=to)

    assert run.code == 2
    assert f"does not hold athena. {first} does." in run.event("release.failed")["message"]


def test_a_full_disk_fails_the_tenant_that_needs_it_and_the_others_come_back(backed_up: Project, tmp_path):
    database, to = backed_up.database, str(tmp_path / "backups")
    space = f"small_{uuid.uuid4().hex[:12]}"
    with small_file_system("6m") as folder:
        give_to_account(folder)
        database.sql(f"CREATE TABLESPACE {space} LOCATION '{folder}'")
        database.sql(
            f"CREATE TABLE athena.large (t text) TABLESPACE {space};"
            "INSERT INTO athena.large SELECT md5(n::text) FROM generate_series(1, 60000) n"
        )
        before = database.lines("SELECT oid, nspname FROM pg_namespace ORDER BY 1")
        assert backed_up.run("backup", RELEASE_BACKUP_TO=to).code == 0
        named = ("--schema", "athena", "--schema", "kypseli")
        run = backed_up.run("restore", "latest", *named, "--apply", RELEASE_BACKUP_TO=to)

        assert (run.code, run.states) == (5, {"athena": "failed", "kypseli": "restored"}), run.text
        failed = run.outcome("athena")
        assert (failed["sqlstate"], "disk is full" in failed["hint"]) == ("53100", True)
        assert members(database) == "2"
        now = database.lines("SELECT oid, nspname FROM pg_namespace ORDER BY 1")
        assert len(set(now) - set(before)) == 2
        database.sql("ALTER TABLE athena.large SET TABLESPACE pg_default")
        database.sql(f"DROP TABLESPACE {space}")


@pytest.mark.parametrize("kind", ["", "owner", "assumed"])
def test_the_command_that_a_failed_release_prints_brings_back_just_what_it_has_changed(
    past: Project, as_ordinary, tmp_path, kind
):
    """Whoever releases: a superuser, the owner of everything, or a member of that role."""
    if kind:
        as_ordinary(past, kind)
    code = "def spoil(apps, editor):\n    editor.execute('UPDATE buildings_building SET name = \\'lost\\'')\n"
    past.migration("buildings", "0098_spoil", "0006_fill_slugs", "migrations.RunPython(spoil)", code)
    only = "DO $$ BEGIN IF current_schema() = 'athena' THEN RAISE 'no'; END IF; END $$"
    past.migration("buildings", "0099_fail", "0098_spoil", f"migrations.RunSQL({only!r})")
    names = past.database.lines("SELECT name FROM athena.buildings_building ORDER BY 1")
    to = str(tmp_path / "backups")
    failed = past.run("--no-collectstatic", RELEASE_BACKUP_TO=to)
    (hint,) = [line["message"] for line in failed.named("restore.hinted")]
    command = hint.partition("run_migrations.py ")[2].split()
    restored = past.run(*command, "--apply", RELEASE_BACKUP_TO=to)

    assert failed.states["athena"] == "failed"
    assert (restored.code, restored.states) == (0, {"athena": "restored"}), restored.text
    assert past.database.lines("SELECT name FROM athena.buildings_building ORDER BY 1") == names
    assert past.database.sql("SELECT DISTINCT name FROM kypseli.buildings_building") == "lost"
    printed = [line["message"] for line in restored.named("restore.hinted")]
    discard = printed[0].partition("run_migrations.py ")[2].split()
    discarded = past.run(*discard, "--apply", RELEASE_BACKUP_TO=to)
    assert set(discarded.states.values()) == {"dropped"}, discarded.text
