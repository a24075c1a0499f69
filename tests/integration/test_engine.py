"""What all tenants share when they are migrated together, and what must never pass from one to another."""

import pytest

from tests.support.release import Database, Project
from tests.support.running import run_sql
from tests.support.schemas import copy_tenant, everything

pytestmark = [pytest.mark.versions, pytest.mark.server]

LAST = "0006_fill_slugs"
TENANTS = ("athena", "kypseli", "piraeus")

# A migration shows what it saw by writing it into the buildings' addresses.
KEEPS = (
    "def keep(apps, value):\n    apps.get_model('buildings', 'Building').objects.update(address=value)\n\n\n"
)


def change(project: Project, *operations: str, extra: str = "") -> None:
    """New migrations of buildings, one for each of the operations: 0007_step and so on."""
    after = LAST
    for number, operation in enumerate(operations, 7):
        name = f"{number:04}_step"
        project.migration("buildings", name, after, operation, extra)
        after = name


def more_tenants(project: Project, number: int) -> list[str]:
    """Copies of athena."""
    names = [f"more_{index:02}" for index in range(number)]
    copy_tenant(project.database, "athena", *names)
    return names


def addresses(database: Database, schema: str) -> list[str]:
    """What a migration has put into the buildings' addresses."""
    return database.lines(f"SELECT DISTINCT address FROM {schema}.buildings_building")


def types(database: Database, table: str, column: str) -> list[str]:
    """The types of a column in all schemas that have it."""
    return database.lines(
        "SELECT data_type || ' default ' || coalesce(column_default, 'none') FROM information_schema.columns"
        f" WHERE table_name = '{table}' AND column_name = '{column}'"
    )


def left_behind(database: Database, *schemas: str) -> tuple[str, list[list[str]]]:
    """The definitions in some schemas, and the migrations that are recorded there."""
    return everything(database, *schemas)[0], [database.applied(schema, "buildings") for schema in schemas]


# States and fields, which all tenants share.

# Never in step with the others that are at the same operation.
SLOWLY = (
    "import itertools\nimport time\n\ncalls = itertools.count()\n\n\n"
    "def slowly():\n    time.sleep(0.004 * (next(calls) % 5))\n    return 1"
)


def test_a_one_off_default_stays_in_no_column_of_tenants_migrated_at_the_same_time(current):
    more_tenants(current, 9)
    field = "models.IntegerField(default=slowly)"
    change(
        current,
        f"migrations.AddField('building', 'floors', {field}, preserve_default=False)",
        "migrations.AddField('building', 'lifts', models.IntegerField(null=True))",
        f"migrations.AlterField('building', 'lifts', {field}, preserve_default=False)",
        extra=SLOWLY,
    )
    run = current.run("--no-collectstatic", RELEASE_JOBS="2")

    assert run.code == 0, run.text
    for column in ("floors", "lifts"):
        assert types(current.database, "buildings_building", column) == ["integer default none"] * 12


MIDDLE = {
    "AddField": "ALTER TABLE athena.buildings_building ADD COLUMN floors integer",
    "AlterField": "CREATE RULE refuse AS ON UPDATE TO athena.buildings_building DO ALSO SELECT 1 / 0",
}


@pytest.mark.parametrize("operation", MIDDLE)
def test_a_tenant_that_fails_in_the_middle_changes_nothing_for_the_others(
    current, new_database, current_template, operation
):
    change(
        current,
        "migrations.AddField('building', 'floors', models.IntegerField(default=1), preserve_default=False)",
        "migrations.AddField('building', 'lifts', models.IntegerField(null=True))",
        "migrations.AlterField('building', 'lifts', models.IntegerField(default=7), preserve_default=False)",
        "migrations.AlterField('building', 'lifts', models.BigIntegerField(db_index=True))",
    )
    well = current.run("--no-collectstatic")
    expected = left_behind(current.database, "kypseli", "piraeus")
    current.database = new_database(current_template)
    current.database.sql(MIDDLE[operation])
    run = current.run("--no-collectstatic")

    assert (well.code, run.code, run.states["athena"]) == (0, 7, "failed"), run.text
    assert left_behind(current.database, "kypseli", "piraeus") == expected


