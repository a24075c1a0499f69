"""Tenants that are created and deleted by somebody else while a release runs.

The release owns everything, and sees nothing of what the sessions of the application's role do.
"""

import json
import re

import pytest

from tests.support.binaries import bin_dir
from tests.support.release import Project, until
from tests.support.running import WAIT_AT_GATE, only_in, run_sql, wait_at

LAST = "0003_announcement_pinned"
OLD = {"public": "migrated", "athena": "migrated", "kypseli": "migrated", "piraeus": "migrated"}


@pytest.fixture
def past(past: Project, as_ordinary) -> Project:
    """Without a superuser."""
    as_ordinary(past, "owner")
    return past


def slow_creation(project: Project, *schemas: str, holding: str = "ACCESS EXCLUSIVE", then: str = "") -> None:
    """Creating these tenants stops at the second gate, in a migration that has locked a table."""
    lock = f"LOCK TABLE announcements_announcement IN {holding} MODE;"
    steps = [run_sql(only_in(schema, f"{lock} {wait_at(2)} {then}")) for schema in schemas]
    project.migration("announcements", "0004_slow", LAST, ", ".join(steps))
    project.migration("announcements", "0005_after", "0004_slow", run_sql("SELECT 1"))


def creation_in_steps(project: Project) -> None:
    """Creating `ilion` takes many migrations with pauses in between that are outside of transactions."""
    code = (
        "import time\n\n\n"
        "def pause(apps, editor):\n"
        "    if editor.connection.schema_name == 'ilion':\n"
        "        time.sleep(0.25)\n"
    )
    loose = "migrations.RunPython(pause)]\n    atomic = False\n    _ = ["
    after = LAST
    for number in range(4, 20):
        name = f"{number:04}_step"
        project.migration("announcements", name, after, loose, code)
        after = name


@pytest.mark.parametrize("mode", ["ACCESS EXCLUSIVE", "SHARE ROW EXCLUSIVE", "ROW EXCLUSIVE"])
def test_a_schema_whose_creator_is_in_a_migration_is_not_touched(
    past: Project, begin, create, second_gate, mode
):
    slow_creation(past, "ilion", holding=mode)
    creation = create(past, "ilion")
    second_gate.reached()
    run = begin(past, "--settle-wait", "0.5", "--retry-for", "1").finish(30)
    levels = past.database.applied("ilion", "announcements")
    second_gate.open()

    assert (run.code, run.states) == (0, {**OLD, "ilion": "not reached"}), run.text
    assert levels[-1] == LAST
    assert creation.finish() == (0, "")


def test_a_schema_that_is_still_being_created_is_a_warning(past: Project, begin, create, second_gate):
    slow_creation(past, "ilion")
    create(past, "ilion")
    second_gate.reached()
    run = begin(past, "--settle-wait", "0.5", "--retry-for", "1").finish(30)

    event = run.event("schemas.not_reached")
    assert event["level"] == "warn"
    assert event["message"].startswith("ilion not reached: another session is still creating")
    assert re.search(r": pid \d+ \(", event["message"])


def test_a_creation_that_ends_in_time_is_found_current(past: Project, begin, create, second_gate):
    slow_creation(past, "ilion")
    creation = create(past, "ilion")
    second_gate.reached()
    release = begin(past, "--settle-wait", "30", RELEASE_LOG_LEVEL="debug", RELEASE_SETTLE="1.5")
    release.reach("schema.migrated", schema="piraeus")
    second_gate.open()
    run = release.finish()

    assert creation.finish() == (0, "")
    assert (run.code, run.states) == (0, {**OLD, "ilion": "current"}), run.text


def test_a_creation_that_began_after_the_plan_is_not_touched(past: Project, begin, create, gate, second_gate):
    past.migration("users", "0003_held", "0002_user_phone", run_sql(only_in("public", WAIT_AT_GATE)))
    slow_creation(past, "ilion")
    release = begin(past, "--settle-wait", "0.5", "--retry-for", "1")
    gate.reached()
    creation = create(past, "ilion")
    second_gate.reached()
    gate.open()
    run = release.finish()
    second_gate.open()

    assert (run.code, run.states) == (0, {**OLD, "ilion": "not reached"}), run.text
    assert creation.finish() == (0, "")


def test_two_tenants_created_at_the_same_time_are_not_touched(past: Project, begin, create, second_gate):
    slow_creation(past, "ilion", "ithaki")
    creations = [create(past, "ilion"), create(past, "ithaki")]
    second_gate.reached(by=2)
    run = begin(past, "--settle-wait", "0.5", "--lock-timeout", "0.5", "--retry-for", "1").finish()
    second_gate.open()

    assert (run.code, run.states) == (0, {**OLD, "ilion": "not reached", "ithaki": "not reached"}), run.text
    assert [creation.finish() for creation in creations] == [(0, ""), (0, "")]


def test_a_creator_between_two_migrations_is_not_disturbed(past: Project, begin, create):
    creation_in_steps(past)
    creation = create(past, "ilion")
    begun = "SELECT 1 FROM pg_tables WHERE schemaname = 'ilion' AND tablename = 'announcements_announcement'"
    until(lambda: past.database.sql(begun))
    run = begin(past, "--settle-wait", "0", RELEASE_SETTLE="1.5").finish()

    assert creation.finish() == (0, "")
    assert (run.code, run.states["ilion"]) in [(0, "not reached"), (0, "current")], run.text


