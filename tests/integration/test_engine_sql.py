"""Statements of the user's own: their forms, their failures, and what they leave behind in the session."""

import pytest

from tests.support.running import run_sql
from tests.support.schemas import copy_tenant, everything

from .test_engine import TENANTS, addresses, change

pytestmark = [pytest.mark.versions, pytest.mark.server]

UPDATE = "UPDATE buildings_building SET address = 'done'"

FORMS = {
    "a list with parameters": [("UPDATE buildings_building SET address = %s", ["done"])],
    "a list of both kinds": [
        "SELECT '%'",
        ("UPDATE buildings_building SET address = %s", ["done"]),
        "SELECT 1",
    ],
    "a per cent sign": f"{UPDATE} WHERE name LIKE '%' AND 7 % 4 = 3 AND name <> '%s'",
    "parameters and a per cent sign": [(f"{UPDATE} WHERE name LIKE '%%' OR name = %s", ["x"])],
    "a backslash and a question mark": f"{UPDATE} WHERE name <> '\\' AND NOT '{{}}'::jsonb ? 'x'",
    "dollar quotes": f"DO $body$ BEGIN PERFORM 1; {UPDATE}; END $body$",
    "a comment at the end": f"{UPDATE} -- and that is all",
    "a comment at the end of several": f"{UPDATE};\n-- and that; is all",
    "several statements": f"CREATE TEMPORARY TABLE t (i int) ON COMMIT DROP; {UPDATE}; DROP TABLE t;",
    "a semicolon in a string": f"SELECT 'a;b'; {UPDATE}",
    "another path before it": ["SET search_path = pg_catalog", UPDATE],
    "another path for a while": ["SELECT set_config('search_path', '', false)", UPDATE],
}


@pytest.mark.parametrize("form", FORMS)
def test_sql_runs_in_every_tenant_whatever_its_form(current, form):
    change(current, f"migrations.RunSQL({FORMS[form]!r})")
    run = current.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert [addresses(current.database, schema) for schema in TENANTS] == [["done"]] * 3
    assert [current.database.applied(schema, "buildings")[-1] for schema in TENANTS] == ["0007_step"] * 3


# Failures.

FAILS = "INSERT INTO buildings_building SELECT id, %s FROM buildings_building"


@pytest.fixture
def failing(current):
    """The third of four statements fails, since it leaves columns out."""
    several = ["CREATE TABLE first ()", "SELECT 1", (FAILS, ["confidential"]), "SELECT 2"]
    change(current, f"migrations.RunSQL({several!r})", run_sql("SELECT 3"))
    return current


@pytest.mark.parametrize("engine", ["compiled", "stock"])
def test_the_statement_that_fails_within_a_savepoint_is_named_for_all_schemas_alike(current, engine):
    columns = "(id, name, address, slug) SELECT i, i, i, i FROM (VALUES (7000), (7000)) AS twins (i)"
    code = (
        "from django.db import transaction\n\n\n"
        "def work(apps, schema_editor):\n"
        "    with transaction.atomic(), schema_editor.connection.cursor() as cursor:\n"
        f"        cursor.execute('INSERT INTO buildings_building {columns}')\n"
    )
    change(current, "migrations.RunPython(work)", extra=code)
    run = current.run("--no-collectstatic", "--engine", engine, "--jobs", "2")

    assert [run.outcome(schema)["statement"] for schema in TENANTS] == [
        f"INSERT INTO buildings_building {columns}"
    ] * 3
    assert len(run.named("schemas.failed")) == 1


def test_the_statement_that_fails_among_several_is_named_with_its_migration(failing):
    outcome = failing.run("--no-collectstatic").outcome("kypseli")

    assert (outcome["failed_at"], outcome["statement"]) == ("buildings.0007_step", FAILS)


def test_the_values_of_a_statement_that_fails_are_not_shown(failing):
    run = failing.run("--no-collectstatic", "--log-level", "debug")

    assert "violates" in run.outcome("kypseli")["message"]
    assert "confidential" not in run.text + str(run.report)


def test_of_several_statements_of_which_one_fails_nothing_stays(failing):
    before = everything(failing.database, *TENANTS)
    run = failing.run("--no-collectstatic")

    assert run.code == 7
    assert everything(failing.database, *TENANTS) == before


# What is left behind in the session.

