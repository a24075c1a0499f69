"""Backups without a server: batches, lists of archives, names, manifests, retention, programs, words."""

import dataclasses
import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from railway_release.backup.archive import pattern
from railway_release.backup.batches import batches
from railway_release.backup.clients import find_clients
from railway_release.backup.connection import libpq_environment
from railway_release.backup.destination import UNFINISHED_SECONDS, Folder
from railway_release.backup.manifest import (
    Extension,
    Manifest,
    Piece,
    Proof,
    TableContents,
    backup_name,
    is_name,
    parse,
    time_of,
)
from railway_release.backup.progress import DumpProgress, in_megabytes
from railway_release.backup.stored import (
    Retention,
    Stored,
    delete_unpublished,
    find_backup,
    later_backups,
    stored_backups,
)
from railway_release.backup.toc import as_listed, entries
from railway_release.errors import BackupFailed, UnknownName
from railway_release.preflight.database import Choice

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def made(days: float = 0, run: str = "", schemas: str = "a public", **more) -> Manifest:
    """A manifest of so many days ago."""
    taken = NOW - timedelta(days=days)
    run = run or f"{int(days * 100):08x}"
    name = backup_name(taken, run, "")
    names = tuple(schemas.split())
    contents = {
        one: {"t": TableContents("r", "owner", 3, "12"), "v": TableContents("v", "o")} for one in names
    }
    keys = {
        "name": name,
        "run_id": run,
        "commit": "4ec215a",
        "database": "railway",
        "system_identifier": "7",
        "started": taken.isoformat(),
        "server_version": 180006,
        "client_version": "18.6",
        "shared_schema": "public",
        "migrations": ("app.0001_initial",),
        "pieces": (Piece(f"{name}/001.dump", names, 5, "aa", "bb"),),
        "contents": contents,
        "extensions": (Extension("citext", "public", "1.6"),),
        "proof": Proof("read", seconds=1.5),
    }
    return Manifest(**{**keys, **more})


def kept_in(folder: Path, *manifests: Manifest) -> Folder:
    """A folder with these backups."""
    place = Folder(folder)
    for one in manifests:
        for piece in one.pieces:
            place.write(piece.name, [b"bytes"], 5)
        place.write(f"{one.name}/manifest.json", [one.as_json().encode()], 0)
    return place


# Batches


@pytest.mark.parametrize(
    ("relations", "free", "expected"),
    [
        ({"a": 10, "b": 10, "c": 10}, 90, [("a", "b", "c")]),
        ({"a": 10, "b": 10, "c": 10}, 89, [("a", "b"), ("c",)]),
        ({"a": 10, "b": 100, "c": 10}, 60, [("a",), ("b",), ("c",)]),
        ({"a": 1, "b": 1}, 0, [("a",), ("b",)]),
        ({"empty": 0, "void": 0}, 0, [("empty", "void")]),
        ({"a": 1, "a b": 1, "c": 1}, 900, [("a",), ("a b", "c")]),
        ({"a b": 1, "x": 1, "a": 1}, 900, [("a b", "x"), ("a",)]),
        ({"a": 1, "ab": 1}, 900, [("a", "ab")]),
        ({"a": 1, "DATA": 1, "b": 1}, 900, [("a",), ("DATA",), ("b",)]),
        ({}, 900, []),
    ],
)
def test_a_batch_takes_a_third_of_the_locks_and_no_names_that_are_confused(relations, free, expected):
    assert batches(relations, free) == expected


# The list of an archive


LIST = """
;
; Archive created at 2026-11-29
;
6; 2615 16607 SCHEMA - Two Words owner
8; 2615 16609 SCHEMA - other owner
9; 0 0 COMMENT - SCHEMA "Two Words" owner
10; 0 0 ACL - SCHEMA Two Words owner
251; 1259 16633 TABLE Two Words odd "table" postgres
252; 0 16633 TABLE DATA Two Words odd "table" postgres
253; 1259 16634 MATERIALIZED VIEW Two Words kept postgres
254; 1259 16635 MATERIALIZED VIEW DATA Two Words kept postgres
255; 2606 16643 FK CONSTRAINT Two Words a a_b_fkey postgres
256; 1259 1 TABLE Two table postgres
257; 1259 2 TABLE TABLE DATA postgres
"""


def test_entries_are_told_by_kind_schema_and_the_rest():
    found = entries(LIST, ["Two Words"])

    assert [(one.dump_id, one.kind, one.rest) for one in found] == [
        (6, "SCHEMA", "owner"),
        (9, "COMMENT", "owner"),
        (10, "ACL", "owner"),
        (251, "TABLE", 'odd "table" postgres'),
        (252, "TABLE DATA", 'odd "table" postgres'),
        (253, "MATERIALIZED VIEW", "kept postgres"),
        (254, "MATERIALIZED VIEW DATA", "kept postgres"),
        (255, "FK CONSTRAINT", "a a_b_fkey postgres"),
    ]