def test_the_content_types_that_a_migration_looks_up_are_each_tenants_own(current):
    for number, schema in enumerate(TENANTS, 1):
        current.database.sql(f"UPDATE {schema}.django_content_type SET id = id + {number} * 1000")
    looks_up = (
        "def forwards(apps, schema_editor):\n"
        "    building = apps.get_model('buildings', 'Building')\n"
        "    types = apps.get_model('contenttypes', 'ContentType').objects\n"
        "    keep(apps, types.get_for_model(building).id)\n"
    )
    change(current, "migrations.RunPython(forwards)", extra=KEEPS + looks_up)
    current.run("--no-collectstatic")

    where = "app_label = 'buildings' AND model = 'building'"
    for schema in TENANTS:
        ids = current.database.lines(f"SELECT id FROM {schema}.django_content_type WHERE {where}")
        assert addresses(current.database, schema) == ids


RECEIVING = """
from django.apps import AppConfig
from django.db import connection
from django.db.models.signals import post_migrate


def keep(sender, apps, **_):
    if connection.schema_name != "public":
        building = apps.get_model("buildings", "Building")
        found = apps.get_model("contenttypes", "ContentType").objects.get_for_model(building)
        building.objects.update(address=found.pk)


class BuildingsConfig(AppConfig):
    name = "buildings"

    def ready(self):
        post_migrate.connect(keep, sender=self)
"""


def test_the_content_types_that_a_receiver_looks_up_are_each_tenants_own(current):
    for number, schema in enumerate(TENANTS, 1):
        current.database.sql(f"UPDATE {schema}.django_content_type SET id = id + {number} * 1000")
    current.write("buildings/apps.py", RECEIVING)
    change(current, "migrations.AddField('building', 'floors', models.IntegerField(null=True))")
    run = current.run("--no-collectstatic")

    assert run.code == 0, run.text
    where = "app_label = 'buildings' AND model = 'building'"
    for schema in TENANTS:
        ids = current.database.lines(f"SELECT id FROM {schema}.django_content_type WHERE {where}")
        assert addresses(current.database, schema) == ids


def test_a_field_that_others_refer_to_by_name_can_be_renamed(current):
    coded = "('code', models.CharField(max_length=9, unique=True))"
    link = "models.ForeignKey('buildings.Lift', models.CASCADE, to_field='code')"
    change(
        current,
        f"migrations.CreateModel('Lift', [('id', models.AutoField(primary_key=True)), {coded}]),"
        f" migrations.CreateModel('Stop', [('id', models.AutoField(primary_key=True)), ('lift', {link})])",
        "migrations.RenameField('lift', 'code', 'sign')",
    )
    run = current.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert types(current.database, "buildings_lift", "sign") == ["character varying default none"] * 3


def test_a_renamed_model_keeps_its_content_type_in_every_tenant(current):
    ask = "SELECT id || ' ' || model FROM {}.django_content_type WHERE app_label = 'buildings' ORDER BY id"
    before = [current.database.sql(ask.format(schema)) for schema in TENANTS]
    change(current, "migrations.RenameModel('BuildingMembership', 'Resident')")
    run = current.run("--no-collectstatic")

    assert run.code == 0, run.text
    after = [current.database.sql(ask.format(schema)) for schema in TENANTS]
    assert after == [one.replace("buildingmembership", "resident") for one in before]


def test_a_renamed_model_costs_every_tenant_the_same_statements(current):
    change(current, "migrations.RenameModel('BuildingMembership', 'Resident')")
    run = current.run("--no-collectstatic")

    counted = [run.outcome(schema)["statements"] for schema in TENANTS]
    assert counted[0] > 0
    assert counted == [counted[0]] * 3


def test_a_migration_gets_the_same_models_in_every_tenant_that_a_process_migrates(current):
    sees = (
        "seen = []\n\n\n"
        "def forwards(apps, schema_editor):\n"
        "    seen.append((apps, apps.get_model('buildings', 'Building')))\n"
        "    keep(apps, len({(id(one), id(model)) for one, model in seen}))\n"
    )
    change(
        current,
        "migrations.AddField('buildingmembership', 'since', models.DateField(null=True))",
        "migrations.RunPython(forwards)",
        extra=KEEPS + sees,
    )
    current.run("--no-collectstatic")

    assert [addresses(current.database, schema) for schema in TENANTS] == [["1"]] * 3


def test_a_one_off_default_that_is_called_is_called_for_every_tenant(current):
    field = "models.UUIDField(default=uuid.uuid4)"
    add = f"migrations.AddField('building', 'token', {field}, preserve_default=False)"
    change(current, add, extra="import uuid")
    current.run("--no-collectstatic")

    tokens = {
        current.database.sql(f"SELECT DISTINCT token FROM {schema}.buildings_building") for schema in TENANTS
    }
    assert len(tokens) == 3


