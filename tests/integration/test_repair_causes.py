"""repair: causes that are true of a whole project, and which part of it is repaired."""

from collections.abc import Iterator

import pytest

from tests.support.account import SupportError
from tests.support.picture import picture
from tests.support.release import Project
from tests.support.schemas import NO_TABLES, add_row, copy_schema
from tests.support.snapshot import contents
from tests.support.unwell import Story, borrowed, definitions, diagnosed, live, mends, refusals, remedy

pytestmark = pytest.mark.xdist_group("causes")  # what is cloned from a template is repaired once

TENANTS = ["athena", "kypseli", "piraeus"]
MEMBERSHIP, AUDIENCE = "buildings_buildingmembership", "announcements_announcement_audience"


def moved(project: Project) -> None:
    """Sessions belong to the tenants from now on; they were recorded there all the time."""
    project.settings(
        "SHARED_APPS.remove('django.contrib.sessions')\nTENANT_APPS.append('django.contrib.sessions')"
    )


def repaired(project: Project) -> None:
    """Repair, and see that nothing is left to do."""
    run = project.run("repair", "--apply")
    assert run.code == 0, run.text
    assert project.run("repair").report["remedies"] == []
    assert project.run("verify").code == 0


# An app that was moved from SHARED_APPS to TENANT_APPS.


def test_an_app_that_was_moved_to_the_tenants_gets_its_tables_there(current: Project) -> None:
    moved(current)
    dry = current.run("repair")
    assert (dry.code, mends(dry, "athena")) == (9, ["table.masked django_session"])
    repaired(current)

    shared, tenant = (definitions(picture(current.database), name) for name in ("public", "athena"))
    session = [line.replace("public", "athena") for line in shared if "django_session" in line]
    assert [line for line in tenant if "django_session" in line] == session


def test_an_app_whose_shared_table_is_gone_is_a_ghost_in_every_tenant(current: Project) -> None:
    moved(current)
    current.database.sql("DROP TABLE public.django_session")
    (one,) = current.run("repair").report["remedies"]

    assert (one["schemas"], one["mends"]) == (TENANTS, [["table.ghost", "django_session"]])


def test_an_app_whose_rows_are_shared_still_is_refused(current: Project) -> None:
    moved(current)
    current.database.sql("INSERT INTO django_session VALUES ('a', 'b', now()), ('c', 'd', now())")
    before = contents(current.database)
    run = current.run("repair", "--apply")

    assert (run.code, {run.outcome(name)["state"] for name in TENANTS}) == (8, {"refused"})
    assert "holds 2 rows" in refusals(run, "athena")["table.masked django_session"]
    assert contents(current.database) == before


# A template that is behind, from which new tenants are cloned as if they were not.


CREATE = "Client.objects.get(schema_name='rhodes').create_schema(check_if_exists=True, verbosity=0)"


