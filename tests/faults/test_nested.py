"""Migrations that migrate something themselves, and others who do so beside a release."""

import pytest

from tests.conftest import TENANTS
from tests.support.release import Project
from tests.support.running import only_in, run_sql

FIELD = "migrations.AddField('building', 'f{}', models.IntegerField(null=True))"
CODE = """
from django.core.management import call_command
from django.db import connection


def nested(apps, editor):
    from tenants.models import Client

    if connection.schema_name == "athena":
        connection.set_schema_to_public()
        Client(schema_name="born", name="Born").save(verbosity=0)
        call_command("migrate_schemas", schema_name="piraeus", tenant=True, verbosity=0)
"""
RUNS = [("compiled", "1"), ("compiled", "2"), ("stock", "1")]


@pytest.mark.parametrize("engine", RUNS, ids=" ".join)
def test_what_a_migration_migrates_itself_is_done_where_it_was_meant(current: Project, engine):
    current.migration(
        "buildings",
        "0007_nested",
        "0006_fill_slugs",
        f"migrations.RunPython(nested), {FIELD.format(7)}",
        CODE,
    )
    current.migration("buildings", "0008_field", "0007_nested", FIELD.format(8))
    name, jobs = engine
    run = current.run("--no-collectstatic", "--engine", name, "--jobs", jobs)
    again = current.run("--no-collectstatic")

    assert (run.code, again.code, set(again.states.values())) == (0, 0, {"current"}), run.text
    assert again.report["findings"] == []
    for schema in (*TENANTS, "born"):
        assert current.database.applied(schema, "buildings")[-2:] == ["0007_nested", "0008_field"]
        columns = current.database.lines(
            "SELECT column_name FROM information_schema.columns WHERE column_name ~ '^f[0-9]$'"
            f" AND table_name = 'buildings_building' AND table_schema = '{schema}' ORDER BY 1"
        )
        assert columns == ["f7", "f8"]


@pytest.mark.parametrize("engine", RUNS, ids=" ".join)
def test_a_migration_that_somebody_else_has_applied_meanwhile_is_no_failure(current: Project, engine):
    """As a migrate_schemas of the application does, between the plan and the schema's turn."""
    other = (
        "ALTER TABLE piraeus.buildings_building ADD COLUMN f8 integer; INSERT INTO piraeus.django_migrations"
        " (app, name, applied) VALUES ('buildings', '0007_first', now()), ('buildings', '0008_field', now());"
    )
    waits = (
        "WHILE NOT EXISTS (SELECT FROM piraeus.django_migrations WHERE name = '0008_field')"
        " LOOP PERFORM pg_sleep(0.05); END LOOP;"
    )
    first = f"{run_sql(only_in('athena', other))}, {run_sql(only_in('piraeus', waits))}"
    current.migration("buildings", "0007_first", "0006_fill_slugs", first)
    current.migration("buildings", "0008_field", "0007_first", FIELD.format(8))
    name, jobs = engine
    run = current.run("--no-collectstatic", "--engine", name, "--jobs", jobs)

    assert (run.code, run.states["piraeus"]) == (0, "migrated"), run.text
    assert set(current.run("--no-collectstatic").states.values()) == {"current"}
