"""doctor: what became of tables that are not where they should be, or are where they should not."""

import shlex

import django
import pytest

from tests.support.diagnosis import USUAL, ids, repair, the
from tests.support.release import PROGRAM, Project, Run
from tests.support.schemas import copy_schema, copy_tenant

MEMBERSHIP = "buildings_buildingmembership"


# Tables.


def test_a_ghost_says_when_its_app_was_recorded(current: Project) -> None:
    current.database.sql(
        f"DROP TABLE athena.{MEMBERSHIP}; UPDATE athena.django_migrations SET applied = '2020-02-02 02:02'"
    )
    cause = the(current.run("doctor"), "table.ghost")

    assert cause["schemas"] == ["athena"]
    assert "recorded in athena at 2020-02-02 02:02 (6 migrations)" in str(cause["seen"])


def test_schemas_that_lack_the_same_are_one_cause(current: Project) -> None:
    for schema in ("athena", "kypseli"):
        current.database.sql(f"DROP TABLE {schema}.{MEMBERSHIP}")

    assert the(current.run("doctor"), "table.ghost")["schemas"] == ["athena", "kypseli"]


def test_schemas_that_all_lack_something_else_are_a_few_causes(current: Project) -> None:
    tables = sorted(current.database.tables("athena") - {"django_migrations", "django_content_type"})
    copies = [f"copy{number}" for number in range(7)]
    copy_tenant(current.database, "athena", *copies)
    for number, schema in enumerate(copies):
        present = [table for bit, table in enumerate(tables) if number + 1 & 1 << bit]
        current.database.sql(";".join(f"DROP TABLE {schema}.{table} CASCADE" for table in present))

    found = [one for one in current.run("doctor").report["diagnosis"] if one["id"] == "table.ghost"]
    assert len(found) == 6
    assert len(repair(found[-1])) == 2 + 2 * len(found[-1]["schemas"])
    assert sorted(name for one in found for name in one["schemas"]) == copies


def test_a_masked_table_is_an_error_that_speaks_of_other_tenants_rows(current: Project) -> None:
    current.database.sql(f"ALTER TABLE athena.{MEMBERSHIP} SET SCHEMA public")
    run = current.run("doctor")

    assert (run.code, ids(run)) == (8, ["table.masked"])
    assert "each other's rows" in str(the(run, "table.masked")["meaning"])


def moved(project: Project) -> None:
    """Sessions belong to the tenants from now on; they were recorded there all the time."""
    project.settings(
        "SHARED_APPS.remove('django.contrib.sessions')\nTENANT_APPS.append('django.contrib.sessions')"
    )


def test_an_app_that_was_moved_to_the_tenants(current: Project) -> None:
    moved(current)
    run = current.run("doctor")
    cause = the(run, "app.moved")

    assert (run.code, ids(run)) == (8, ["app.moved"]), run.text
    assert cause["schemas"] == ["athena", "kypseli", "piraeus"]
    assert "sessions is in TENANT_APPS" in str(cause["seen"])


def test_the_command_for_a_moved_app_fixes_it(current: Project) -> None:
    moved(current)
    assert current.run(*repair(the(current.run("doctor"), "app.moved"))).code == 0

    assert ids(current.run("doctor")) == ["shared.leftover"]
    assert "django_session" in current.database.tables("athena")


def test_a_tenant_that_has_the_table_speaks_against_a_moved_app(current: Project) -> None:
    moved(current)
    current.database.sql("CREATE TABLE athena.django_session (LIKE public.django_session INCLUDING ALL)")

    assert ids(current.run("doctor")) == ["table.masked"]


def stale(project: Project) -> None:
    """A template two releases behind, and a tenant cloned from it with all migrations recorded."""
    project.settings("TENANT_BASE_SCHEMA = 'template'")
    copy_schema(project.database, "athena", "template")
    project.database.sql(
        f"DROP TABLE template.{MEMBERSHIP}, template.announcements_announcement_audience CASCADE;"
        "DELETE FROM template.django_migrations WHERE app = 'buildings' AND name > '0001_initial';"
        "DELETE FROM template.django_migrations WHERE app = 'announcements' AND name > '0001_initial'"
    )
    copy_tenant(project.database, "template", "rhodes")
    project.database.sql(
        "TRUNCATE rhodes.django_migrations; INSERT INTO rhodes.django_migrations SELECT * FROM "
        "athena.django_migrations"
    )


