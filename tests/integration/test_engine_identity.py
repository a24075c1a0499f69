"""Whose schema, role and transaction a migration works with, whatever the project's own code does to them."""

import pytest

from tests.support.release import Project, Run

from .test_engine import TENANTS, change, more_tenants

LAST = 19
CODE = """
from django.db import connection, transaction
from django.db.migrations.operations.base import Operation


def run(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


def to_another_schema(apps, editor):
    connection.set_schema("piraeus" if connection.schema_name != "piraeus" else "athena")


def to_the_shared_schema(apps, editor):
    connection.set_schema_to_public()


def to_another_tenant(apps, editor):
    from tenants.models import Client

    Client.objects.exclude(schema_name=connection.schema_name).exclude(schema_name="public").first().activate()


def to_another_role(apps, editor):
    run("SET ROLE stranger")


def to_another_user(apps, editor):
    run("SET SESSION AUTHORIZATION stranger")


def to_another_path(apps, editor):
    run("SET search_path TO public")


def to_another_path_unseen(apps, editor):
    connection.connection.cursor().execute("SET search_path TO public")


def to_another_one_at_commit(apps, editor):
    def wander():
        to_another_schema(None, None)
        run("SET ROLE stranger; SET lock_timeout = 0")

    transaction.on_commit(wander)


class Wandering(Operation):
    def state_forwards(self, app_label, state):
        pass

    def database_forwards(self, app_label, editor, before, after):
        to_another_schema(None, editor)


def tell(apps, editor):
    run(
        "UPDATE buildings_building SET address = concat_ws(' ', current_schema(), current_user, session_user,"
        " current_setting('transaction_isolation'), current_setting('lock_timeout'))"
    )
"""
FIELD = "migrations.AddField('building', 'f{}', models.IntegerField(null=True))"
WRAPPED = "migrations.SeparateDatabaseAndState([migrations.RunPython(to_another_schema)], [])"
SETTINGS = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE; SET lock_timeout = 0"
STEPS = [
    f"migrations.RunPython(to_another_schema), {FIELD.format(7)}",
    "migrations.RunPython(to_the_shared_schema)",
    f"migrations.RunPython(to_another_tenant), {FIELD.format(9)}",
    f"migrations.RunPython(to_another_role), {FIELD.format(10)}",
    "migrations.RunPython(to_another_user)",
    "migrations.RunSQL('SET ROLE stranger')",
    f"migrations.RunPython(to_another_path), {FIELD.format(13)}",
    f"migrations.RunPython(to_another_path_unseen), {FIELD.format(14)}",
    f"{WRAPPED}, Wandering(), {FIELD.format(15)}",
    f"migrations.RunSQL({SETTINGS!r})",
    "migrations.RunSQL('CREATE TABLE made (id int)')",
    "migrations.RunPython(to_another_one_at_commit)",
    "migrations.RunPython(tell)",
]
ENGINES = [("compiled", "1"), ("compiled", "2"), ("stock", "1")]


@pytest.fixture
def _stranger(current: Project):
    """A role that owns nothing."""
    current.database.sql("DROP ROLE IF EXISTS stranger; CREATE ROLE stranger")
    yield
    current.database.sql("DROP OWNED BY stranger; DROP ROLE stranger")


def release(project: Project, engine: tuple[str, str]) -> Run:
    """Migrate with this engine and so many jobs."""
    name, jobs = engine
    return project.run("--no-collectstatic", "--engine", name, "--jobs", jobs)


@pytest.mark.parametrize("engine", ENGINES, ids=" ".join)
@pytest.mark.usefixtures("_stranger")
def test_what_code_leaves_on_another_schema_or_role_is_put_back(current, engine):
    change(current, *STEPS, extra=CODE)
    run = release(current, engine)
    again = release(current, engine)

    assert (run.code, again.code, set(again.states.values())) == (0, 0, {"current"}), run.text
    names = [f"{number:04}_step" for number in range(7, LAST + 1)]
    for schema in ("public", *TENANTS):
        assert current.database.applied(schema, "buildings")[-len(names) :] == names
    fields = current.database.lines(
        "SELECT table_schema, string_agg(column_name, ' ' ORDER BY ordinal_position)"
        " FROM information_schema.columns WHERE table_name = 'buildings_building'"
        " AND column_name ~ '^f[0-9]+$' GROUP BY 1 ORDER BY 1"
    )
    assert fields == [f"{schema}|f7 f9 f10 f13 f14 f15" for schema in sorted(TENANTS)]
    assert current.database.lines("SELECT DISTINCT tableowner FROM pg_tables WHERE tablename = 'made'") == [
        "postgres"
    ]
    told = current.database.lines(
        " UNION ".join(f"SELECT DISTINCT address FROM {schema}.buildings_building" for schema in TENANTS)
        + " ORDER BY 1"
    )
    assert told == [f"{schema} postgres postgres read committed 3s" for schema in sorted(TENANTS)]


LEAVING = """
from django.db import connection, transaction


def leave(apps, editor):
    what = connection.schema_name
    if what == "athena":
        connection.connection.cursor().execute("COMMIT")
    if what == "kypseli":
        connection.connection.cursor().execute("COMMIT; BEGIN")
    if what == "piraeus":
        try:
            connection.connection.cursor().execute("SELECT 1 / 0")
        except Exception:
            pass
    if what == "more_00":
        transaction.atomic().__enter__()
    if what == "more_01":
        connection.close()
        connection.connect()
    if what == "more_03":
        try:
            with transaction.atomic(savepoint=False):
                connection.cursor().execute("CREATE TABLE undone (id int)")
                raise LookupError
        except LookupError:
            pass
"""


