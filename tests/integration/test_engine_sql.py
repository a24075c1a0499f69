"""Statements of the user's own: their forms, their failures, and what they leave behind in the session."""

from collections.abc import Iterator

import pytest

from tests.support.release import Database, Run
from tests.support.running import run_sql
from tests.support.schemas import copy_tenant, everything
from tests.support.unwell import borrowed

from .test_engine import TENANTS, change

# The forms, and the ways to another path, are all in one release each.
pytestmark = [pytest.mark.versions, pytest.mark.server, pytest.mark.xdist_group("engine_sql")]

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


@pytest.fixture(scope="module")
def formed(
    server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Run, Database]]:
    """A release with a migration of each form, each followed by one that keeps what it has done."""
    with borrowed(server, current_template, tmp_path_factory.mktemp("forms")) as project:
        keep = "CREATE TABLE form_{} AS SELECT address FROM buildings_building"
        reset = "UPDATE buildings_building SET address = 'none'"
        pairs = [
            (f"migrations.RunSQL({form!r})", run_sql(f"{keep.format(number)}; {reset}"))
            for number, form in enumerate(FORMS.values())
        ]
        change(project, *(operation for pair in pairs for operation in pair))
        yield project.run("--no-collectstatic"), project.database


@pytest.mark.parametrize("form", FORMS)
def test_sql_runs_in_every_tenant_whatever_its_form(formed, form):
    run, database = formed
    number = list(FORMS).index(form)

    assert run.code == 0, run.text
    for schema in TENANTS:
        assert database.lines(f"SELECT DISTINCT address FROM {schema}.form_{number}") == ["done"]
        assert f"{number * 2 + 7:04}_step" in database.applied(schema, "buildings")


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


LEAD_ASTRAY = """
CREATE FUNCTION public.lead_astray() RETURNS text LANGUAGE sql
AS $$ SELECT set_config('search_path', 'piraeus', false) $$
"""
BY_FUNCTION = "SELECT public.lead_astray()"
EMPTY, OTHER = (f"SELECT set_config('search_path', '{path}', false)" for path in ("", "piraeus"))


def by_python(statement: str) -> str:
    """An operation that sends the statement."""
    return f"migrations.RunPython(lambda apps, editor: editor.connection.cursor().execute({statement!r}))"


# What sets a path, in an atomic migration or one that is not; a field is added after it, and by the next one.
SETTING_A_PATH = {
    "SQL, empty": (run_sql(EMPTY), True),
    "SQL": (run_sql(OTHER), True),
    "Python, empty": (by_python(EMPTY), True),
    "Python": (by_python(OTHER), True),
    "SQL that is not atomic, empty": (run_sql(EMPTY), False),
    "SQL that is not atomic": (run_sql(OTHER), False),
    "a function, by SQL": (run_sql(BY_FUNCTION), True),
    "a function, by Python": (
        f"migrations.RunPython(lambda apps, editor: editor.execute({BY_FUNCTION!r}))",
        True,
    ),
}


@pytest.fixture(scope="module")
def wandering(
    server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Run, list[str]]]:
    """A release of one tenant with all of these, and the columns that there are now, in all schemas."""
    with borrowed(server, current_template, tmp_path_factory.mktemp("wandering")) as project:
        project.database.sql(LEAD_ASTRAY)
        add = "migrations.AddField('building', '{}', models.IntegerField(null=True))"
        operations = []
        for number, (operation, is_atomic) in enumerate(SETTING_A_PATH.values()):
            loose = "" if is_atomic else "]\n    atomic = False\n    _ = ["
            operations.append(f"{operation}, {add.format(f'at_once_{number}')}{loose}")
            operations.append(add.format(f"later_{number}"))
        change(project, *operations)
        run = project.run("--no-collectstatic", "--schema", "athena")
        yield (
            run,
            project.database.lines(
                "SELECT table_schema || '.' || column_name FROM information_schema.columns"
                " WHERE column_name ~ '^(at_once|later)_'"
            ),
        )


@pytest.mark.parametrize("way", SETTING_A_PATH)
def test_a_path_that_a_migration_sets_does_not_reach_what_comes_next(wandering, way):
    run, columns = wandering
    number = list(SETTING_A_PATH).index(way)

    assert run.code == 0, run.text
    assert sorted(one for one in columns if one.endswith(f"_{number}")) == [
        f"athena.at_once_{number}",
        f"athena.later_{number}",
    ]