@pytest.fixture(scope="module")
def cloned(server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A tenant that django-tenants has cloned from a template one release behind, and one to come."""
    with borrowed(server, current_template, tmp_path_factory.mktemp("cloned")) as project:
        project.settings("TENANT_BASE_SCHEMA = 'template'\nTENANT_CREATION_FAKES_MIGRATIONS = True")
        copy_schema(project.database, "athena", "template")
        project.database.sql(
            f"DROP TABLE template.{AUDIENCE}; ALTER TABLE template.announcements_announcement DROP pinned;"
            "TRUNCATE template.buildings_building CASCADE; CREATE TABLE template.mark (id int);"
            "DELETE FROM template.django_migrations WHERE app = 'announcements' AND name >= '0002'"
        )
        add_row(project.database, "rhodes")
        project.python(f"from tenants.models import Client; {CREATE}")
        add_row(project.database, "samos")
        yield live(project, picture(project.database), "--create-schema")


def test_a_clone_of_a_stale_template_gets_what_the_template_had_not(cloned: Story) -> None:
    assert mends(cloned.dry, "rhodes") == [
        "column.missing announcements_announcement.pinned",
        f"table.ghost {AUDIENCE}",
    ]
    assert "template.stale" in diagnosed(cloned.doctor, "rhodes")
    assert cloned.applied.outcome("rhodes")["state"] == "repaired"


def test_a_row_without_schema_is_cloned_once_the_template_has_what_it_had_not(cloned: Story) -> None:
    assert remedy(cloned.dry, "samos")["through_django_tenants"] == "it is cloned from template"
    assert cloned.applied.outcome("samos")["repairs"] == ["repaired schema.missing samos"]
    assert "CREATE TABLE samos.mark (" in definitions(cloned.repaired, "samos")
    assert f"CREATE TABLE samos.{AUDIENCE} (" in definitions(cloned.repaired, "samos")


def test_nothing_is_left_of_a_stale_template(cloned: Story) -> None:
    assert (cloned.untouched, cloned.dry.code) == (True, 9)
    assert (cloned.applied.code, cloned.again.code, cloned.verified.code) == (0, 0, 0), cloned.applied.text


# Migrations that rename, whose records are lost.


def unrecorded(project: Project, operations: str) -> None:
    """A migration that every tenant has, of which athena has no record."""
    project.migration("announcements", "0004_last", "0003_announcement_pinned", operations)
    assert project.run("--no-collectstatic").code == 0
    project.database.sql("DELETE FROM athena.django_migrations WHERE name = '0004_last'")


def test_a_column_that_was_renamed_is_not_added_anew_before_that_is_recorded(current: Project) -> None:
    more = "migrations.AddField('announcement', 'more', models.TextField(null=True))"
    unrecorded(current, f"{more}, migrations.RenameField('announcement', 'body', 'text')")
    before = definitions(picture(current.database), "athena")
    dry, run = current.run("repair"), current.run("repair", "--apply")

    assert (mends(dry, "athena"), remedy(dry, "athena")["records"]) == ([], ["announcements.0004_last"])
    assert (run.code, definitions(picture(current.database), "athena")) == (0, before)


def test_a_table_that_a_pending_migration_renames_is_not_made_anew(current: Project) -> None:
    unrecorded(current, "migrations.RenameModel('announcement', 'notice')")
    before = current.database.tables("athena")
    run = current.run("repair", "--apply")

    assert (run.code, run.states["athena"]) == (8, "refused")
    why = refusals(run, "athena")["table.ghost announcements_announcement"]
    assert why.startswith("A pending migration removes or renames it")
    assert current.database.tables("athena") == before


def test_records_are_written_where_their_table_was_dropped(current: Project) -> None:
    current.database.sql("DROP TABLE athena.django_migrations")
    run = current.run("repair", "--apply")

    assert run.states["athena"] == "refused"  # a RunPython cannot be seen
    assert "recorded buildings.0001_initial" in run.outcome("athena")["repairs"], run.text
    assert current.database.applied("athena", "announcements") != []
    done = current.run("fake", "buildings", "0006_fill_slugs", "--schema", "athena", "--data-is-done")
    assert done.code == 0, done.text


def test_a_key_of_a_table_with_a_percent_sign_in_its_name_is_made_again(current: Project) -> None:
    key = "('id', models.BigAutoField(primary_key=True))"
    fields = f"[{key}, ('to', models.ForeignKey('announcement', models.CASCADE))]"
    options = "{'db_table': 'odd %s {0}', 'unique_together': {('id', 'to')}}"
    current.migration(
        "announcements",
        "0004_odd",
        "0003_announcement_pinned",
        f"migrations.CreateModel('Odd', {fields}, {options})",
    )
    assert current.run("--no-collectstatic").code == 0
    constraints = "conrelid = 'athena.\"odd %s {0}\"'::regclass AND contype IN ('f', 'u')"
    for name in current.database.lines(f"SELECT conname FROM pg_constraint WHERE {constraints}"):
        current.database.sql(f'ALTER TABLE athena."odd %s {{0}}" DROP CONSTRAINT "{name}"')
    repaired(current)

    assert current.database.sql(f"SELECT count(*) FROM pg_constraint WHERE {constraints}") == "2"


def test_the_statement_that_changes_a_type_cuts_no_text(current: Project) -> None:
    table = "buildings_building"
    current.database.sql(
        f"ALTER TABLE athena.{table} ALTER name TYPE varchar(500);"
        f"UPDATE athena.{table} SET name = repeat('n', 400)"
    )
    (one,) = current.run("repair").report["remedies"][0]["refusals"]
    statements = [sql for choice in one["choices"] for sql in choice["statements"]]
    (statement,) = [sql.replace('"<schema>"', "athena") for sql in statements if " TYPE " in sql]

    with pytest.raises(SupportError, match="value too long"):
        current.database.sql(statement)


# The shared schema.


def test_a_ghost_in_the_shared_schema_comes_back_with_the_keys_of_all_tenants(current: Project) -> None:
    current.database.sql("".join(f"DELETE FROM {name}.{MEMBERSHIP};" for name in TENANTS))
    healthy = picture(current.database)
    current.database.sql("DROP TABLE public.users_user CASCADE")
    assert mends(current.run("repair"), "public") == ["table.ghost users_user"]
    assert "table.ghost" in diagnosed(current.run("doctor"), "public")
    assert current.run("repair", "--apply").code == 0

    repaired = picture(current.database)
    for name in ("public", *TENANTS):
        assert definitions(repaired, name) == definitions(healthy, name)


def test_tenants_whose_rows_point_to_nothing_now_are_left_to_a_person(current: Project) -> None:
    current.database.sql(f"DELETE FROM athena.{MEMBERSHIP}; DROP TABLE public.users_user CASCADE")
    run = current.run("repair", "--apply")

    assert run.code == 8
    assert run.states == {
        "public": "repaired",
        "athena": "repaired",
        "kypseli": "refused",
        "piraeus": "refused",
    }


def test_no_tenant_is_touched_when_the_shared_schema_fails(current: Project) -> None:
    current.database.sql(
        f"DROP TABLE public.django_session; DROP INDEX athena.membership_building_role; {NO_TABLES}"
    )
    before = contents(current.database)
    run = current.run("repair", "--apply", "--warnings")

    assert (run.code, run.states["public"], run.states["athena"]) == (6, "failed", "not reached")
    assert contents(current.database) == before


def test_migrations_that_change_what_the_ones_before_have_made_are_proven_together(current: Project) -> None:
    rank = "migrations.{}('announcement', 'rank', models.{}(null=True))"
    current.migration(
        "announcements", "0004_a", "0003_announcement_pinned", rank.format("AddField", "IntegerField")
    )
    current.migration("announcements", "0005_b", "0004_a", rank.format("AlterField", "BigIntegerField"))
    current.migration(
        "announcements",
        "0006_c",
        "0005_b",
        "migrations.AddField('announcement', 'n', models.IntegerField(null=True))",
    )
    assert current.run("--no-collectstatic").code == 0
    current.database.sql("DELETE FROM athena.django_migrations WHERE name IN ('0004_a', '0005_b', '0006_c')")
    run = current.run("repair", "--apply")

    assert run.code == 0, run.text
    assert run.outcome("athena")["repairs"] == [
        f"recorded announcements.{name}" for name in ("0004_a", "0005_b", "0006_c")
    ]
