"""When a backup is taken and of what, how long it is kept, encryption, and what comes after a failure."""

import json
import re
import shutil
import uuid
from pathlib import Path

import pytest

from railway_release.backup.destination import Folder
from railway_release.errors import BackupFailed
from tests.support.backups import copied, manifest, manifests, prove, stand_in
from tests.support.binaries import run as run_program
from tests.support.release import Project
from tests.support.roles import KINDS
from tests.support.running import only_in, run_sql

LATE = """
CREATE SCHEMA late;
DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'athena' LOOP
    EXECUTE format('CREATE TABLE late.%I (LIKE athena.%1$I INCLUDING ALL)', t);
    EXECUTE format('INSERT INTO late.%I SELECT * FROM athena.%1$I', t);
END LOOP; END $$;
INSERT INTO public.tenants_client (schema_name, name, created_at) VALUES ('late', 'late', now());
"""
KEY = "openssl enc -aes-256-ctr -pbkdf2 -pass pass:{}"

# When one is taken, and of what


@pytest.mark.parametrize(
    ("words", "environ", "text"),
    [
        (("--backup-scope", "none"), {}, "no backup: --backup-scope none"),
        (("--backup", "off"), {}, "no backup: --backup off"),
        (("--skip-backup",), {}, "no backup: --skip-backup"),
        (
            (),
            {"RELEASE_BACKUP_ENVIRONMENTS": "production", "RAILWAY_ENVIRONMENT_NAME": "pr-7"},
            "no backup: pr-7 is not in RELEASE_BACKUP_ENVIRONMENTS",
        ),
    ],
)
def test_a_release_may_go_without(past: Project, tmp_path: Path, words, environ, text):
    run = past.run(*words, "--shared-only", RELEASE_BACKUP_TO=str(tmp_path / "kept"), **environ)

    assert (run.code, run.report["backup"], run.report["backup_name"]) == (0, text, ""), run.text
    assert not (tmp_path / "kept").exists()


def test_in_an_environment_that_is_named_one_is_taken_of_what_will_change(past: Project, tmp_path: Path):
    environ = {"RELEASE_BACKUP_ENVIRONMENTS": "production,staging", "RAILWAY_ENVIRONMENT_NAME": "staging"}
    run = past.run("--schema", "athena", "--require-backup", RELEASE_BACKUP_TO=str(tmp_path), **environ)

    assert run.code == 0, run.text
    (kept,) = tmp_path.glob("*Z-*/manifest.json")
    assert sorted(json.loads(kept.read_text())["contents"]) == ["athena", "public"]


def test_nothing_pending_is_no_reason_for_a_backup(current: Project, tmp_path: Path):
    run = current.run("--no-collectstatic", "--require-backup", RELEASE_BACKUP_TO=str(tmp_path / "kept"))

    assert (run.code, run.report["backup"]) == (0, "")
    assert not (tmp_path / "kept").exists()


def test_backup_takes_one_although_nothing_is_pending(current: Project, tmp_path: Path):
    run = current.run("backup", RELEASE_BACKUP_TO=str(tmp_path / "kept"), RELEASE_BACKUP_SCOPE="none")

    assert run.code == 0, run.text
    taken = manifest(tmp_path / "kept")
    assert (len(taken.schemas), taken.writes) == (4, False)  # so that an older one may still be restored
    assert run.report["backup_name"] == taken.name


@pytest.mark.parametrize("environ", [{}, {"RELEASE_BACKUP": "off", "RELEASE_BACKUP_TO": "kept"}])
def test_backup_without_a_provider_fails(current: Project, environ):
    run = current.run("backup", **environ)

    assert (run.code, run.report["error"]) == (2, "configuration.invalid")
    assert "RELEASE_BACKUP_TO" in run.event("release.failed")["message"]


@pytest.mark.parametrize("kind", KINDS)
def test_ordinary_roles_may_take_one(past: Project, as_ordinary, tmp_path: Path, kind):
    as_ordinary(past, kind)
    run = past.run("--no-collectstatic", RELEASE_BACKUP_TO=str(tmp_path / "kept"))

    assert run.code == 0, run.text
    assert len(manifest(tmp_path / "kept").schemas) == 4


CLOSED = {
    "permission denied for table closed": "ALTER TABLE athena.closed OWNER TO postgres",
    "row-level security policy for table": "ALTER TABLE athena.closed ENABLE ROW LEVEL SECURITY;"
    "ALTER TABLE athena.closed FORCE ROW LEVEL SECURITY",
}


@pytest.mark.parametrize(("words", "sql"), CLOSED.items())
def test_rows_that_the_role_may_not_see_are_not_left_out_in_silence(
    current: Project, as_ordinary, tmp_path: Path, words, sql
):
    roles = as_ordinary(current, "owner")
    current.database.sql(
        f"CREATE TABLE athena.closed (); ALTER TABLE athena.closed OWNER TO {roles.owner}; {sql}"
    )
    run = current.run("backup", RELEASE_BACKUP_TO=str(tmp_path))

    assert (run.code, list(tmp_path.glob("*Z-*"))) == (5, []), run.text
    assert words in run.event("release.failed")["message"]


