"""What django-tenants can be set to: types, templates, order, alias, schema name, routers, search paths."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.release import Project, Run
from tests.support.schemas import columns, copy_schema, everything
from tests.support.unwell import borrowed, name_of, with_files

pytestmark = [pytest.mark.versions, pytest.mark.xdist_group("tenancy")]  # what takes a release is made once

TENANTS = ("athena", "kypseli", "piraeus")
MIGRATED = {"public": "migrated"} | dict.fromkeys(TENANTS, "migrated")

TYPES = """
HAS_MULTI_TYPE_TENANTS = True
MULTI_TYPE_DATABASE_FIELD = "type"
TENANT_TYPES = {
    "public": {"APPS": SHARED_APPS, "URLCONF": "config.urls_public"},
    "housing": {"APPS": TENANT_APPS, "URLCONF": "config.urls_tenant"},
    "club": {"APPS": ["django.contrib.contenttypes", "clubs"], "URLCONF": "config.urls_tenant"},
}
INSTALLED_APPS = [*INSTALLED_APPS, "clubs"]
"""


def add_app(project: Project, label: str, model: str) -> None:
    """An app with one model and its migration."""
    project.write(f"{label}/__init__.py", "")
    project.write(f"{label}/migrations/__init__.py", "")
    project.write(
        f"{label}/models.py", f"from django.db import models\n\n\nclass {model}(models.Model):\n    pass\n"
    )
    key = (
        "('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID'))"
    )
    project.write(
        f"{label}/migrations/0001_initial.py",
        "from django.db import migrations, models\n\n\n"
        "class Migration(migrations.Migration):\n"
        f"    operations = [migrations.CreateModel('{model}', [{key}])]\n",
    )


def add_types(project: Project) -> None:
    """Two types of tenants; all that are there become housing."""
    add_app(project, "clubs", "Club")
    project.settings(TYPES)
    models = (project.folder / "tenants" / "models.py").read_text(encoding="utf-8")
    field = "models.CharField(max_length=20, default='housing')"
    line = "    created_at = models.DateTimeField(auto_now_add=True)\n"
    project.write("tenants/models.py", models.replace(line, f"{line}    type = {field}\n"))
    project.migration(
        "tenants", "0002_client_type", "0001_initial", f"migrations.AddField('client', 'type', {field})"
    )


@pytest.fixture(scope="module")
def introduced(
    server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """Three housing tenants with nothing to do, and the empty schema of a club; to be copied."""
    with borrowed(server, current_template, tmp_path_factory.mktemp("introduced")) as project:
        add_types(project)
        assert project.run("--no-collectstatic").code == 0
        project.database.sql(
            "CREATE SCHEMA chess; INSERT INTO public.tenants_client (schema_name, name, created_at, type)"
            " VALUES ('chess', 'Chess', now(), 'club')"
        )
        yield project


@pytest.fixture
def typed(introduced: Project, another: Callable[[Project], Project]) -> Project:
    """A copy of it, to change."""
    return another(introduced)


@pytest.fixture(scope="module")
def with_club(
    server: str, introduced: Project, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, Run]]:
    """The same after the release that migrates the club; to be looked at, or copied."""
    with borrowed(server, name_of(introduced.database), tmp_path_factory.mktemp("club")) as project:
        with_files(project, introduced.folder)
        yield project, project.run("--no-collectstatic")


@pytest.fixture
def club(with_club: tuple[Project, Run], another: Callable[[Project], Project]) -> Project:
    """A copy of it, to change."""
    return another(with_club[0])


# Multi-type tenants.


def test_tenant_types_can_be_introduced_by_the_release_itself(past: Project) -> None:
    add_types(past)
    run = past.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert run.states == MIGRATED
    assert "clubs_club" not in past.database.tables("athena")


def test_each_type_gets_the_tables_of_its_own_apps(with_club: tuple[Project, Run]) -> None:
    project, run = with_club

    assert run.code == 0, run.text
    assert run.states["chess"] == "migrated"
    assert project.database.tables("chess") == {"clubs_club", "django_content_type", "django_migrations"}


def test_a_new_migration_reaches_only_the_tables_of_its_type(club: Project) -> None:
    field = "migrations.AddField('club', 'open', models.BooleanField(default=True))"
    club.migration("clubs", "0002_open", "0001_initial", field)
    run = club.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert columns(club.database, "chess", "clubs_club") == ["id", "open"]


def test_tables_of_another_type_are_not_expected(with_club: tuple[Project, Run]) -> None:
    run = with_club[0].run("verify")

    assert (run.code, run.report["findings"]) == (0, [])


def test_a_schema_without_a_row_may_be_that_of_a_tenant_of_its_type(club: Project) -> None:
    club.database.sql("ALTER SCHEMA chess RENAME TO go; ALTER SCHEMA athena RENAME TO sparta")
    run = club.run("verify")
    found = {one["schema"]: one["candidates"] for one in run.report["findings"]}

    assert found == {"athena": ["sparta"], "chess": ["go"], "go": ["chess"], "sparta": ["athena"]}, run.text


def test_a_missing_table_of_a_type_is_found_in_that_type(club: Project) -> None:
    club.database.sql("DROP TABLE chess.clubs_club")

    assert club.run("verify").findings("table.ghost") == [("chess", "clubs_club")]


@pytest.mark.parametrize("command", ["release", "verify", "check"])
def test_a_tenant_of_an_unknown_type_does_not_stop_the_others(typed: Project, command: str) -> None:
    typed.database.sql("UPDATE public.tenants_client SET type = 'hotel' WHERE schema_name = 'athena'")
    typed.migration("buildings", "0007_more", "0006_fill_slugs", "migrations.RunSQL('SELECT 1')")
    run = typed.run(command)

    assert run.code != 1, run.text
    if command == "release":
        assert (run.code, run.states["athena"], run.states["kypseli"]) == (7, "failed", "migrated")


# Templates.


@pytest.fixture(scope="module")
def cloning(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """New tenants are cloned from the schema `blueprint`, which has no row; to be copied."""
    with borrowed(server, template(*TENANTS), tmp_path_factory.mktemp("cloning")) as project:
        copy_schema(project.database, "athena", "blueprint")
        project.settings('TENANT_BASE_SCHEMA = "blueprint"\nTENANT_CREATION_FAKES_MIGRATIONS = True')
        yield project


@pytest.fixture(scope="module")
def released(
    server: str, cloning: Project, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, Run]]:
    """The same after a release; to be looked at, or copied."""
    with borrowed(server, name_of(cloning.database), tmp_path_factory.mktemp("released")) as project:
        with_files(project, cloning.folder)
        yield project, project.run("--no-collectstatic")


def test_the_template_schema_is_migrated_without_a_row(released: tuple[Project, Run]) -> None:
    project, run = released

    assert run.code == 0, run.text
    assert run.states == MIGRATED | {"blueprint": "migrated"}
    assert run.findings("schema.unowned") == []
    assert project.database.applied("blueprint", "buildings")[-1] == "0006_fill_slugs"


def test_the_template_is_migrated_before_the_tenants(released: tuple[Project, Run]) -> None:
    migrated = released[1].named("schema.migrated")

    assert [event["schema"] for event in migrated][:2] == ["public", "blueprint"]


def test_the_template_is_verified(cloning: Project, another: Callable[[Project], Project]) -> None:
    project = another(cloning)
    project.database.sql("DROP TABLE blueprint.buildings_buildingmembership")

    assert project.run("verify").findings("table.ghost") == [("blueprint", "buildings_buildingmembership")]


def test_a_tenant_cloned_after_the_release_has_nothing_pending(
    released: tuple[Project, Run], another: Callable[[Project], Project]
) -> None:
    project = another(released[0])
    project.python(
        "from tenants.models import Client; Client(schema_name='plaka', name='P').save(verbosity=0)"
    )
    run = project.run("check")

    assert (run.code, run.report["findings"]) == (0, []), run.text


def test_a_template_that_is_not_made_yet_is_no_finding(current: Project) -> None:
    current.settings('TENANT_BASE_SCHEMA = "blueprint"\nTENANT_CREATION_FAKES_MIGRATIONS = True')

    assert current.run("check").report["findings"] == []


def test_a_type_can_have_a_template_of_its_own(typed: Project) -> None:
    typed.settings(
        "TENANT_CREATION_FAKES_MIGRATIONS = True\nTENANT_TYPES['club']['BASE_SCHEMA'] = 'club_blueprint'"
    )
    typed.database.sql("CREATE SCHEMA club_blueprint")
    run = typed.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert "clubs_club" in typed.database.tables("club_blueprint")
    assert "buildings_building" not in typed.database.tables("club_blueprint")


# Diagnosis.


def explain(project: Project, table: str) -> tuple[list[str], list[str], list[str]]:
    """The causes for a missing table, and the schemas that have and that lack it."""
    (one,) = project.run("doctor", "--explain", f'relation "{table}" does not exist').report["explanations"]
    return [cause["id"] for cause in one["causes"]], one["there"], one["absent"]


def test_a_table_of_a_type_is_missing_only_in_that_type(introduced: Project) -> None:
    assert explain(introduced, "clubs_club") == (["release.never_ran"], [], ["chess"])


def test_a_table_of_a_type_that_is_there_was_asked_for_elsewhere(with_club: tuple[Project, Run]) -> None:
    assert explain(with_club[0], "clubs_club") == (["shared.queried"], ["chess"], [])


def test_a_project_with_types_and_nothing_to_do_has_no_cause_that_must_be_repaired(
    with_club: tuple[Project, Run],
) -> None:
    run = with_club[0].run("doctor")

    assert run.code == 0, run.text
    assert [one["id"] for one in run.report["diagnosis"] if one["severity"] == "error"] == []


# Order.


@pytest.mark.parametrize("order", [["schema_name"], ["-schema_name"]], ids=["ascending", "descending"])
def test_tenants_are_migrated_in_the_order_of_the_settings(past: Project, order: list[str]) -> None:
    past.settings(f"TENANT_MIGRATION_ORDER = {order!r}")
    run = past.run("--no-collectstatic")

    expected = sorted(TENANTS, reverse=order[0].startswith("-"))
    assert [event["schema"] for event in run.named("schema.migrated")] == ["public", *expected]


# Aliases and names.

ANOTHER_ALIAS = """
OTHER = {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "other.sqlite3"}
DATABASES = {"default": OTHER, "tenants": DATABASES["default"]}
TENANT_DB_ALIAS = "tenants"
"""


def test_the_tenants_can_live_in_another_database_alias(past: Project) -> None:
    past.settings(ANOTHER_ALIAS)
    run = past.run("--no-collectstatic", TEST_COLD="1")

    assert run.code == 0, run.text
    assert run.states == MIGRATED
    assert not (past.folder / "other.sqlite3").exists()


def test_another_alias_can_be_looked_at(current: Project) -> None:
    current.settings(ANOTHER_ALIAS)
    run = current.run("check", TEST_COLD="1")

    assert (run.code, run.report["findings"]) == (0, []), run.text


@pytest.mark.parametrize("name", ["shared", "Shared Things"])
def test_the_shared_schema_can_have_another_name(past: Project, name: str) -> None:
    past.database.sql(f'ALTER SCHEMA public RENAME TO "{name}"')
    past.settings(f"PUBLIC_SCHEMA_NAME = {name!r}")
    run = past.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert run.states == {name: "migrated"} | dict.fromkeys(TENANTS, "migrated")
    assert past.database.applied(name, "users")[-1] == "0002_user_phone"


def test_a_public_schema_beside_the_shared_one_is_left_alone(past: Project) -> None:
    past.database.sql("ALTER SCHEMA public RENAME TO shared; CREATE SCHEMA public")
    past.settings('PUBLIC_SCHEMA_NAME = "shared"')
    run = past.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert past.database.tables("public") == set()


def test_a_shared_schema_that_is_not_there_is_a_preflight_error(past: Project) -> None:
    past.settings('PUBLIC_SCHEMA_NAME = "nowhere"')
    before = everything(past.database)
    run = past.run()

    assert (run.code, run.report["error"]) == (3, "shared.missing"), run.text
    assert 'CREATE SCHEMA "nowhere"' in run.event("release.failed")["message"]
    assert everything(past.database) == before


# Routers.

ROUTER = """
from django.db import connections


