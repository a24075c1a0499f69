"""Stored backups without a server: names, manifests, which one is meant, and what is deleted."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from railway_release.backup.destination import Folder
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
from railway_release.backup.stored import (
    Retention,
    Stored,
    delete_unpublished,
    find_backup,
    later_backups,
    stored_backups,
)
from railway_release.errors import BackupFailed, UnknownName
from railway_release.runtime.redact import redact

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


# Names and manifests


def test_schemas_in_a_backup_are_shown_though_a_password_is_the_same_word(tmp_path):
    redact.learn(["kypseli-and-ilion"])
    stored_backups(kept_in(tmp_path, made(schemas="kypseli-and-ilion public")))

    assert redact("kypseli-and-ilion") == "kypseli-and-ilion"


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