@pytest.mark.parametrize(
    ("schema", "line", "expected"),
    [
        ("-", "6; 2615 1 SCHEMA - - owner", ("SCHEMA", "owner")),
        ("-", "7; 0 0 ACL - SCHEMA - owner", ("ACL", "owner")),
        ("-", "8; 1259 1 TABLE - a owner", ("TABLE", "a owner")),
        ("-", "9; 2615 2 SCHEMA - a owner", None),
        ("a", "8; 1259 1 TABLE - a owner", None),
        ("DATA", "8; 1259 1 TABLE DATA a owner", ("TABLE", "a owner")),
        ("DATA", "9; 0 1 TABLE DATA DATA a owner", ("TABLE DATA", "a owner")),
        ("DATA", "8; 1259 1 MATERIALIZED VIEW DATA m owner", ("MATERIALIZED VIEW", "m owner")),
        ("SCHEMA", "6; 2615 1 SCHEMA - SCHEMA owner", ("SCHEMA", "owner")),
    ],
)
def test_schemas_that_are_called_as_what_a_list_is_written_with_are_found(schema, line, expected):
    found = [(one.kind, one.rest) for one in entries(line, [schema])]

    assert found == ([expected] if expected else [])


def test_a_kind_that_is_not_known_is_refused():
    with pytest.raises(BackupFailed, match="PROPERTY GRAPH a b owner"):
        entries("1; 1 2 PROPERTY GRAPH a b owner", ["a"])


def test_line_breaks_in_names_are_spaces_in_the_list():
    assert as_listed("a\nb", "c\r\nd") == "a b c  d"


@pytest.mark.parametrize(("name", "expected"), [("a", '"a"'), ('a"b', '"a""b"'), ("a.b*", '"a.b*"')])
def test_a_pattern_means_one_schema(name, expected):
    assert pattern(name) == expected


# Names and manifests


def test_a_name_sorts_by_time_and_has_no_path_in_it():
    earlier, later = (backup_name(NOW + timedelta(seconds=n), "0f", "") for n in (0, 1))

    assert earlier == "20261129T120000Z-0f" < later
    assert backup_name(NOW, "0f", "../../etc/passwd") == "20261129T120000Z-0f-etcpass"
    assert time_of(earlier) == NOW
    assert (is_name(earlier), is_name("static"), is_name(f"{earlier}/x")) == (True, False, False)


def test_a_manifest_is_read_as_it_was_written():
    one = made(schemas='public ΑΘΗΝΑ a"b', encrypted=True, proof=Proof("restore", ("a",), 2.0))

    assert parse(one.as_json(), "it") == one
    assert (one.schemas, one.size, one.major) == (("public", "ΑΘΗΝΑ", 'a"b'), 5, 18)
    assert one.piece_of("ΑΘΗΝΑ") == one.pieces[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[: len(text) // 2],
        lambda _: "[]",
        lambda _: "null",
        lambda _: "",
        lambda text: text.replace('"format": 1', '"format": 2'),
        lambda text: text.replace('"sha256"', '"md5"'),
        lambda text: json.dumps({**json.loads(text), "pieces": None}),
        lambda text: json.dumps({**json.loads(text), "unknown": 1}),
        lambda text: json.dumps({**json.loads(text), "contents": {"a": {"t": 1}}}),
        lambda text: json.dumps({**json.loads(text), "contents": {}}),
        lambda text: json.dumps({**json.loads(text), "started": "2026-11-29"}),
        lambda text: json.dumps({**json.loads(text), "client_version": "new"}),
        lambda text: json.dumps({**json.loads(text), "database": None}),
        lambda text: json.dumps({**json.loads(text), "run_id": "x" * 99}),
        lambda text: text.replace('"owner", 3,', '"owner", "3",'),
        lambda text: text.replace("/001.dump", "/../../001.dump"),
        lambda text: text.replace('["a", "public"]', '"public"'),
    ],
)
def test_what_is_no_manifest_is_an_error_that_says_where_it_is(change):
    with pytest.raises(BackupFailed, match=r"^x/manifest\.json in y "):
        parse(change(made().as_json()), "x/manifest.json in y")


# What is there


def ours(manifest: Manifest) -> bool:
    return manifest.is_of("7", "railway")


def test_the_latest_is_the_newest_of_our_own_database(tmp_path: Path):
    old, new = made(3), made(2, system_identifier="")
    others = made(1, database="other"), made(0, system_identifier="8")

    assert find_backup(kept_in(tmp_path, old, new, *others), "latest", ours) == new
    with pytest.raises(UnknownName, match="is of this database"):
        find_backup(kept_in(tmp_path / "others", *others), "latest", ours)


def test_a_manifest_in_the_folder_of_another_backup_cannot_be_used(tmp_path: Path):
    old, new = made(2), made(1)
    place = kept_in(tmp_path, old, new)
    place.write(f"{new.name}/manifest.json", [old.as_json().encode()], 0)

    with pytest.raises(BackupFailed, match=f"is the manifest of {old.name}"):
        find_backup(place, "latest", ours)