def test_a_service_of_the_environment_leads_nowhere_else(current: Project, tmp_path: Path):
    (tmp_path / "services").write_text("[other]\ndbname=template1\nhost=127.0.0.1\nport=1\n")
    environ = {"PGSERVICE": "other", "PGSERVICEFILE": str(tmp_path / "services")}
    run = current.run("backup", RELEASE_BACKUP_TO=str(tmp_path / "kept"), **environ)

    assert run.code == 0, run.text
    assert len(manifest(tmp_path / "kept").schemas) == 4


def test_the_rows_of_large_tables_are_dumped_but_not_counted(current: Project, tmp_path: Path):
    current.database.sql("CREATE TABLE athena.large AS SELECT md5(n::text) FROM generate_series(1, 30000) n")
    run = current.run(
        "backup", "--schema", "athena", "--backup-count-limit", "1", RELEASE_BACKUP_TO=str(tmp_path / "kept")
    )

    assert run.code == 0, run.text
    contents = manifest(tmp_path / "kept").contents["athena"]
    assert (contents["large"].rows, contents["buildings_building"].rows) == (None, 2)
    prove(tmp_path / "kept")


def test_a_repair_takes_one_before_it_writes(current: Project, tmp_path: Path):
    current.database.sql("ALTER TABLE kypseli.buildings_building DROP COLUMN slug")
    run = current.run("repair", "--apply", RELEASE_BACKUP_TO=str(tmp_path / "kept"))

    assert run.code == 0, run.text
    assert manifest(tmp_path / "kept").schemas == ("kypseli", "public")
    assert run.report["backup_name"] == manifest(tmp_path / "kept").name


@pytest.mark.parametrize(
    ("mounted", "inside", "warned"), [(False, True, 1), (False, False, 0), (True, True, 0)]
)
def test_a_folder_of_a_container_is_warned_of(current: Project, mounted, inside, warned):
    places = ("/dev/shm", "/tmp", "/var/tmp", str(Path.home()))  # noqa: S108 - the folder's name is new
    fitting = [one for one in places if Path(one).is_dir() and Folder(Path(one)).is_mounted == mounted]
    if not fitting:
        pytest.skip("no such folder is there")
    folder = f"{fitting[0]}/railway-release-{uuid.uuid4().hex}"
    environ = {"RAILWAY_ENVIRONMENT_NAME": "production", "RAILWAY_DEPLOYMENT_ID": "d" if inside else ""}
    try:
        run = current.run("backup", "--schema", "athena", RELEASE_BACKUP_TO=folder, **environ)
        assert (run.code, len(run.named("backup.vanishes"))) == (0, warned), run.text
    finally:
        shutil.rmtree(folder)


# What is kept of older ones


def test_old_backups_are_deleted_but_never_another_databases_or_the_last_of_a_schema(
    current: Project, tmp_path: Path
):
    folder = tmp_path / "kept"
    taken = []
    for words in ((), (), ("--schema", "athena"), ("--schema", "athena")):
        run = current.run("backup", *words, RELEASE_BACKUP_TO=str(folder))
        taken.append(run.report["backup_name"])
    other = copied(folder / taken[0], folder / "20200101T000000Z-aaaaaaaa")
    text = (other / "manifest.json").read_text().replace(taken[0], other.name)
    (other / "manifest.json").write_text(
        re.sub(r'"system_identifier": "\d+"', '"system_identifier": "7"', text)
    )
    left = folder / "20200102T000000Z-bbbbbbbb"
    left.mkdir()
    (left / "001.dump").write_text("of a run that was killed")
    run = current.run("backup", "--schema", "athena", RELEASE_BACKUP_TO=str(folder), RELEASE_BACKUP_KEEP="2")

    # The second holds what none of the newer ones has.
    kept = [other.name, taken[1], taken[3], run.report["backup_name"]]
    assert sorted(path.name for path in folder.iterdir()) == kept, run.text
    assert run.event("backup.deleted")["message"].endswith(f"{taken[0]}, {taken[2]}")


# Encryption


def test_what_is_stored_is_encrypted_and_proven_by_decrypting_it(current: Project, tmp_path: Path):
    pair = {"RELEASE_BACKUP_ENCRYPT": KEY.format("k"), "RELEASE_BACKUP_DECRYPT": f"{KEY.format('k')} -d"}
    run = current.run("backup", RELEASE_BACKUP_TO=str(tmp_path / "kept"), **pair)

    assert run.code == 0, run.text
    found = manifest(tmp_path / "kept")
    assert (found.encrypted, found.proof.level) == (True, "read")
    assert (tmp_path / "kept" / found.pieces[0].name).read_bytes()[:5] != b"PGDMP"
    assert "-pass" not in run.text
    prove(tmp_path / "kept", decrypt=f"{KEY.format('k')} -d")

    words = ("restore", "latest", "--schema", "athena", "--apply")
    place = {"RELEASE_BACKUP_TO": str(tmp_path / "kept")}
    without = current.run(*words, **place)
    wrong = current.run(*words, **place, RELEASE_BACKUP_DECRYPT=f"{KEY.format('other')} -d")
    restored = current.run(*words, **place, RELEASE_BACKUP_DECRYPT=f"{KEY.format('k')} -d")
    assert (without.code, "is encrypted" in without.event("release.failed")["message"]) == (2, True)
    assert (wrong.code, "encrypted with another key" in wrong.outcome("athena")["hint"]) == (5, True)
    assert restored.states == {"athena": "restored"}, restored.text
    with pytest.raises(BackupFailed):
        prove(tmp_path / "kept", decrypt=f"{KEY.format('other')} -d")


