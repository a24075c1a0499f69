"""Tenants that somebody else renames while a release runs: first the schema, then the tenant's row."""

import pytest

from tests.support.release import Project, Run
from tests.support.running import WAIT_AT_GATE, Gate, Running, only_in, run_sql

LAST = "0003_announcement_pinned"
OTHERS = {"public": "migrated", "athena": "migrated", "piraeus": "migrated"}
NOT_ATOMIC = "]\n    atomic = False\n    _ = ["

each_engine = pytest.mark.parametrize("engine", ["compiled", "stock"])


def held(project: Project, schema: str, *, then: str, atomic: bool = True) -> None:
    """A migration that stops at the gate in this schema, before it does more; and another one after it."""
    gate = run_sql(only_in(schema, WAIT_AT_GATE))
    loose = "" if atomic else NOT_ATOMIC
    project.migration("announcements", "0004_held", LAST, f"{gate}, {then}{loose}")
    project.migration("announcements", "0005_after", "0004_held", run_sql("SELECT 1"))


def making(name: str) -> str:
    """Creates a table that nothing else is needed for, in whatever schema comes first."""
    fields = "[('id', models.BigAutoField(primary_key=True))]"
    return f"migrations.CreateModel({name!r}, {fields}, options={{'db_table': {name!r}}})"


def rename(project: Project, old: str, new: str) -> None:
    """As somebody does by hand; django-tenants has no command for it."""
    project.database.sql(f"ALTER SCHEMA {old} RENAME TO {new}")
    project.database.sql(
        f"UPDATE public.tenants_client SET schema_name = '{new}' WHERE schema_name = '{old}'"
    )


def renamed_at(gate: Gate, project: Project, release: Running) -> Run:
    """The release, beside which `kypseli` becomes `rodos` while somebody stands at the gate."""
    gate.reached()
    rename(project, "kypseli", "rodos")
    gate.open()
    return release.finish()


def shared(project: Project) -> tuple[set[str], list[str]]:
    """The tables of the shared schema, and what is recorded there twice."""
    twice = "SELECT app, name FROM public.django_migrations GROUP BY 1, 2 HAVING count(*) > 1"
    return project.database.tables("public"), project.database.lines(twice)


def follow(project: Project, begin, engine: str) -> Run:
    """The next release; all tenants are then at the same level."""
    run = begin(project, "--engine", engine, name="following").finish()
    levels = [project.database.applied(name, "announcements") for name in ("athena", "rodos", "piraeus")]
    assert levels[0] == levels[1] == levels[2]
    assert (run.code, run.report["findings"]) == (0, []), run.text
    return run


@each_engine
@pytest.mark.parametrize("where", ["public", "athena"])
def test_a_tenant_renamed_before_it_is_migrated_is_named_and_migrated_by_the_next_release(
    past: Project, begin, gate, engine, where
):
    past.migration("users", "0003_held", "0002_user_phone", run_sql(only_in("public", WAIT_AT_GATE)))
    if where == "athena":
        past.migration("users", "0003_held", "0002_user_phone", "")
        held(past, "athena", then=making("made"))
    run = renamed_at(gate, past, begin(past, "--engine", engine))

    assert run.code == 0, run.text
    assert run.states.items() >= (OTHERS | {"kypseli": "skipped"}).items()
    assert run.outcome("kypseli")["message"] == "another session renamed it to rodos meanwhile"
    assert follow(past, begin, engine).states["rodos"] == ("current" if where == "public" else "migrated")


@each_engine
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_tenant_renamed_in_the_middle_of_a_migration_is_rolled_back_named_and_migrated_next(
    past: Project, begin, gate, engine, jobs
):
    """What comes after the renaming would be done in the shared schema, then the first on the path."""
    held(past, "kypseli", then=making("made"))
    run = renamed_at(gate, past, begin(past, "--engine", engine, RELEASE_JOBS=jobs))
    tables, twice = shared(past)

    assert (run.code, run.states) == (0, OTHERS | {"kypseli": "skipped", "rodos": "not reached"}), run.text
    assert run.outcome("kypseli")["message"] == "another session renamed it to rodos meanwhile"
    assert "run again" in run.outcome("rodos")["message"]
    assert ("made" in tables, twice) == (False, [])
    assert past.database.applied("rodos", "announcements")[-1] == LAST
    assert follow(past, begin, engine).states["rodos"] == "migrated"


@each_engine
@pytest.mark.parametrize("then", [making("made"), "migrations.RunPython(make)"], ids=["plain", "python"])
def test_a_tenant_renamed_in_the_middle_of_a_migration_that_is_not_atomic_fails_before_its_next_operation(
    past: Project, begin, gate, engine, then
):
    """It may be half applied, which nobody must be left to guess."""
    held(past, "kypseli", then=then, atomic=False)
    module = past.folder / "announcements/migrations/0004_held.py"
    make = "def make(apps, editor):\n    editor.execute('CREATE TABLE made ()')\n\n\nclass Migration"
    module.write_text(module.read_text().replace("class Migration", make))
    run = renamed_at(gate, past, begin(past, "--engine", engine))
    tables, twice = shared(past)

    outcome = run.outcome("kypseli")
    assert (run.code, run.states) == (7, OTHERS | {"kypseli": "failed", "rodos": "not reached"}), run.text
    assert outcome["message"].endswith("; another session renamed it to rodos meanwhile")
    assert (outcome["failed_at"], "not atomic" in outcome["hint"]) == ("announcements.0004_held", True)
    assert ("made" in tables, twice) == (False, [])
    assert follow(past, begin, engine).states["rodos"] == "migrated"


@each_engine
def test_no_receiver_is_called_in_the_shared_schema_for_a_tenant_that_was_renamed(
    past: Project, begin, gate, engine
):
    """It is renamed while the receivers of another app are at work."""
    past.settings("INSTALLED_APPS.append('listening')")
    past.write("listening/__init__.py", "")
    past.write(
        "listening/apps.py",
        "from django.apps import AppConfig\n"
        "from django.db import connection\n"
        "from django.db.models.signals import post_migrate\n\n\n"
        "def receive(sender, **_):\n"
        "    if connection.schema_name != 'kypseli':\n"
        "        return\n"
        "    with connection.cursor() as cursor:\n"
        "        if sender.label == 'buildings':\n"
        f"            cursor.execute({only_in('kypseli', WAIT_AT_GATE)!r})\n"
        "        if sender.label == 'announcements':\n"
        "            cursor.execute('CREATE TABLE made ()')\n\n\n"
        "class Listening(AppConfig):\n"
        "    name = 'listening'\n\n"
        "    def ready(self):\n"
        "        post_migrate.connect(receive)\n",
    )
    run = renamed_at(gate, past, begin(past, "--engine", engine))

    assert (run.code, run.states["kypseli"]) == (7, "failed"), run.text
    assert run.outcome("kypseli")["message"].endswith("; another session renamed it to rodos meanwhile")
    assert "made" not in past.database.tables("public")
    assert follow(past, begin, engine).states["rodos"] == "migrated"


@each_engine
def test_a_tenant_renamed_after_it_was_migrated_is_no_finding(past: Project, begin, gate, engine):
    held(past, "piraeus", then=making("made"))
    run = renamed_at(gate, past, begin(past, "--engine", engine))

    assert (run.code, run.states) == (0, OTHERS | {"kypseli": "migrated"}), run.text
    assert run.report["findings"] == []
    assert follow(past, begin, engine).states["rodos"] == "current"
