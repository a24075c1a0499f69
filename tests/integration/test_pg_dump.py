"""Backups by pg_dump: taken before the first write, proven, and listed."""

import json
import random
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from railway_release.errors import BackupFailed
from tests.support.backups import change, copied, manifest, prove
from tests.support.binaries import run as run_program
from tests.support.release import Database, Project, Run
from tests.support.schemas import copy_tenant
from tests.support.server import database_url, psql

pytestmark = pytest.mark.xdist_group("pg_dump")  # the backups are taken once

GREEK = "Σ" * 31 + "x"  # 63 bytes
ODD = ("Two Words", "dotted.name", GREEK, "a", "a b", "UPPER", "hy-phen", "per%cent", "st*r", "que?tion")
MORE = """
CREATE TABLE "a b".none ();
CREATE TABLE "a b"."odd ""table"".x" (t int, "t.*" text);
INSERT INTO "a b"."odd ""table"".x" SELECT n, repeat('ω', n) FROM generate_series(1, 100) n;
CREATE VIEW "a b".seen AS SELECT * FROM "a b".django_migrations;
CREATE MATERIALIZED VIEW "a b".kept AS SELECT 1 AS one;
CREATE TABLE "a b".parts (n int) PARTITION BY RANGE (n);
CREATE TABLE "a b".part PARTITION OF "a b".parts FOR VALUES FROM (0) TO (10);
INSERT INTO "a b".parts VALUES (1), (2);
CREATE SEQUENCE "a b".loose;
CREATE TYPE "a b".mood AS ENUM ('calm');
CREATE FUNCTION "a b".one() RETURNS int LANGUAGE sql AS 'SELECT 1';
COMMENT ON SCHEMA "a b" IS 'odd';
CREATE TABLE kypseli.large AS SELECT n, md5(n::text) FROM generate_series(1, 4000) n;
"""
FLIPS = 400


@dataclass(frozen=True)
class Taken:
    """A release that has taken a backup."""

    project: Project
    folder: Path
    rows: dict[str, str]  # of some tables, before
    run: Run