def test_without_the_decrypt_command_only_the_bytes_are_proven(current: Project, tmp_path: Path):
    run = current.run(
        "backup", RELEASE_BACKUP_TO=str(tmp_path / "kept"), RELEASE_BACKUP_ENCRYPT=KEY.format("k")
    )

    assert run.code == 0, run.text
    assert manifest(tmp_path / "kept").proof.level == "bytes"
    assert "without --backup-decrypt nobody has looked inside" in run.report["backup"]


# What comes after a failure


def test_what_is_restored_is_printed_for_tenants_that_were_changed_and_failed(
    current: Project, tmp_path: Path
):
    """Not for those that failed as they were, and never for healthy ones."""
    fails = "RAISE EXCEPTION 'no';"
    current.migration("buildings", "0007_first", "0006_fill_slugs", run_sql(only_in("piraeus", fails)))
    current.migration("buildings", "0008_second", "0007_first", run_sql(only_in("kypseli", fails)))
    run = current.run("--no-collectstatic", RELEASE_BACKUP_TO=str(tmp_path / "kept"))

    name = manifest(tmp_path / "kept").name
    assert (run.code, run.states["athena"]) == (7, "migrated"), run.text
    assert run.report["restorable"] == [{"backup": name, "schemas": ["kypseli"]}]
    text = run.event("restore.hinted")["message"]
    assert re.search(rf"restore {name} --schema kypseli$", text)


def test_tenants_that_come_meanwhile_get_a_backup_of_their_own(past: Project, tmp_path: Path):
    past.write("late.sql", LATE)
    folder = stand_in(
        tmp_path / "bin", f"test -e done || {{ touch done; PSQL -d {past.database.url} -f late.sql; }}; REAL"
    )
    run = past.run("--no-collectstatic", RELEASE_BACKUP_TO=str(tmp_path / "kept"), RELEASE_BACKUP_BIN=folder)

    first, second = manifests(tmp_path / "kept")
    assert ("late" in first.schemas, second.schemas) == (False, ("late",))
    assert (first.run_id, run.states["athena"]) == (second.run_id, "migrated")
    assert run.report["backup"].count("backed up as") == 2


def test_without_that_backup_no_tenant_is_migrated(past: Project, tmp_path: Path):
    past.write("late.sql", LATE)
    again = f"touch done; PSQL -d {past.database.url} -f late.sql; REAL"
    folder = stand_in(tmp_path / "bin", f"if test -e done; then exit 1; fi; {again}")
    run = past.run("--no-collectstatic", RELEASE_BACKUP_TO=str(tmp_path / "kept"), RELEASE_BACKUP_BIN=folder)

    assert (run.code, run.states["public"], run.states["athena"]) == (5, "migrated", "not reached")
    assert "The other schemas were not migrated." in run.event("release.failed")["message"]
    assert "late" not in manifest(tmp_path / "kept").schemas


@pytest.mark.xdist_group("tight")
def test_more_schemas_than_the_locks_allow_are_one_instant_all_the_same(cramped: Project, tmp_path: Path):
    """Each run of pg_dump is preceded by a new row in every schema."""
    kept = tmp_path / "kept"
    names = [f"t{number}" for number in range(1, 31)]
    insert = "".join(
        f"INSERT INTO {name}.django_migrations (app, name, applied) VALUES ('x', 'y', now());"
        for name in names
    )
    (tmp_path / "insert.sql").write_text(insert)
    folder = stand_in(tmp_path / "bin", f"PSQL -d {cramped.database.url} -f {tmp_path / 'insert.sql'}; REAL")
    words = [word for name in names for word in ("--schema", name)]
    run = cramped.run("backup", *words, RELEASE_BACKUP_TO=str(kept), RELEASE_BACKUP_BIN=folder)

    assert run.code == 0, run.text
    found = manifest(kept)
    assert len(found.pieces) > 2
    assert sorted(found.schemas) == sorted([*names, "public"])
    records = [
        run_program("pg_restore", "-f", "-", "-a", "-t", "django_migrations", str(kept / piece.name))
        for piece in found.pieces
    ]
    assert sum(text.count("\tx\ty\t") for text in records) == 0
    assert cramped.database.sql("SELECT count(*) FROM t1.django_migrations WHERE app = 'x'") != "1"
