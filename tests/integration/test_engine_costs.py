"""What a migration costs a tenant: round trips, transactions; and what is done once for all of them."""

import pytest

from tests.support.trips import asks, counting_proxy

from .test_engine import change, more_tenants

SILENT = {
    "CreateModel": "migrations.CreateModel('Lift', [('id', models.BigAutoField(primary_key=True)),"
    " ('building', models.ForeignKey('buildings.building', models.CASCADE, db_index=True))])",
    "AddField": "migrations.AddField('building', 'floors', models.IntegerField(default=1))",
    "AddField with a one-off default": "migrations.AddField('building', 'floors',"
    " models.IntegerField(default=1, db_index=True), preserve_default=False)",
    "AddField of a foreign key": "migrations.AddField('building', 'owner',"
    " models.ForeignKey('users.user', models.CASCADE, null=True))",
    "AddIndex": "migrations.AddIndex('building', models.Index(fields=['name'], name='by_name'))",
    "RenameModel": "migrations.RenameModel('buildingmembership', 'membership')",
    "RunSQL": "migrations.RunSQL(['SELECT 1', ('SELECT %s', ['two'])]),"
    " migrations.RunSQL('SELECT 3; SELECT 4;')",
}
ASKING = {
    "AlterField": "migrations.AlterField('building', 'slug', models.CharField(max_length=90))",
    "RemoveField": "migrations.RemoveField('buildingmembership', 'user')",
    "AlterUniqueTogether": "migrations.AlterUniqueTogether('building', {('name', 'slug')}),"
    " migrations.AlterUniqueTogether('building', set())",
    "AlterField of a key": "migrations.AlterField('building', 'id', models.AutoField(primary_key=True))",
}


@pytest.fixture
def trips(current):
    """What is asked of the server in one tenant's turn, trip by trip."""

    def ask(*operations):
        change(current, *operations)
        with counting_proxy(current.database.url) as proxy:
            run = current.run("--no-collectstatic", DATABASE_URL=proxy.url)
        assert run.code == 0, run.text
        return proxy.of_schema("kypseli", "piraeus")

    return ask


@pytest.mark.parametrize("operation", SILENT)
def test_what_asks_the_database_nothing_takes_three_round_trips_at_most(trips, operation):
    asked = trips(SILENT[operation])

    assert 1 <= len(asked) <= 3, asked


@pytest.mark.parametrize("operation", ASKING)
def test_what_asks_the_database_takes_one_more_round_trip_for_each_answer(trips, operation):
    asked = trips(ASKING[operation])

    assert len(asked) <= 3 + sum(map(asks, asked)), asked


def test_ten_migrations_take_ten_round_trips_more(trips):
    asked = trips(*["migrations.RunSQL('SELECT 1')"] * 11)

    assert len(asked) <= 13, asked


CODE = """
def code(apps, editor):
    building = apps.get_model("buildings", "building").objects
    building.create(name="Tower", slug="tower")
    building.filter(slug="tower").update(name="Keep")
    for one in building.iterator():
        one.save()
    {more}
"""


@pytest.mark.parametrize(
    ("more", "connections"), [("building.all().delete()", 1), ("editor.execute('SET own.value = 1')", 3)]
)
def test_code_that_only_reads_and_writes_rows_leaves_the_connection_to_the_next_tenant(
    current, more, connections
):
    change(current, "migrations.RunPython(code)", extra=CODE.format(more=more))
    with counting_proxy(current.database.url) as proxy:
        run = current.run("--no-collectstatic", "--tenants-only", DATABASE_URL=proxy.url)

    assert run.code == 0, run.text
    assert proxy.migrating == connections


# What is done once.

NOTING = """
from pathlib import Path

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db.migrations.state import StateApps

NOTED = Path(__file__).with_name("noted.txt")
render = StateApps.__init__


def note(what):
    with NOTED.open("a") as file:
        print(what, file=file)


def check(app_configs, **_):
    note("check")
    return []


def database_check(app_configs, **_):
    note("database check")
    return []


def rendered(apps, *arguments, **named):
    note("rendered")
    render(apps, *arguments, **named)


class BuildingsConfig(AppConfig):
    name = "buildings"

    def ready(self):
        register(check)
        register(database_check, Tags.database)
        StateApps.__init__ = rendered
"""


@pytest.fixture
def noted(current):
    """Runs a release; what was checked and rendered in it, in all its processes."""
    current.write("buildings/apps.py", NOTING)
    path = current.folder / "buildings" / "noted.txt"

    def release(*words, **environ):
        path.unlink(missing_ok=True)
        run = current.run("--no-collectstatic", *words, **environ)
        assert run.code == 0, run.text
        return path.read_text().splitlines()

    return release


def test_a_release_with_nothing_to_do_renders_no_model(noted):
    assert "rendered" not in noted()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_system_checks_run_once_however_many_schemas_are_migrated(current, noted, jobs):
    change(current, "migrations.RunSQL('SELECT 1')")

    found = noted(RELEASE_JOBS=jobs)
    assert (found.count("check"), found.count("database check")) == (1, 1)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_models_are_rendered_for_all_tenants_at_once(current, noted, jobs):
    both = "migrations.AddField('building', '{}', models.IntegerField(null=True)), {}"
    python = "migrations.RunPython(migrations.RunPython.noop)"
    change(current, both.format("floors", python))
    for_three = noted(RELEASE_JOBS=jobs)
    more_tenants(current, 5)
    current.migration("buildings", "0008_step", "0007_step", both.format("lifts", python))
    for_eight = noted(RELEASE_JOBS=jobs)

    assert for_three.count("rendered") == for_eight.count("rendered") > 0


def test_what_the_shared_schema_and_the_tenants_have_in_common_is_rendered_once(current, noted):
    """They are at the same level."""
    change(current, "migrations.AddField('building', 'floors', models.IntegerField(null=True))")
    for_all = noted()
    current.migration(
        "buildings",
        "0008_step",
        "0007_step",
        "migrations.AddField('building', 'lifts', models.IntegerField(null=True))",
    )
    for_tenants = noted("--tenants-only")

    assert for_all.count("rendered") == for_tenants.count("rendered") > 0


def test_what_is_prepared_is_said_before_and_each_level_is_prepared_once(current):
    """The tenants at the level of the shared schema need nothing more."""
    change(current, *["migrations.RunSQL('SELECT 1')"] * 3)
    current.database.sql(
        "INSERT INTO piraeus.django_migrations (app, name, applied) VALUES ('buildings', '0007_step', now())"
    )
    said = [one["message"] for one in current.run("--no-collectstatic").named("plans.begun")]

    assert said == [
        "preparing 3 migrations for 1 schema",
        "preparing 2 migrations for 3 schemas, in 2 groups that lack different ones",
    ]
