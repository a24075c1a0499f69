"""Which tables are expected in which schema, and what is said of those that are not there."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.release import Project, Run
from tests.support.schemas import copy_tenant
from tests.support.unwell import borrowed

pytestmark = pytest.mark.xdist_group("verification")  # what can be taken away side by side is looked at once

TENANTS = ("athena", "kypseli", "piraeus")
MEMBERSHIP = "buildings_buildingmembership"
GREEK = "buildings_" + "ΒιβλίοΚοινοχρήστωνΤηςΠολυκατοικίας"  # 44 characters, 78 bytes


def drop(project: Project, table: str, schema: str = "athena") -> None:
    """Take a table away."""
    project.database.sql(f"DROP TABLE {schema}.{table} CASCADE")


def judged(run: Run) -> list[tuple[str, str, str, str]]:
    """Id, severity, schema and object of every finding."""
    return [(f["id"], f["severity"], f["schema"], f["object"]) for f in run.report["findings"]]


def configure(project: Project, **options: object) -> None:
    """Set RAILWAY_RELEASE."""
    project.settings(f"RAILWAY_RELEASE = {options!r}")


def add_model(project: Project, app: str, after: str, name: str, options: str = "{}") -> None:
    """A migration that creates a model with nothing but a key."""
    project.migration(
        app,
        f"{int(after[:4]) + 1:04}_{name.lower()[:20]}",
        after,
        f"migrations.CreateModel({name!r}, [('id', models.BigAutoField(primary_key=True))], {options})",
    )


ANSWERING = {
    "view": "CREATE VIEW {} AS SELECT 1 AS id",
    "materialized_view": "CREATE MATERIALIZED VIEW {} AS SELECT 1 AS id",
    "partitioned_table": "CREATE TABLE {} (id bigint) PARTITION BY RANGE (id)",
    "foreign_table": (
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
        " CREATE FOREIGN TABLE {} (id bigint) SERVER s"
    ),
}
SILENT = {"sequence": "CREATE SEQUENCE {}", "composite_type": "CREATE TYPE {} AS (id bigint)"}
AUDIENCE = "announcements_announcement_audience"
# What is done to a tenant each.
TAKEN = {
    "dropped": f"DROP TABLE dropped.{MEMBERSHIP}",
    "joining": f"DROP TABLE joining.{AUDIENCE}",
    "elsewhere": f"CREATE SCHEMA other; ALTER TABLE elsewhere.{MEMBERSHIP} SET SCHEMA other",
    "in_capitals": f'ALTER TABLE in_capitals.{MEMBERSHIP} RENAME TO "{MEMBERSHIP.upper()}"',
    **{
        name: f"DROP TABLE {name}.{MEMBERSHIP}; {sql.format(f'{name}.{MEMBERSHIP}')}"
        for name, sql in (ANSWERING | SILENT).items()
    },
}
Found = Callable[[str], list[tuple[str, str, str]]]


@pytest.fixture(scope="module")
def taken(server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """All of it, and what is taken from the shared schema."""
    with borrowed(server, current_template, tmp_path_factory.mktemp("taken")) as project:
        copy_tenant(project.database, "athena", *TAKEN)
        project.database.sql(";".join(TAKEN.values()))
        drop(project, "users_user", "public")
        drop(project, "users_user_groups", "public")
        yield project.run("verify")


@pytest.fixture(scope="module")
def found(taken: Run) -> Found:
    """Id, severity and object of the findings in a schema."""
    assert taken.code == 8, taken.text
    return lambda schema: [(id, severity, name) for id, severity, of, name in judged(taken) if of == schema]


# What is expected.


def test_all_is_well_after_a_release_and_no_table_of_a_swapped_model_is_expected(current: Project) -> None:
    run = current.run("verify")

    assert (run.code, judged(run)) == (0, [])
    assert "auth_user" not in current.database.tables("public")


def test_tables_of_migrations_still_to_come_are_not_expected(past: Project) -> None:
    run = past.run("verify")

    assert AUDIENCE not in past.database.tables("athena")
    assert (run.code, judged(run)) == (0, [])


def test_a_missing_table_of_an_applied_migration_is_a_ghost(found: Found) -> None:
    assert found("dropped") == [("table.ghost", "error", MEMBERSHIP)]


def test_a_finding_has_a_hint(taken: Run) -> None:
    (finding,) = [one for one in taken.report["findings"] if one["schema"] == "dropped"]

    assert "recorded as applied" in finding["hint"]


def test_tenants_from_which_nothing_was_taken_are_well(found: Found) -> None:
    assert [found(name) for name in TENANTS] == [[]] * 3


def test_a_missing_table_that_the_shared_schema_has_is_masked(current: Project) -> None:
    current.database.sql(f"ALTER TABLE athena.{MEMBERSHIP} SET SCHEMA public")
    run = current.run("verify")

    assert (run.code, judged(run)) == (8, [("table.masked", "error", "athena", MEMBERSHIP)])


def test_a_missing_table_of_the_shared_schema_is_a_ghost_there(found: Found) -> None:
    assert ("table.ghost", "error", "users_user") in found("public")


def test_a_missing_automatic_many_to_many_table_is_found(found: Found) -> None:
    assert found("joining") == [("table.ghost", "error", AUDIENCE)]


def test_the_automatic_many_to_many_tables_of_an_abstract_base_are_expected(found: Found) -> None:
    assert ("table.ghost", "error", "users_user_groups") in found("public")
    assert len(found("public")) == 2


def test_a_table_in_another_schema_does_not_count(found: Found) -> None:
    assert found("elsewhere") == [("table.ghost", "error", MEMBERSHIP)]


@pytest.mark.parametrize("schema", ANSWERING)
def test_whatever_answers_queries_counts_as_the_table(found: Found, schema: str) -> None:
    of_tables = [one for one in found(schema) if one[0].startswith("table.")]

    assert of_tables == [("table.kind", "error", MEMBERSHIP)]


@pytest.mark.parametrize("schema", SILENT)
def test_what_answers_no_queries_does_not_count(found: Found, schema: str) -> None:
    assert ("table.ghost", "error", MEMBERSHIP) in found(schema)


def test_a_table_name_that_differs_in_case_does_not_count(found: Found) -> None:
    assert ("table.ghost", "error", MEMBERSHIP) in found("in_capitals")


def test_models_without_a_table_of_their_own_expect_none(current: Project) -> None:
    key = "fields=[('id', models.BigAutoField(primary_key=True))]"
    proxy = "fields=[], options={'proxy': True, 'indexes': []}, bases=('buildings.building',)"
    current.migration(
        "buildings",
        "0007_more",
        "0006_fill_slugs",
        f"migrations.CreateModel(name='Tower', {key}, options={{'managed': False}}),"
        f" migrations.CreateModel(name='House', {proxy})",
    )
    run = current.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert judged(run) == []


def test_a_table_with_a_name_of_its_own_is_expected_under_that_name(current: Project) -> None:
    add_model(current, "buildings", "0006_fill_slugs", "Lift", "{'db_table': 'Lifts of 2026'}")
    assert current.run("--no-collectstatic").code == 0
    drop(current, '"Lifts of 2026"', "kypseli")

    assert judged(current.run("verify")) == [("table.ghost", "error", "kypseli", "Lifts of 2026")]


def test_a_deleted_model_is_no_longer_expected(current: Project) -> None:
    current.migration(
        "buildings", "0007_away", "0006_fill_slugs", "migrations.DeleteModel('BuildingMembership')"
    )
    run = current.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert MEMBERSHIP not in current.database.tables("athena")


def test_a_renamed_model_is_expected_under_its_new_name(current: Project) -> None:
    rename = "migrations.RenameModel('BuildingMembership', 'Membership')"
    current.migration("buildings", "0007_rename", "0006_fill_slugs", rename)
    assert current.run("--no-collectstatic").code == 0
    drop(current, "buildings_membership")

    assert judged(current.run("verify")) == [("table.ghost", "error", "athena", "buildings_membership")]


def test_a_table_that_lives_in_a_named_schema_is_looked_for_there(current: Project) -> None:
    current.database.sql("CREATE SCHEMA accounts")
    add_model(current, "users", "0002_user_phone", "Ledger", "{'db_table': '\"accounts\".\"ledger\"'}")
    run = current.run("--no-collectstatic")
    assert (run.code, judged(run)) == (0, []), run.text

    drop(current, "ledger", "accounts")
    assert judged(current.run("verify")) == [("table.ghost", "error", "public", "accounts.ledger")]


def test_a_table_name_is_compared_by_the_bytes_that_postgresql_keeps(current: Project) -> None:
    """Whether they end with a whole character or with half of one."""
    add_model(current, "buildings", "0006_fill_slugs", "Book", f"{{'db_table': {GREEK!r}}}")
    add_model(current, "buildings", "0007_book", "Other", f"{{'db_table': {'x' + GREEK!r}}}")
    run = current.run("--no-collectstatic")

    assert (run.code, judged(run)) == (0, []), run.text
    assert current.database.tables("athena").isdisjoint({GREEK, "x" + GREEK})


def test_apps_without_migrations_are_a_warning(current: Project) -> None:
    current.write("notes/__init__.py", "")
    current.write(
        "notes/models.py", "from django.db import models\n\n\nclass Note(models.Model):\n    pass\n"
    )
    current.settings("TENANT_APPS = [*TENANT_APPS, 'notes']\nINSTALLED_APPS = [*INSTALLED_APPS, 'notes']")
    run = current.run("verify")

    assert run.code == 0, run.text
    found = [one for one in judged(run) if one[0] == "app.unmigrated"]
    assert found == [("app.unmigrated", "warning", name, "notes_note") for name in TENANTS]


def test_an_app_moved_to_the_tenants_is_masked_in_all_of_them(current: Project) -> None:
    current.settings(
        "SHARED_APPS = [app for app in SHARED_APPS if app != 'django.contrib.sessions']\n"
        "TENANT_APPS = [*TENANT_APPS, 'django.contrib.sessions']"
    )
    run = current.run("verify")

    assert run.code == 8, run.text
    assert judged(run) == [("table.masked", "error", name, "django_session") for name in TENANTS]


def test_nothing_is_expected_in_a_schema_without_records(current: Project) -> None:
    current.database.sql(
        "CREATE SCHEMA plaka; INSERT INTO public.tenants_client VALUES (99, 'plaka', 'P', now())"
    )
    run = current.run("verify")

    assert (run.code, judged(run)) == (0, [])


# The user's own list.


def test_tables_of_the_settings_list_are_expected_too(current: Project) -> None:
    configure(current, EXPECTED_TABLES={"shared": ["legacy_rates"], "tenant": ["legacy_notes"]})
    run = current.run("verify")

    assert run.code == 8
    assert judged(run) == [
        ("table.missing", "error", "public", "legacy_rates"),
        *(("table.missing", "error", name, "legacy_notes") for name in TENANTS),
    ]


def test_tables_of_the_settings_list_that_are_there_are_no_finding(current: Project) -> None:
    configure(current, EXPECTED_TABLES={"tenant": ["legacy_notes"]})
    for name in TENANTS:
        current.database.sql(f"CREATE TABLE {name}.legacy_notes ()")

    assert judged(current.run("verify")) == []


def test_a_listed_table_can_name_its_schema(current: Project) -> None:
    configure(current, EXPECTED_TABLES={"shared": ["accounts.ledger"]})
    assert judged(current.run("verify")) == [("table.missing", "error", "public", "accounts.ledger")]

    current.database.sql("CREATE SCHEMA accounts; CREATE TABLE accounts.ledger ()")
    assert judged(current.run("verify")) == []


def test_a_listed_column_is_looked_for(current: Project) -> None:
    everywhere, of_athena = f"{MEMBERSHIP}.salutation", f"athena.{MEMBERSHIP}.salutation"
    configure(current, EXPECTED_TABLES={"tenant": [everywhere, of_athena, f"{MEMBERSHIP}.role"]})
    current.database.sql(
        "".join(f"ALTER TABLE {other}.{MEMBERSHIP} ADD salutation text;" for other in ("kypseli", "piraeus"))
    )
    found = [one for one in judged(current.run("verify")) if one[0] == "table.missing"]

    assert sorted(found) == sorted(
        [
            ("table.missing", "error", "athena", everywhere),
            *(("table.missing", "error", name, of_athena) for name in TENANTS),
        ]
    )


def test_tables_can_be_listed_in_the_environment(current: Project) -> None:
    run = current.run("verify", RELEASE_EXPECT_TABLES="shared:legacy_rates, tenant:django_session")

    assert judged(run) == [
        ("table.missing", "error", "public", "legacy_rates"),
        *(("table.masked", "error", name, "django_session") for name in TENANTS),
    ]


def test_ignored_tables_are_not_expected(current: Project) -> None:
    configure(current, IGNORE_TABLES=["buildings_*"])
    drop(current, MEMBERSHIP)

    assert judged(current.run("verify")) == []


def test_tables_can_be_ignored_through_the_environment(current: Project) -> None:
    drop(current, MEMBERSHIP)
    drop(current, "announcements_announcement_audience")
    run = current.run("verify", RELEASE_IGNORE_TABLES=f"{MEMBERSHIP},announcements_*")

    assert judged(run) == []