LEAVE = {
    "athena": "SET lock_timeout = '7s'",
    "kypseli": "SELECT set_config('role', current_user, false)",
    "piraeus": "CREATE TEMPORARY TABLE leftover (id int)",
    "path": "SELECT set_config('search_path', '', false)",
    "lock": "SELECT pg_advisory_lock(4713)",
    "prepared": "PREPARE leftover AS SELECT 1",
    "last": "SELECT 1",
}
LOOK = (
    "CREATE TABLE seen AS SELECT current_setting('lock_timeout'), current_setting('role') AS role,"
    " (SELECT count(*) FROM pg_class WHERE relname = 'leftover') AS tables,"
    " (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND objid = 4713) AS locks,"
    " (SELECT count(*) FROM pg_prepared_statements WHERE name = 'leftover') AS prepared"
)

BY_SQL = [
    run_sql(LOOK),
    run_sql(
        "DO $do$ BEGIN CASE current_schema() "
        + " ".join(f"WHEN '{schema}' THEN EXECUTE $${leave}$$;" for schema, leave in LEAVE.items())
        + " END CASE; END $do$"
    ),
]
BY_PYTHON = ["migrations.RunPython(look)", "migrations.RunPython(leave)"]
PYTHON = (
    f"LOOK = {LOOK!r}\nLEAVE = {LEAVE!r}\n\n\n"
    "def look(apps, schema_editor):\n"
    "    with schema_editor.connection.cursor() as cursor:\n"
    "        cursor.execute(LOOK)\n\n\n"
    "def leave(apps, schema_editor):\n"
    "    with schema_editor.connection.cursor() as cursor:\n"
    "        cursor.execute(LEAVE[schema_editor.connection.schema_name])\n"
)


@pytest.mark.parametrize("way", [BY_SQL, BY_PYTHON], ids=["SQL", "Python"])
def test_what_a_migration_leaves_in_its_session_does_not_reach_the_next_schema(current, way):
    copy_tenant(current.database, "athena", *[name for name in LEAVE if name not in TENANTS])
    change(current, *way, extra=PYTHON)
    run = current.run("--no-collectstatic")

    assert run.code == 0, run.text
    seen = {schema: current.database.sql(f"SELECT * FROM {schema}.seen") for schema in LEAVE}
    assert seen == dict.fromkeys(LEAVE, "3s|none|0|0|0")


COLUMNS = (
    "SELECT table_schema || '.' || column_name FROM information_schema.columns"
    " WHERE column_name IN ('at_once', 'later') ORDER BY 1"
)


@pytest.mark.parametrize("path", ["''", "'piraeus'"])
@pytest.mark.parametrize("way", ["SQL", "Python", "SQL that is not atomic"])
def test_a_path_that_a_migration_sets_does_not_reach_what_comes_next(current, way, path):
    statement = f"SELECT set_config('search_path', {path}, false)"
    leaves = (
        "def leave(apps, schema_editor):\n"
        "    with schema_editor.connection.cursor() as cursor:\n"
        f"        cursor.execute({statement!r})\n"
    )
    loose = "]\n    atomic = False\n    _ = [" if way == "SQL that is not atomic" else ""
    operation = "migrations.RunPython(leave)" if way == "Python" else run_sql(statement)
    add = "migrations.AddField('building', '{}', models.IntegerField(null=True))"
    change(current, f"{operation}, {add.format('at_once')}{loose}", f"{add.format('later')}", extra=leaves)
    run = current.run("--no-collectstatic", "--schema", "athena")

    assert run.code == 0, run.text
    assert current.database.lines(COLUMNS) == ["athena.at_once", "athena.later"]


LEAD_ASTRAY = """
CREATE FUNCTION public.lead_astray() RETURNS text LANGUAGE sql
AS $$ SELECT set_config('search_path', 'piraeus', false) $$
"""


ASTRAY = {
    "SQL": run_sql("SELECT public.lead_astray()"),
    "Python": "migrations.RunPython(lambda apps, editor: editor.execute('SELECT public.lead_astray()'))",
}
ADD_LATER = "migrations.AddField('building', 'later', models.IntegerField(null=True))"


@pytest.mark.parametrize("way", ASTRAY)
@pytest.mark.parametrize("next_one", ["operation", "migration"])
def test_a_path_that_a_function_sets_does_not_reach_what_comes_next(current, way, next_one):
    current.database.sql(LEAD_ASTRAY)
    operations = [ASTRAY[way], ADD_LATER]
    change(current, *([", ".join(operations)] if next_one == "operation" else operations))
    run = current.run("--no-collectstatic", "--schema", "athena")

    assert run.code == 0, run.text
    assert current.database.lines(COLUMNS) == ["athena.later"]