def test_backups_are_found_by_name_run_and_beginning(tmp_path: Path):
    old, new, twin = made(2, "aaaaaaaa"), made(1, "bbbbbbbb"), made(1.0001, "bbbbbbbb")
    place = kept_in(tmp_path, old, new, twin)

    assert find_backup(place, "latest", ours) == new
    assert find_backup(place, "aaaaaaaa", ours) == old
    assert find_backup(place, old.name, ours) == old
    assert find_backup(place, "20261127", ours) == old
    with pytest.raises(UnknownName, match=f"may mean {twin.name} or {new.name}"):
        find_backup(place, "bbbbbbbb", ours)


@pytest.mark.parametrize("run", ["cccccccc", "", "manifest", "aaaa"])
def test_a_backup_that_is_not_there_is_told_with_those_that_are(tmp_path: Path, run):
    old = made(2, "aaaaaaaa")
    with pytest.raises(UnknownName) as unknown:
        find_backup(kept_in(tmp_path, old), run, ours)

    assert old.name in unknown.value.hint


def test_a_whole_name_counts_although_another_one_begins_with_it(tmp_path: Path):
    one = made(1, "aaaaaaaa")
    longer = dataclasses.replace(one, name=f"{one.name}-4ec215a", pieces=())

    assert find_backup(kept_in(tmp_path, one, longer), one.name, ours) == one


def test_a_backup_whose_bytes_are_gone_cannot_be_used(tmp_path: Path):
    old, new = made(2), made(1)
    place = kept_in(tmp_path, old, new)
    place.delete([new.pieces[0].name])
    found = stored_backups(place)

    assert [one.manifest for one in found.backups] == [dataclasses.replace(old, contents={})]
    assert found.broken == (f"{new.name}: {new.name}/001.dump is missing, or has another size.",)


def test_a_broken_backup_does_not_keep_others_from_being_restored(tmp_path: Path):
    old, new = made(2), made(1)
    place = kept_in(tmp_path, old, new)
    place.write("20261129T110000Z-ffffffff/manifest.json", [b"{"], 0)

    assert later_backups(place, old) == {"a"}


def test_later_backups_of_other_servers_or_before_no_writes_do_not_count(tmp_path: Path):
    old, others = made(3), [made(2, system_identifier="8"), made(1, writes=False)]
    kept = kept_in(tmp_path, old, *others)
    assert later_backups(kept, old) == frozenset()

    kept_in(tmp_path, made(0))
    assert later_backups(kept, old) == {"a"}


# What is deleted


def outdated(
    *older: Manifest, keep: int = 0, days: int = 0, newest: Manifest | None = None, present="a b public"
):
    """The ages in days of those that are deleted."""
    newest = newest or made(0, "99999999")
    stored = [Stored(one, ()) for one in sorted([*older, newest], key=lambda one: one.name)]
    found = Retention(keep, days).outdated(stored, newest, present.split(), NOW)
    return [(NOW - one.manifest.taken_at).days for one in found]


@pytest.mark.parametrize(
    ("keep", "days", "expected"),
    [
        (0, 0, []),
        (1, 0, [30, 9, 2, 1]),
        (3, 0, [30, 9]),
        (9, 0, []),
        (0, 8, [30, 9]),
        (4, 10, [30]),
        (4, 5, [30, 9]),
    ],
)
def test_what_is_too_old_or_too_many_is_deleted(keep, days, expected):
    assert outdated(made(30), made(9), made(2), made(1), keep=keep, days=days) == expected


def test_several_backups_of_one_run_count_once_and_stay_together():
    own = made(0.001, "99999999", schemas="public a"), made(0.002, "99999999", schemas="late")

    assert outdated(made(2), made(1, "dddddddd"), made(1.01, "dddddddd"), *own, keep=2) == [2]
    assert outdated(*own, keep=1, days=1) == []


def test_the_last_backup_of_a_schema_stays_while_that_exists():
    narrow = made(0, "99999999", schemas="a public")

    assert outdated(made(9, schemas="a b public"), made(5, schemas="a b public"), keep=1, newest=narrow) == [
        9
    ]
    assert outdated(made(9, schemas="a b public"), keep=1, newest=narrow, present="a public") == [9]


def test_one_that_was_only_read_as_bytes_is_no_reason_to_delete_a_proven_one():
    blind = made(0, "99999999", proof=Proof("bytes"))

    assert outdated(made(9), made(5), keep=1, newest=blind) == [9]
    assert outdated(made(9, proof=Proof("bytes")), keep=1, newest=blind) == [9]


def test_other_databases_backups_are_none_of_ours():
    others = made(9, database="other"), made(8, system_identifier="8")

    assert outdated(*others, keep=1, days=1) == []


def test_archives_without_a_manifest_are_deleted_after_a_day(tmp_path: Path):
    place = kept_in(tmp_path, made(5))
    for name in (backup_name(NOW - timedelta(days=days), "0f", "") for days in (0.9, 1.1)):
        place.write(f"{name}/001.dump", [b"x"], 1)
    place.write(f"{backup_name(NOW - timedelta(days=3), '0f', '')}/notes.txt", [b"x"], 1)
    place.write("2020/001.dump", [b"x"], 1)
    before = set(place.sizes())
    delete_unpublished(place, NOW)

    assert before - set(place.sizes()) == {f"{backup_name(NOW - timedelta(days=1.1), '0f', '')}/001.dump"}


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