AFTERWARDS = {
    "AlterField": "migrations.AlterField('building', 'id', models.AutoField(primary_key=True))",
    "RenameModel": "migrations.RenameModel('Building', 'House')",
    "RunPython": "migrations.RunPython("
    "lambda apps, _: apps.get_model('buildings', 'Building').objects.all().delete())",
}


@pytest.mark.parametrize("operation", AFTERWARDS)
def test_a_deleted_model_is_forgotten_by_the_model_that_it_pointed_to(current, operation):
    change(current, "migrations.DeleteModel('BuildingMembership')", AFTERWARDS[operation])
    run = current.run("--no-collectstatic")

    assert run.code == 0, run.text


# Transactions.


@pytest.mark.parametrize("also", ["", "migrations.RunPython(migrations.RunPython.noop),"])
def test_tables_foreign_keys_indexes_and_the_record_are_one_transaction(current, also):
    change(
        current,
        f"{also} migrations.CreateModel('Lift', [('id', models.BigAutoField(primary_key=True)),"
        " ('building', models.ForeignKey('buildings.building', models.CASCADE))])",
    )
    run = current.run("--no-collectstatic")

    assert run.code == 0, run.text
    transactions = current.database.lines(
        "SELECT xmin FROM pg_class"
        " WHERE relname LIKE 'buildings_lift%' AND relnamespace = 'athena'::regnamespace"
        " UNION ALL SELECT xmin FROM pg_constraint WHERE conrelid = 'athena.buildings_lift'::regclass"
        " UNION ALL SELECT xmin FROM athena.django_migrations WHERE name = '0007_step'"
    )
    assert (len(transactions) >= 6, len(set(transactions))) == (True, 1)


def test_what_does_nothing_in_a_tenant_is_recorded_in_the_next_transaction(current):
    current.migration("users", "0003_nothing_here", "0002_user_phone", run_sql("SELECT 1"))
    change(
        current,
        f"{run_sql('SELECT 1')}]; dependencies = [('buildings', '{LAST}'), ('users', '0003_nothing_here')",
    )
    run = current.run("--no-collectstatic")

    assert run.outcome("kypseli")["applied"] == ["users.0003_nothing_here", "buildings.0007_step"]
    where = "name IN ('0003_nothing_here', '0007_step')"
    records = current.database.lines(f"SELECT xmin FROM kypseli.django_migrations WHERE {where}")
    assert (len(records), len(set(records))) == (2, 1)


def test_a_migration_that_fails_at_its_last_statement_leaves_nothing(current):
    before = everything(current.database)
    change(
        current,
        "migrations.CreateModel('Lift', [('id', models.BigAutoField(primary_key=True))]),"
        "migrations.RunSQL('SELECT 1 / 0')",
    )
    current.run("--no-collectstatic", "--tenants-only")

    assert everything(current.database) == before


# Tables that all tenants point to.


def test_foreign_keys_to_a_shared_table_are_made_in_many_tenants_at_once(current):
    names = [*TENANTS, *more_tenants(current, 5)]
    current.database.sql("CREATE SEQUENCE public.arrivals")
    # The first two hold what the other needs, so the server has to end one of them.
    meet = (
        "LOCK TABLE public.users_user IN ROW EXCLUSIVE MODE;"
        " IF nextval('public.arrivals') <= 2 THEN FOR wait IN 1..1000 LOOP"
        " PERFORM pg_sleep(0.01); EXIT WHEN (SELECT last_value FROM public.arrivals) >= 2;"
        " END LOOP; END IF;"
    )
    owner = "models.ForeignKey('users.user', models.CASCADE, null=True)"
    change(
        current,
        f"{run_sql(f'DO $do$ BEGIN {meet} END $do$')}, migrations.AddField('building', 'owner', {owner})",
    )
    run = current.run("--no-collectstatic", RELEASE_JOBS="2")

    assert run.code == 0, run.text
    assert sum(run.outcome(name)["attempts"] for name in names) > len(names)
    target = "confrelid = 'public.users_user'::regclass AND conname LIKE 'buildings_building_owner%'"
    assert current.database.sql(f"SELECT count(*) FROM pg_constraint WHERE {target}") == "8"
