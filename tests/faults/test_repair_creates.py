"""repair creates the schemas that tenants lack: through which machinery, who is told, and after a kill."""

import signal

import pytest

from tests.support.picture import picture
from tests.support.release import Project, until
from tests.support.running import WAIT_AT_GATE, Gate, only_in, run_sql
from tests.support.schemas import add_row
from tests.support.unwell import definitions

ISLANDS = ("naxos", "samos")
NEW = ("repair", "--apply", "--create-schema")
# Receivers write down what they were told, and how many migrations the schema had by then.
LISTENING = """
from django.db import connection
from django.dispatch import receiver
from django_tenants.signals import post_schema_sync


@receiver(post_schema_sync)
def told(tenant, **_):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO public.told SELECT %s, count(*) FROM {name}.django_migrations".format(
                name=tenant.schema_name
            ),
            [tenant.schema_name],
        )
        {more}
"""
OWN = """
    def create_schema(self, *arguments, **named):
        super().create_schema(*arguments, **named)
        from django.db import connection

        connection.cursor().execute(f"CREATE TABLE {self.schema_name}.mark (id int)")
"""


@pytest.fixture
def rows(current: Project) -> Project:
    """Two tenants have a row alone."""
    current.database.sql("CREATE TABLE public.told (schema text, migrations int)")
    listen(current)
    add_row(current.database, *ISLANDS)
    return current


def listen(project: Project, more: str = "") -> None:
    """A receiver of post_schema_sync that does something more."""
    text = LISTENING.replace("{more}", more)
    project.write("tenants/listening.py", text)
    apps = "from django.apps import AppConfig\n\n\nclass TenantsConfig(AppConfig):\n    name = 'tenants'\n"
    project.write("tenants/apps.py", f"{apps}\n    def ready(self):\n        from . import listening\n")


def told(project: Project) -> list[str]:
    """Of which schemas the receivers were told once they were complete."""
    complete = project.database.sql("SELECT count(*) FROM athena.django_migrations")
    return project.database.lines(f"SELECT schema FROM told WHERE migrations = {complete} ORDER BY 1")


def comments(project: Project) -> list[str]:
    """The schemas that bear a mark."""
    return project.database.lines(
        "SELECT nspname FROM pg_namespace WHERE obj_description(oid, 'pg_namespace') LIKE 'railway-release%'"
    )


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_schemas_are_created_as_a_release_would_migrate_them_and_nobody_is_waited_for(
    rows: Project, begin, jobs: str
) -> None:
    """Through the chosen engine, without the wait for whoever else may be creating them."""
    run = begin(rows, *NEW, RELEASE_JOBS=jobs).finish()
    made = picture(rows.database)

    assert (run.code, {run.states[name] for name in ISLANDS}) == (0, {"repaired"}), run.text
    for name in ISLANDS:
        expected = [line.replace("athena", name) for line in definitions(made, "athena")]
        assert definitions(made, name) == sorted(expected)
    assert run.named("schema.created_otherwise") == run.named("schemas.awaited") == []
    assert bool(run.named("workers.chosen")) == (jobs == "2")
    assert (told(rows), comments(rows)) == (list(ISLANDS), [])


def test_a_project_that_creates_schemas_by_itself_has_no_receivers_told(rows: Project, begin) -> None:
    """With auto_create_schema = False, django-tenants' save() would not send post_schema_sync either."""
    rows.write(
        "tenants/models.py",
        (rows.folder / "tenants/models.py")
        .read_text()
        .replace("    name =", "    auto_create_schema = False\n    name ="),
    )
    run = begin(rows, *NEW).finish()

    assert (run.code, run.states["samos"], told(rows), comments(rows)) == (0, "repaired", [], [])


def test_an_own_create_schema_is_called_with_a_line_that_says_why(rows: Project, begin) -> None:
    """What the project does there is done."""
    models = (rows.folder / "tenants/models.py").read_text()
    rows.write(
        "tenants/models.py",
        "from django.db import connection\n"
        + models.replace("    def __str__", f"{OWN}\n    def __str__", 1),
    )
    run = begin(rows, *NEW).finish()
    (first, *_) = run.named("schema.created_otherwise")

    assert (run.code, run.states["samos"]) == (0, "repaired"), run.text
    assert first["message"].endswith("since Client.create_schema is the project's own")
    assert "mark" in rows.database.tables("samos")
    assert (told(rows), comments(rows)) == (list(ISLANDS), [])