def of_tables(run: Run) -> list[str]:
    """The template has columns of later migrations, since it was not made by earlier ones."""
    return [id for id in ids(run) if not id.startswith(("column.", "change.", "migration.unrecorded"))]


def test_a_tenant_cloned_from_a_stale_template(current: Project) -> None:
    stale(current)
    run = current.run("doctor")
    cause = the(run, "template.stale")

    assert of_tables(run) == ["template.stale"]
    assert cause["schemas"] == ["rhodes"]
    assert str(cause["command"]).startswith(f"{PROGRAM} repair --schema template --schema rhodes")


def test_a_tenant_that_lacks_more_than_the_template_is_a_ghost_by_itself(current: Project) -> None:
    stale(current)
    current.database.sql("DROP TABLE rhodes.announcements_announcement CASCADE")

    assert of_tables(current.run("doctor")) == ["table.ghost"]


# The shared schema.


@pytest.mark.parametrize(
    ("rows", "severity", "words"),
    [
        ("", "info", "all of them empty"),
        ("INSERT INTO public.{0} VALUES (1); ANALYZE public.{0}; DELETE FROM public.{0}", "info", "empty"),
        ("INSERT INTO public.{0} VALUES (1)", "warning", "with rows: announcements_announcement"),
    ],
    ids=["never used", "used once", "not analyzed"],
)
def test_tables_of_tenants_left_in_the_shared_schema(
    current: Project, rows: str, severity: str, words: str
) -> None:
    table = "announcements_announcement"
    current.database.sql(f"CREATE TABLE public.{table} (id int); {rows.format(table)}")
    cause = the(current.run("doctor"), "shared.leftover")

    assert cause["severity"] == severity
    assert f"{table} in public" in str(cause["seen"])
    assert words in str(cause["seen"])
    statement = shlex.split(str(cause["command"]), comments=True)[-1]
    current.database.sql(statement)
    assert "shared.leftover" not in [one["id"] for one in current.run("doctor").report["diagnosis"]]


def test_deleting_from_the_shared_schema_is_explained_by_its_models(current: Project) -> None:
    seen = the(current.run("doctor"), USUAL)["seen"]

    assert seen == "deleting users.User asks for buildings.BuildingMembership"


@pytest.mark.parametrize(
    "on_delete",
    [
        "DO_NOTHING",
        pytest.param("DB_CASCADE", marks=pytest.mark.skipif(django.VERSION < (6, 1), reason="new in 6.1")),
    ],
)
def test_a_key_that_the_collector_leaves_alone_does_not_count(current: Project, on_delete: str) -> None:
    models = current.folder / "buildings/models.py"
    key = "settings.AUTH_USER_MODEL, on_delete=models.{}, related_name"
    text = models.read_text()
    assert key.format("CASCADE") in text
    models.write_text(text.replace(key.format("CASCADE"), key.format(on_delete)))

    assert USUAL not in {one["id"] for one in current.run("doctor").report["diagnosis"]}


def test_a_deletion_that_cascades_through_a_shared_model_counts_too(current: Project) -> None:
    models = current.folder / "tenants/models.py"
    models.write_text(
        models.read_text()
        + "\n\nclass Owner(models.Model):\n"
        + "    client = models.ForeignKey(Client, on_delete=models.CASCADE)\n"
    )
    models = current.folder / "announcements/models.py"
    models.write_text(
        models.read_text() + "\n\nclass Vote(models.Model):\n"
        "    owner = models.ForeignKey('tenants.Owner', on_delete=models.CASCADE)\n"
    )
    seen = the(current.run("doctor"), USUAL)["seen"]

    assert "deleting tenants.Client asks for announcements.Vote" in str(seen)
