"""What backups need, without a server: a folder, programs, a connection, and words."""

import os
import re
from pathlib import Path

import pytest

from railway_release.backup.clients import find_clients
from railway_release.backup.connection import libpq_environment
from railway_release.backup.destination import UNFINISHED_SECONDS, Folder
from railway_release.backup.manifest import Proof
from railway_release.backup.progress import DumpProgress, in_megabytes
from railway_release.errors import BackupFailed
from railway_release.preflight.database import Choice

# A folder


def test_a_file_has_no_name_until_it_is_whole(tmp_path: Path):
    place = Folder(tmp_path / "kept")

    def chunks():
        yield b"some"
        assert place.sizes() == {}
        raise BackupFailed("lost")

    with pytest.raises(BackupFailed, match="lost"):
        place.write("backup/001.dump", chunks(), 9)
    assert list((tmp_path / "kept").iterdir()) == []


def test_what_was_there_is_not_touched_until_the_new_one_is_whole(tmp_path: Path):
    place = Folder(tmp_path)
    place.write("a/b", [b"old"], 3)
    place.write("a/b", [b"new", b"er"], 5)

    assert b"".join(place.read("a/b")) == b"newer"
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o600
    assert (place.sizes(), place.sizes("a/"), place.sizes("b")) == ({"a/b": 5}, {"a/b": 5}, {})


def test_unfinished_files_are_deleted_after_a_day(tmp_path: Path):
    for name, age in {"new": 60, "old": UNFINISHED_SECONDS + 60}.items():
        path = tmp_path / f"{name}.unfinished"
        path.touch()
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    Folder(tmp_path).delete_unfinished()

    assert [path.name for path in tmp_path.iterdir()] == ["new.unfinished"]


# Programs


@pytest.fixture
def programs(tmp_path: Path):
    """Makes folders with programs of a version; returns the variables in which they are found."""

    def make(*versions: str) -> dict[str, str]:
        for version in versions:
            folder = tmp_path / version
            folder.mkdir()
            for name in ("pg_dump", "pg_restore"):
                script = f"#!/bin/sh\necho '{name} (PostgreSQL) {version} (Debian)'\n"
                (folder / name).write_text(script if version != "broken" else "no program")
                (folder / name).chmod(0o755)
        return {"PATH": ":".join(str(tmp_path / version) for version in versions)}

    return make


@pytest.mark.parametrize(("least", "expected"), [(50, "54.9"), (55, "61.1"), (62, "70beta1")])
def test_the_oldest_programs_are_taken_that_are_not_too_old(programs, least, expected):
    environ = programs("broken", "61.1", "54.9", "70beta1", "71.0")

    assert find_clients(least, "so it is", "", environ).version == expected


def test_without_programs_that_are_new_enough_all_that_there_are_are_named(programs):
    with pytest.raises(BackupFailed) as failure:
        find_clients(99, "the server is 99", "", programs("16.1", "14.9"))

    assert re.search(r"since the server is 99; found only 14\.9, .*16\.1", failure.value.message)
    assert "postgresql-client-99" in failure.value.hint


def test_debians_wrapper_which_runs_another_version_than_it_says_is_none(programs, tmp_path: Path):
    programs("16.1")
    (tmp_path / "16.1" / "pg_dump").rename(tmp_path / "pg_wrapper")
    (tmp_path / "16.1" / "pg_dump").symlink_to(tmp_path / "pg_wrapper")

    with pytest.raises(BackupFailed, match="found none in"):
        find_clients(1, "", str(tmp_path / "16.1"), {})


def test_the_connection_is_what_djangos_entry_says():
    options = {"sslmode": "require", "hostaddr": "10.0.0.1", "options": "-c role=x", "assume_role": "y"}
    entry = {"NAME": "d", "USER": "u", "PASSWORD": "p", "HOST": "h", "PORT": "", "OPTIONS": options}

    assert libpq_environment(Choice("default", entry, "settings")) == {
        "PGHOST": "h",
        "PGPORT": "5432",
        "PGDATABASE": "d",
        "PGUSER": "u",
        "PGPASSWORD": "p",
        "PGSSLMODE": "require",
        "PGHOSTADDR": "10.0.0.1",
        "PGOPTIONS": "-c role=x",
    }


# Words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0.0 MB"),
        (400_000, "0.4 MB"),
        (125_829_120, "120 MB"),
        (3_328_599_654, "3.1 GB"),
        (1 << 30, "1.0 GB"),
    ],
)
def test_sizes_are_as_exact_as_people_want_them(size, words):
    assert in_megabytes(size) == words


def test_a_dump_is_as_far_as_the_tables_before_the_one_in_hand():
    progress = DumpProgress({"a.t": 1, "a.u": 2}, started=0.0)
    assert progress.in_words() == "pg_dump is running"
    progress.learn({1: 100 << 20, 2: 300 << 20})
    assert progress.in_words() == "pg_dump reads the catalog, then tables of 400 MB"
    progress.begun("a.t")
    progress.begun("a.unknown")
    assert "tables of 100 MB of 400 MB are done, about " in progress.in_words()


@pytest.mark.parametrize(
    ("proof", "words"),
    [
        (
            Proof("bytes"),
            "the stored bytes were read back; without --backup-decrypt nobody has looked inside",
        ),
        (Proof("read"), "read back whole"),
        (Proof("restore", ("a", "b")), "read back whole, and restored in 2 of its schemas"),
    ],
)
def test_a_proof_says_what_was_proven(proof, words):
    assert str(proof) == words