class Quiet:
    \"\"\"Athena has no announcements.\"\"\"

    def allow_migrate(self, db, app_label, **hints):
        if app_label == "announcements" and connections[db].schema_name == "athena":
            return False
        return None
"""


def test_a_router_of_the_projects_own_decides_what_a_schema_gets(current: Project) -> None:
    current.write("config/routers.py", ROUTER)
    current.settings('DATABASE_ROUTERS = ["config.routers.Quiet", *DATABASE_ROUTERS]')
    field = "migrations.AddField('announcement', 'loud', models.BooleanField(default=False))"
    current.migration("announcements", "0004_loud", "0003_announcement_pinned", field)
    run = current.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert "loud" not in columns(current.database, "athena", "announcements_announcement")
    assert "loud" in columns(current.database, "kypseli", "announcements_announcement")


def test_tables_that_a_router_of_the_projects_own_keeps_out_are_not_expected(current: Project) -> None:
    current.write("config/routers.py", ROUTER)
    current.settings('DATABASE_ROUTERS = ["config.routers.Quiet", *DATABASE_ROUTERS]')
    for schema in ("athena", "kypseli"):
        current.database.sql(f"DROP TABLE {schema}.announcements_announcement_audience")

    assert current.run("verify").findings("table.ghost") == [
        ("kypseli", "announcements_announcement_audience")
    ]


# Search paths.


def test_extra_search_paths_are_kept(past: Project) -> None:
    past.database.sql("CREATE SCHEMA extensions; CREATE TABLE extensions.marker ()")
    past.settings('PG_EXTRA_SEARCH_PATHS = ["extensions"]')
    past.migration(
        "buildings", "0007_look", "0006_fill_slugs", "migrations.RunSQL('SELECT count(*) FROM marker')"
    )
    run = past.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert run.states == MIGRATED


def test_set_calls_can_be_limited(past: Project) -> None:
    past.settings("TENANT_LIMIT_SET_CALLS = True")
    run = past.run("--no-collectstatic")

    assert (run.code, run.states) == (0, MIGRATED), run.text
