"""What is brought back elsewhere: a copy beside the original, another database, a scratch one as a proof."""

from __future__ import annotations

import pytest

from tests.support.backups import asides
from tests.support.release import Database, Project

pytestmark = pytest.mark.xdist_group("restore")

MEMBERS = "buildings_buildingmembership"


def test_a_copy_comes_beside_the_original(backed_up: Project, restore):
    before = backed_up.database.lines("SELECT oid FROM pg_namespace WHERE nspname = 'athena'")
    run = restore("--schema", "athena", "--into", "athena then", "--apply")

    assert run.states == {"athena": "restored"}, run.text
    assert backed_up.database.lines("SELECT oid FROM pg_namespace WHERE nspname = 'athena'") == before
    assert backed_up.database.sql(f'SELECT count(*) FROM "athena then".{MEMBERS}') != "0"
    for taken in ("athena then", "pg_then"):
        again = restore("--schema", "athena", "--into", taken, "--apply")
        assert (again.code, again.states) == (8, {})
    assert backed_up.run("--no-collectstatic").code == 0
    assert not asides(backed_up)


def test_a_drill_restores_into_another_database_and_changes_nothing_here(backed_up, restore, new_database):
    other = new_database()
    before = backed_up.database.lines("SELECT oid, nspname FROM pg_namespace ORDER BY 1")
    shown = restore("--schema", "athena", RELEASE_INTO_DATABASE=other.url)
    run = restore("--schema", "athena", "--apply", RELEASE_INTO_DATABASE=other.url)

    assert shown.code == 0
    # Without the variable, the command that is printed would restore here.
    assert 'RELEASE_INTO_DATABASE="$RELEASE_INTO_DATABASE" ' in shown.event("restore.hinted")["message"]
    assert not run.named("restore.hinted")
    assert run.states == {"public": "restored", "athena": "restored"}, run.text
    assert backed_up.database.lines("SELECT oid, nspname FROM pg_namespace ORDER BY 1") == before
    assert other.sql(f"SELECT count(*) FROM athena.{MEMBERS}") != "0"
    again = restore("--schema", "athena", "--apply", RELEASE_INTO_DATABASE=other.url)
    assert (again.code, again.states) == (8, {})


def test_a_backup_of_another_database_is_never_the_latest_and_said_to_be_of_another(restore, restorable):
    named, latest = restore("--schema", "athena"), restore("--schema", "athena", name="latest")
    unset = restore("--schema", "athena", "--apply", RELEASE_INTO_DATABASE="")

    assert f"of another database, {restorable[0]}" in str(named.report["restores"][0]["remarks"])
    assert (latest.code, latest.report["error"]) == (2, "name.unknown")
    assert (unset.code, unset.states) == (2, {})


def test_another_database_that_cannot_be_reached_is_named(backed_up: Project, restore, tmp_path):
    nowhere = backed_up.database.url.rpartition("/")[0] + "/nowhere"
    drill = restore(RELEASE_INTO_DATABASE=nowhere)
    environ = {"RELEASE_BACKUP_TO": str(tmp_path / "backups"), "RELEASE_PROOF_DATABASE_URL": nowhere}
    proof = backed_up.run("backup", "--backup-proof", "restore", **environ)

    for run, variable in ((drill, "--into-database"), (proof, "RELEASE_PROOF_DATABASE_URL")):
        assert (run.code, run.report["error"]) == (5, "backup.failed"), run.text
        assert f"The database of {variable} cannot be reached: " in run.event("release.failed")["message"]


def test_a_password_on_the_command_line_is_refused(restore):
    run = restore("--into-database", "postgresql://me:secret@db.example/other")

    assert run.code == 2
    assert "secret" not in run.text


@pytest.mark.parametrize("where", ["made beside", "given"])
def test_a_backup_is_proven_by_restoring_a_sample_into_a_scratch_database(
    past: Project, new_database, tmp_path, where
):
    given = {"RELEASE_PROOF_DATABASE_URL": new_database().url} if where == "given" else {}
    to = str(tmp_path / "backups")
    run = past.run("--no-collectstatic", "--backup-proof", "restore=all", RELEASE_BACKUP_TO=to, **given)
    manifest = past.run("backups", RELEASE_BACKUP_TO=to).report["backups"][0]

    assert run.code == 0, run.text
    assert "restored in 4 of its schemas" in run.event("backup.finished")["message"]
    assert manifest["proof"]["level"] == "restore"
    assert set(manifest["proof"]["schemas"]) == {"public", "athena", "kypseli", "piraeus"}
    assert not past.database.lines("SELECT 1 FROM pg_database WHERE datname LIKE 'railway_release_proof%'")
    for url in given.values():
        assert Database(url).lines("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'") == [
            "public",
            "information_schema",
        ]


def test_scratch_databases_of_killed_runs_are_dropped_and_those_of_other_databases_stay(past, tmp_path):
    database = past.database
    oid = database.sql("SELECT oid FROM pg_database WHERE datname = current_database()")
    left, others = f"railway_release_proof_{oid}_dead", f"railway_release_proof_{oid}7_live"
    for name in (left, others):
        database.sql(f"CREATE DATABASE {name}")
    try:
        run = past.run("backup", "--backup-proof", "restore", RELEASE_BACKUP_TO=str(tmp_path / "backups"))
        found = database.lines("SELECT datname FROM pg_database WHERE datname LIKE 'railway_release_proof%'")
    finally:
        for name in (left, others):
            database.sql(f"DROP DATABASE IF EXISTS {name}")

    assert (run.code, found) == (0, [others]), run.text