@pytest.mark.parametrize("engine", ENGINES, ids=" ".join)
def test_a_transaction_that_code_leaves_otherwise_than_it_was_fails_that_schema_alone(current, engine):
    more_tenants(current, 4)
    change(current, "migrations.RunPython(leave)", FIELD.format(8), extra=LEAVING)
    run = release(current, engine)

    assert (run.code, run.states["more_02"]) == (7, "migrated"), run.text
    words = {
        "athena": "ended the migration's transaction",
        "kypseli": "ended its transaction",
        "piraeus": "left the transaction failed",
        "more_00": "left a transaction, or a savepoint, open",
        "more_01": "ended the migration's transaction",
        "more_03": "left the transaction to be rolled back",
    }
    for schema, text in words.items():
        outcome = run.outcome(schema)
        assert outcome["state"] == "failed"
        assert (outcome["failed_at"], outcome["attempts"]) == ("buildings.0007_step", 1)
        assert text in outcome["message"]
        assert "then run again" in outcome["hint"]
        assert "0007_step" not in current.database.applied(schema, "buildings")


UNDOING = """
from django.db import connection, transaction


def undo(apps, editor):
    connection.cursor().execute("CREATE TABLE undone (id int)")
    transaction.set_rollback(connection.schema_name == "athena")
"""


@pytest.mark.parametrize("engine", ENGINES, ids=" ".join)
def test_an_atomic_part_that_is_to_be_rolled_back_fails_a_migration_that_is_not_atomic(current, engine):
    change(current, "migrations.RunPython(undo, atomic=True)]\n    atomic = False\n    _ = [", extra=UNDOING)
    run = release(current, engine)

    assert (run.code, run.states["athena"], run.states["piraeus"]) == (7, "failed", "migrated"), run.text
    assert "left the transaction to be rolled back" in run.outcome("athena")["message"]
    assert "0007_step" not in current.database.applied("athena", "buildings")
    assert [name for name in TENANTS if "undone" in current.database.tables(name)] == ["kypseli", "piraeus"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_sql_that_ends_the_transaction_fails_and_is_not_recorded(current, jobs):
    change(
        current,
        "migrations.RunSQL('CREATE TABLE first (id int)'),"
        " migrations.RunSQL('COMMIT'), migrations.RunSQL('CREATE TABLE second (id int)')",
    )
    run = current.run("--no-collectstatic", "--tenants-only", RELEASE_JOBS=jobs)

    assert (run.code, run.states["athena"]) == (7, "failed")
    assert "ended the migration's transaction" in run.outcome("athena")["message"]
    assert "0007_step" not in current.database.applied("athena", "buildings")


RECEIVERS = """
from django.apps import AppConfig
from django.db import connection
from django.db.models.signals import post_migrate, pre_migrate
from django_tenants.signals import schema_migrated, schema_pre_migration


def wander(sender, **_):
    connection.set_schema("piraeus")
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE stranger")


def hear(sender, **_):
    pass


class BuildingsConfig(AppConfig):
    name = "buildings"

    def ready(self):
        for signal in (schema_pre_migration, schema_migrated):
            signal.connect(wander)
        for signal in (pre_migrate, post_migrate):
            signal.connect(wander, sender=self)
            MORE
"""


@pytest.mark.parametrize("engine", ENGINES, ids=" ".join)
@pytest.mark.usefixtures("_stranger")
def test_what_receivers_leave_on_another_schema_or_role_is_put_back(current, engine):
    current.write("buildings/apps.py", RECEIVERS.replace("MORE", "pass"))
    change(current, "migrations.CreateModel('Made', [('id', models.BigAutoField(primary_key=True))])")
    run = release(current, engine)

    assert run.code == 0, run.text
    where = "SELECT schemaname, tableowner FROM pg_tables WHERE tablename = 'buildings_made' ORDER BY 1"
    assert current.database.lines(where) == [f"{schema}|postgres" for schema in sorted(TENANTS)]
    for schema in TENANTS:
        kept = f"SELECT count(*) FROM {schema}.django_content_type WHERE model = 'made'"
        assert current.database.sql(kept) == "1"


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.usefixtures("_stranger")
def test_a_receiver_that_may_have_misled_another_one_fails_the_schema(current, jobs):
    current.write("buildings/apps.py", RECEIVERS.replace("MORE", "signal.connect(hear, sender=self)"))
    change(current, "migrations.RunSQL('SELECT 1')")
    run = current.run("--no-collectstatic", "--tenants-only", RELEASE_JOBS=jobs)

    assert (run.code, run.states["piraeus"]) == (7, "migrated")
    assert (
        "a receiver of pre_migrate left the connection in the schema piraeus"
        in run.outcome("athena")["message"]
    )


ISOLATED = """
from django.db.backends.postgresql.psycopg_any import IsolationLevel
DATABASES["default"]["OPTIONS"]["isolation_level"] = IsolationLevel.REPEATABLE_READ
"""


@pytest.mark.parametrize("engine", ENGINES, ids=" ".join)
def test_migrations_run_with_the_isolation_level_of_the_settings(current, engine):
    current.settings(ISOLATED)
    change(current, "migrations.RunPython(tell)", extra=CODE)
    assert release(current, engine).code == 0

    told = current.database.lines("SELECT DISTINCT address FROM athena.buildings_building")
    assert told == ["athena postgres postgres repeatable read 3s"]