def test_a_clone_of_a_template_that_is_left_as_it_is_gets_what_that_has_not(rows: Project, begin) -> None:
    """Only the named schema is repaired, and completely."""
    rows.settings("TENANT_BASE_SCHEMA = 'athena'\nTENANT_CREATION_FAKES_MIGRATIONS = True")
    rows.database.sql("DROP TABLE athena.buildings_buildingmembership")
    run = begin(rows, *NEW, "--schema", "samos").finish()

    assert (run.code, run.states["samos"], comments(rows)) == (0, "repaired", []), run.text
    assert "repaired table.ghost buildings_buildingmembership" in run.outcome("samos")["repairs"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_creation_that_was_killed_is_found_and_completed(
    rows: Project, begin, gate: Gate, jobs: str
) -> None:
    """By the next repair, whichever part of it was done; verify names it meanwhile."""
    rows.migration(
        "announcements",
        "0004_gate",
        "0003_announcement_pinned",
        run_sql(only_in("samos", WAIT_AT_GATE)),
    )
    first = begin(rows, *NEW, RELEASE_JOBS=jobs, name="first")
    gate.reached()
    first.kill()
    gate.open()
    unfinished = begin(rows, "verify", name="verify").finish().findings("schema.unfinished")
    run = begin(rows, *NEW, RELEASE_JOBS=jobs, name="next").finish()

    assert ("samos", "schema") in unfinished
    assert (run.code, run.states["samos"]) == (0, "repaired"), run.text
    assert (told(rows), comments(rows)) == (list(ISLANDS), [])


def test_a_receiver_that_fails_is_told_again_by_the_next_repair(rows: Project, begin) -> None:
    """The schema stays, and is named as failed."""
    listen(rows, "assert tenant.schema_name != 'samos', 'not today'")
    first = begin(rows, *NEW, name="first").finish()
    listen(rows)
    run = begin(rows, *NEW, name="next").finish()

    assert (first.code, first.states["samos"], first.states["naxos"]) == (7, "failed", "repaired")
    assert "not today" in first.outcome("samos")["message"]
    assert (run.code, run.states["samos"], comments(rows)) == (0, "repaired", [])
    assert told(rows)[-1] == "samos"


def test_a_clone_comes_with_its_records_or_not_at_all(rows: Project, begin, gate: Gate) -> None:
    """Killed between the two, it is a row without schema still."""
    rows.settings("TENANT_BASE_SCHEMA = 'athena'\nTENANT_CREATION_FAKES_MIGRATIONS = True")
    rows.database.sql(
        "CREATE FUNCTION wait() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM pg_advisory_xact_lock_shared(4711); END $$;"
        "CREATE EVENT TRIGGER waits ON ddl_command_start WHEN TAG IN ('COMMENT') EXECUTE FUNCTION wait();"
    )
    first = begin(rows, *NEW, RELEASE_LOCK_TIMEOUT="30", name="first")
    gate.reached()
    first.kill()
    gate.open()
    left = rows.database.lines("SELECT nspname FROM pg_namespace WHERE nspname IN ('naxos', 'samos')")
    rows.database.sql("DROP EVENT TRIGGER waits")
    run = begin(rows, *NEW, name="next").finish()

    (line, *_) = run.named("schema.created_otherwise")
    assert (line["message"].endswith("since it is cloned from athena"), left) == (True, [])
    assert (run.code, told(rows), comments(rows)) == (0, list(ISLANDS), []), run.text


def test_a_receiver_that_leaves_its_process_or_its_role_is_told_and_harms_no_other(
    rows: Project, begin
) -> None:
    """The one is named and told again by the next repair; what the other has set is put back."""
    rows.database.sql("CREATE ROLE stranger")
    leaving = "if tenant.schema_name == 'naxos':\n            import os; os._exit(0)\n        "
    listen(rows, leaving + "cursor.execute('SET ROLE stranger'); connection.set_schema('athena')")
    first = begin(rows, *NEW, name="first").finish()
    marked = comments(rows)
    listen(rows)
    run = begin(rows, *NEW, name="next").finish()

    assert (first.code, first.states["naxos"], first.states["samos"]) == (7, "failed", "repaired"), first.text
    assert "while the schema was being created" in first.outcome("naxos")["message"]
    assert (marked, run.code, comments(rows)) == (["naxos"], 0, [])


def test_a_creation_that_waits_in_python_is_ended_after_the_grace_period(rows: Project, begin) -> None:
    """A signal does not wait for the project's own code."""
    waiting = "import time; cursor.execute('SELECT pg_advisory_lock_shared(4712)'); time.sleep(600)"
    listen(rows, waiting)
    first = begin(rows, *NEW, "--grace", "1", name="first")
    until(lambda: rows.database.sql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 4712"))
    first.process.send_signal(signal.SIGTERM)
    run = first.finish(seconds=15)

    assert (run.code, run.states["naxos"]) == (143, "not reached"), run.text
    assert "naxos" in comments(rows)