def test_a_creation_that_fails_meanwhile_leaves_the_release_well(past: Project, begin, create, second_gate):
    slow_creation(past, "ilion", then="RAISE EXCEPTION 'on purpose';")
    creation = create(past, "ilion")
    second_gate.reached()
    release = begin(past, "--settle-wait", "30", RELEASE_LOG_LEVEL="debug", RELEASE_SETTLE="1.5")
    release.reach("schema.migrated", schema="piraeus")
    second_gate.open()
    run = release.finish()

    assert "on purpose" in creation.finish()[1]
    assert (run.code, run.states) == (0, {**OLD, "ilion": "skipped"}), run.text
    assert past.database.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'ilion'") == "0"


def test_a_creation_that_was_killed_is_finished_by_the_release(past: Project, begin, create, second_gate):
    slow_creation(past, "ilion")
    creation = create(past, "ilion")
    second_gate.reached()
    creation.close()
    second_gate.open()
    run = begin(past).finish()

    assert (run.code, run.states) == (0, {**OLD, "ilion": "migrated"}), run.text
    assert past.database.applied("ilion", "announcements") == past.database.applied("athena", "announcements")


def test_a_schema_at_a_level_of_its_own_that_nobody_works_on_is_migrated(past: Project, begin):
    past.manage("migrate_schemas", "buildings", "0004", "--schema", "kypseli", "-v", "0")
    run = begin(past).finish()

    assert (run.code, run.states) == (0, OLD)


def test_a_schema_at_a_level_of_its_own_that_is_only_read_is_migrated(past: Project, begin, session):
    past.manage("migrate_schemas", "buildings", "0004", "--schema", "kypseli", "-v", "0")
    session(past.database).run("BEGIN; SELECT count(*) FROM kypseli.django_migrations;")
    run = begin(past, "--settle-wait", "0.5", "--retry-for", "1").finish(30)

    assert (run.code, run.states["kypseli"]) == (0, "migrated")


def test_a_tenant_deleted_while_the_release_runs_is_no_failure(past: Project, begin, gate):
    past.migration("announcements", "0004_held", LAST, run_sql(only_in("athena", WAIT_AT_GATE)))
    release = begin(past)
    gate.reached()
    delete(past, "kypseli")
    gate.open()
    run = release.finish()

    assert (run.code, run.states) == (0, {**OLD, "kypseli": "skipped"}), run.text


def test_a_tenant_deleted_after_the_plan_is_no_failure(past: Project, begin, gate):
    past.migration("users", "0003_held", "0002_user_phone", run_sql(only_in("public", WAIT_AT_GATE)))
    release = begin(past)
    gate.reached()
    delete(past, "kypseli")
    gate.open()
    run = release.finish()

    assert (run.code, run.states) == (0, {**OLD, "kypseli": "skipped"}), run.text


def test_a_tenant_deleted_after_its_own_turn_is_no_finding(past: Project, begin, gate):
    past.migration("announcements", "0004_held", LAST, run_sql(only_in("piraeus", WAIT_AT_GATE)))
    release = begin(past)
    gate.reached()
    delete(past, "kypseli")
    gate.open()
    run = release.finish()

    assert (run.code, run.report["findings"]) == (0, []), run.text


def delete(project: Project, schema: str) -> None:
    """As django-tenants does it with auto_drop_schema: the schema, then the row."""
    project.database.sql(f'DROP SCHEMA "{schema}" CASCADE')
    client = f"(SELECT id FROM public.tenants_client WHERE schema_name = '{schema}')"
    project.database.sql(f"DELETE FROM public.tenants_domain WHERE tenant_id = {client}")
    project.database.sql(f"DELETE FROM public.tenants_client WHERE schema_name = '{schema}'")


@pytest.fixture
def late(current: Project) -> Project:
    """Nothing is pending; after the plan somebody adds the tenant `late`, an empty schema."""
    sql = (
        "CREATE SCHEMA late;"
        " INSERT INTO public.tenants_client (schema_name, name, created_at) VALUES ('late', 'Late', now())"
    )
    command = [str(bin_dir() / "psql"), "-q", "-d", current.url, "-c", sql]
    models = (current.folder / "tenants/models.py").read_text()
    manager = (
        "class SecondLook(models.Manager):\n"
        "    looks = 0\n\n"
        "    def get_queryset(self):\n"
        "        SecondLook.looks += 1\n"
        "        if SecondLook.looks == 2:\n"
        f"            subprocess.run({command!r}, check=True)\n"
        "        return super().get_queryset()\n\n\n"
    )
    client = "class Client(TenantMixin):\n"
    models = models.replace(client, f"{manager}{client}    objects = SecondLook()\n")
    current.write("tenants/models.py", f"import subprocess\n\n{models}")
    return current


def test_a_tenant_added_after_a_plan_without_work_is_migrated(late: Project, begin):
    run = begin(late).finish()

    assert run.report["pending"] == []
    assert (run.code, run.states["late"], run.states["athena"]) == (0, "migrated", "current"), run.text


def test_the_backup_runs_before_the_first_write_also_for_a_tenant_added_after_the_plan(late: Project, begin):
    late.write(
        "hooks.py",
        "import json, pathlib\n\nfrom django.db import connection\n\n\n"
        "def back_up(context):\n"
        "    with connection.cursor() as cursor:\n"
        "        cursor.execute(\"SELECT count(*) FROM pg_tables WHERE schemaname = 'late'\")\n"
        "        tables = cursor.fetchone()[0]\n"
        "    pathlib.Path('told.json').write_text(json.dumps([context.schemas, tables]))\n",
    )
    run = begin(late, RELEASE_BACKUP_HOOK="hooks.back_up").finish()

    assert run.code == 0, run.text
    assert json.loads((late.folder / "told.json").read_text()) == [["late"], 0]


def test_a_tenant_added_after_the_plan_is_not_migrated_when_its_backup_fails(late: Project, begin):
    run = begin(late, RELEASE_BACKUP_COMMAND="false").finish()

    assert (run.code, late.database.tables("late")) == (5, set())