@pytest.fixture(scope="module")
def taken(server: str, template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    """Of every schema, some with odd names, proven by restoring each."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    psql(server, f'CREATE DATABASE "{name}" TEMPLATE "{template("athena", "kypseli", "piraeus")}"')
    place = tmp_path_factory.mktemp("taken")
    project = Project(place / "project", Database(database_url(server, name)))
    copy_tenant(project.database, "athena", *ODD)
    project.database.sql(MORE)
    tables = ("kypseli.large", "athena.buildings_building", "public.users_user", '"a b".part')
    rows = {one: project.database.sql(f"SELECT count(*) FROM {one}") for one in tables}
    words = ("--backup-scope", "all", "--backup-proof", "restore=all", "--no-collectstatic")
    run = project.run(
        *words, RELEASE_BACKUP_TO=str(place / "kept"), RAILWAY_GIT_COMMIT_SHA="4ec215aaaaaaaaaaaaaaaaaaaa"
    )
    yield Taken(project, place / "kept", rows, run)
    psql(server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def small(taken: Taken, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a backup of two schemas."""
    folder = tmp_path_factory.mktemp("small")
    run = taken.project.run("backup", "--schema", "a", "--tenants-only", RELEASE_BACKUP_TO=str(folder))
    assert run.code == 0, run.text
    return folder


def listed(project: Project, folder: Path, **more: str) -> Run:
    """The backups of a folder."""
    return project.run("backups", RELEASE_BACKUP_TO=str(folder), **more)


# What is taken


def test_every_schema_is_in_it_whatever_its_name(taken: Taken):
    assert taken.run.code == 0, taken.run.text
    expected = {"public", "athena", "kypseli", "piraeus", *ODD}
    assert sorted(manifest(taken.folder).schemas) == sorted(expected)
    assert manifest(taken.folder).proof.level == "restore"
    assert set(manifest(taken.folder).proof.schemas) == expected


def test_names_that_a_list_confuses_are_in_archives_of_their_own(taken: Taken):
    one, other = (manifest(taken.folder).piece_of(name) for name in ("a", "a b"))

    assert one.name != other.name


def test_rows_are_counted_as_they_were_before_the_release(taken: Taken):
    contents = manifest(taken.folder).contents
    counted = {
        "kypseli.large": contents["kypseli"]["large"].rows,
        "athena.buildings_building": contents["athena"]["buildings_building"].rows,
        "public.users_user": contents["public"]["users_user"].rows,
        '"a b".part': contents["a b"]["part"].rows,
    }

    assert {table: str(rows) for table, rows in counted.items()} == taken.rows
    assert contents["a b"]["none"].rows == 0
    assert contents["a b"]["seen"].rows is None


def test_it_says_what_it_was_taken_before(taken: Taken):
    found = manifest(taken.folder)

    assert "users.0002_user_phone" in found.migrations
    assert (found.run_id, found.shared_schema, found.writes) == (taken.run.report["run_id"], "public", True)
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{8}-4ec215a", found.name)
    assert found.system_identifier == taken.project.database.sql(
        "SELECT system_identifier FROM pg_control_system()"
    )


def test_nobody_else_can_read_it(taken: Taken):
    modes = {path.stat().st_mode & 0o777 for path in taken.folder.rglob("*") if path.is_file()}

    assert modes == {0o600}


def test_log_and_report_say_what_was_done(taken: Taken):
    name = manifest(taken.folder).name

    assert taken.run.report["backup_name"] == name
    for text in (taken.run.event("backup.finished")["message"], taken.run.report["backup"]):
        assert re.match(
            rf"backed up as {name} in \S+ \(14 schemas, [\d.]+ MB, read back whole, and rest", text
        )


def test_it_is_taken_before_the_first_write(taken: Taken):
    (piece,) = (one for one in manifest(taken.folder).pieces if "athena" in one.schemas)
    text = run_program("pg_restore", "-f", "-", str(taken.folder / piece.name))

    assert "COPY athena.buildings_building (" in text
    assert "membership_building_role" not in text  # an index of a migration that came after


# What is listed


def test_backups_are_listed_with_age_size_schemas_and_proof(taken: Taken):
    run = listed(taken.project, taken.folder)
    text = run.event("backup.listed")["message"]

    assert run.code == 0
    assert re.match(
        rf"{manifest(taken.folder).name}: \d+ (s|min) old, [\d.]+ MB, database test_\w+, 14 schemas \(.* and "
        r"\d+ more\), before 11 migrations; read back whole, and restored in 14 of its schemas",
        text,
    )
    assert run.event("restore.hinted")["message"].endswith(" restore latest")


def test_backups_are_listed_as_json(taken: Taken):
    run = taken.project.run("backups", "--json", RELEASE_BACKUP_TO=str(taken.folder))
    (one,) = json.loads(run.stdout)["backups"]
    assert (one["name"], one["proof"]["level"]) == (manifest(taken.folder).name, "restore")
    assert set(one["schemas"]) == set(manifest(taken.folder).schemas)
    assert one["size"] == manifest(taken.folder).size > 0


def test_a_broken_manifest_does_not_hide_the_others(taken: Taken, small: Path, tmp_path: Path):
    folder = copied(taken.folder, tmp_path / "kept")
    for name in ("20200101T000000Z-aaaaaaaa", "20200102T000000Z-aaaaaaaa", "20200103T000000Z-aaaaaaaa"):
        (folder / name).mkdir()
    (folder / "20200101T000000Z-aaaaaaaa" / "manifest.json").write_text('{"format": 1, "na')
    (folder / "20200102T000000Z-aaaaaaaa" / "manifest.json").write_text('{"format": 99}')
    (folder / "20200103T000000Z-aaaaaaaa" / "manifest.json").write_bytes(b"\xff\0[]")
    (folder / "static").mkdir()
    (folder / "static" / "manifest.json").write_text("{}")  # somebody else's
    lost = copied(small, tmp_path / "lost")
    next(lost.rglob("*.dump")).unlink()
    next(lost.glob("*Z-*")).rename(folder / manifest(lost).name)
    run = listed(taken.project, folder)

    assert run.code == 0
    assert manifest(taken.folder).name in run.event("backup.listed")["message"]
    broken = [event["message"] for event in run.named("backup.broken")]
    assert [text[:25] for text in broken[:3]] == [f"2020010{n}T000000Z-aaaaaaaa" for n in (1, 2, 3)]
    assert broken[3].endswith("is missing, or has another size.")
    assert run.report["broken"] == broken
    assert "4 that cannot be used" in run.event("backups.finished")["message"]


@pytest.mark.parametrize("place", ["", "nowhere"])
def test_where_there_are_none_that_is_said(taken: Taken, tmp_path: Path, place):
    run = taken.project.run("backups", RELEASE_BACKUP_TO=str(tmp_path / place) if place else "")

    assert (run.code, "RELEASE_BACKUP_TO" in run.text) == ((0, False) if place else (2, True)), run.text


# What the proof finds, on copies


def test_the_proof_of_what_was_written_holds(small: Path):
    prove(small)


def test_every_flipped_bit_is_found(small: Path):
    rng = random.Random(20261129)  # noqa: S311 - the same bits each time
    piece = small / manifest(small).pieces[0].name
    whole = piece.read_bytes()
    unseen = []
    try:
        for _ in range(FLIPS):
            place = rng.randrange(len(whole) * 8)
            flipped = bytearray(whole)
            flipped[place // 8] ^= 1 << place % 8
            piece.write_bytes(flipped)
            try:
                prove(small)
                unseen.append(place)
            except BackupFailed:
                pass
    finally:
        piece.write_bytes(whole)

    assert unseen == []


@pytest.mark.parametrize("lost", [1, 2, 3, 17, 100, 1000, -1, "all", "file"])
def test_every_lost_tail_is_found(small: Path, tmp_path: Path, lost):
    folder = copied(small, tmp_path / "copy")
    piece = folder / manifest(folder).pieces[0].name
    whole = piece.read_bytes()
    if lost == "file":
        piece.unlink()
    else:
        piece.write_bytes(whole + b"\0" if lost == -1 else b"" if lost == "all" else whole[:-lost])

    with pytest.raises(BackupFailed, match=r"is not what was written|cannot be read: No such file"):
        prove(folder)


def test_an_archive_without_a_table_is_found_although_its_bytes_are_right(small: Path, tmp_path: Path):
    folder = copied(small, tmp_path / "copy")
    contents = json.loads(next(folder.glob("*/manifest.json")).read_text())["contents"]
    contents["a"]["forgotten"] = ["r", "postgres", 1, "1"]
    change(folder, contents=contents)

    with pytest.raises(BackupFailed, match=r"lacks a\.forgotten, which the database has"):
        prove(folder)


def test_an_archive_without_a_schema_is_found_although_that_has_no_table(small: Path, tmp_path: Path):
    folder = copied(small, tmp_path / "copy")
    document = json.loads(next(folder.glob("*/manifest.json")).read_text())
    document["pieces"][0]["schemas"].append("void")
    change(folder, pieces=document["pieces"], contents={**document["contents"], "void": {}})

    with pytest.raises(BackupFailed, match="lacks void"):
        prove(folder)
