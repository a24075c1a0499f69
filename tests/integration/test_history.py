"""Migration records and files that do not fit together: conflicts, gaps, rollbacks, squashes."""

import shlex
from collections.abc import Callable, Iterator

import pytest

from tests.support.diagnosis import ids, the
from tests.support.release import Project, Run
from tests.support.schemas import columns, everything
from tests.support.unwell import borrowed

pytestmark = [pytest.mark.versions, pytest.mark.xdist_group("history")]  # what takes releases is made once

TENANTS = ("athena", "kypseli", "piraeus")
LATER = ["0004_membership_index", "0005_building_slug", "0006_fill_slugs"]


def forget(project: Project, schema: str, app: str, name: str) -> None:
    """Delete one record."""
    project.database.sql(f"DELETE FROM {schema}.django_migrations WHERE app = '{app}' AND name = '{name}'")


def record(project: Project, schema: str, app: str, name: str, id: str = "DEFAULT") -> None:
    """Add one record."""
    project.database.sql(
        f"INSERT INTO {schema}.django_migrations (id, app, name, applied)"
        f" VALUES ({id}, '{app}', '{name}', now())"
    )


def squash(project: Project, name: str, *replaced: str) -> None:
    """Add a squash of migrations of buildings to the files."""
    pairs = [("buildings", one) for one in replaced]
    project.write(
        f"buildings/migrations/{name}.py",
        "from django.db import migrations, models\n\n\n"
        "class Migration(migrations.Migration):\n"
        f"    replaces = {pairs}\n"
        "    dependencies = [('buildings', '0003_building_address')]\n"
        "    operations = [\n"
        "        migrations.AddIndex(\n"
        "            'buildingmembership',\n"
        "            models.Index(fields=['building', 'role'], name='membership_building_role'),\n"
        "        ),\n"
        "        migrations.AddField(\n"
        "            'building',\n"
        "            'slug',\n"
        "            models.SlugField(blank=True, default='', max_length=120),\n"
        "            preserve_default=False,\n"
        "        ),\n"
        "    ]\n",
    )


@pytest.fixture
def gap(past: Project) -> Project:
    """Athena records buildings.0003 without buildings.0002."""
    forget(past, "athena", "buildings", "0002_buildingmembership")
    return past


# Conflicts and gaps.


def test_two_leaf_migrations_are_a_conflict_and_nothing_is_written(past: Project) -> None:
    past.migration("buildings", "0006_other", "0005_building_slug", "")
    before = everything(past.database)
    for command in ("release", "plan", "check"):
        run = past.run(command)

        assert run.code == 3, run.text
        message = run.event("release.failed")["message"]
        assert "0006_fill_slugs" in message
        assert "0006_other" in message
        assert "makemigrations --merge" in message
    assert everything(past.database) == before


def test_a_migration_that_depends_on_nothing_known_is_a_preflight_error(past: Project) -> None:
    past.migration("buildings", "0007_lost", "0099_nowhere", "")
    run = past.run()

    assert (run.code, run.report["error"]) == (3, "migrations.invalid")
    assert "0099_nowhere" in run.event("release.failed")["message"]


def test_a_gap_in_the_shared_records_stops_the_release_before_any_write(current: Project) -> None:
    forget(current, "public", "users", "0001_initial")
    before = everything(current.database)
    run = current.run()

    assert (run.code, run.report["error"]) == (3, "migrations.invalid")
    assert "before its dependency users.0001_initial" in run.event("release.failed")["message"]
    assert everything(current.database) == before


def test_a_gap_in_one_tenants_records_fails_that_tenant_only_which_is_not_touched_and_told_why(
    gap: Project,
) -> None:
    before = everything(gap.database, "athena")
    run = gap.run("--no-collectstatic")

    assert run.code == 7, run.text
    assert run.states == {
        "public": "migrated",
        "athena": "failed",
        "kypseli": "migrated",
        "piraeus": "migrated",
    }
    assert run.outcome("athena")["message"] == (
        "buildings.0003_building_address is recorded as applied before its dependency "
        "buildings.0002_buildingmembership"
    )
    assert everything(gap.database, "athena") == before


def test_a_gap_is_a_finding(gap: Project) -> None:
    run = gap.run("verify")

    assert run.code == 8, run.text
    assert [schema for schema, _ in run.findings("records.inconsistent")] == ["athena"]


def test_what_does_not_hang_on_a_gap_is_compared_all_the_same(gap: Project) -> None:
    gap.database.sql("DROP TABLE athena.announcements_announcement CASCADE")
    gap.database.sql("ALTER TABLE athena.buildings_buildingmembership DROP COLUMN role")
    run = gap.run("verify", "--schema", "athena")
    (told,) = [one["found"] for one in run.report["findings"] if one["id"] == "records.inconsistent"]

    assert run.findings("table.ghost") == [("athena", "announcements_announcement")], run.text
    assert run.findings("column.missing") == []
    assert told.endswith(
        "not looked at: the tables that buildings.0002_buildingmembership would change,"
        " content types and permissions"
    )


def test_doctor_prints_the_command_that_closes_a_gap(gap: Project) -> None:
    cause = the(gap.run("doctor"), "records.inconsistent")
    words = shlex.split(str(cause["command"]))

    assert words[2:] == ["fake", "buildings", "0002_buildingmembership", "--schema", "athena"]
    assert gap.run(*words[2:]).code == 0
    assert "records.inconsistent" not in ids(gap.run("doctor"))


def test_doctor_asks_about_code_that_a_lacking_record_stands_for(current: Project) -> None:
    current.database.sql("DELETE FROM athena.django_migrations WHERE app = 'auth'")
    asked, _, command = str(the(current.run("doctor"), "records.inconsistent")["command"]).partition("done: ")

    assert asked.startswith("decide, since nobody can see what code or SQL in auth.0011_")
    assert current.run(*shlex.split(command)[2:]).code == 0
    assert current.run("check").code == 0


def test_doctor_says_what_to_make_first_where_a_gap_is_no_mere_record(gap: Project) -> None:
    gap.database.sql("DROP TABLE athena.buildings_buildingmembership")
    cause = the(gap.run("doctor"), "records.inconsistent")

    assert str(cause["seen"]).endswith("what it makes is not there: buildings_buildingmembership")
    words = shlex.split(str(cause["command"]).split("`")[1])
    assert words[:2] == ["python", "manage.py"]
    assert 'CREATE TABLE "buildings_buildingmembership"' in gap.manage(*words[2:])


# Models and files.


@pytest.mark.parametrize(("command", "code"), [("release", 0), ("plan", 0), ("check", 0)])
def test_models_changed_without_a_migration_are_a_warning(current: Project, command: str, code: int) -> None:
    models = (current.folder / "buildings" / "models.py").read_text(encoding="utf-8")
    lift = "    lift = models.BooleanField(default=False)\n"
    current.write(
        "buildings/models.py",
        models.replace("class Building(models.Model):\n", f"class Building(models.Model):\n{lift}", 1),
    )
    run = current.run(command)

    event = run.event("models.changed")
    assert (run.code, event["level"], event["apps"]) == (code, "warn", ["buildings"])


def test_unchanged_models_are_no_warning(current: Project) -> None:
    assert current.run("plan").named("models.changed") == []


def test_translated_names_are_no_changes_of_models(current: Project) -> None:
    current.settings("LANGUAGE_CODE = 'el'\nUSE_I18N = True")

    assert current.run("plan").named("models.changed") == []


# Ahead of the code, and left over from long ago.


def test_a_schema_ahead_of_the_code_is_a_warning(current: Project) -> None:
    record(current, "athena", "buildings", "0007_future")
    run = current.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert run.states["athena"] == "current"
    (finding,) = run.report["findings"]
    assert (finding["id"], finding["severity"], finding["schema"], finding["app"]) == (
        "app.ahead",
        "warning",
        "athena",
        "buildings",
    )


def test_a_shared_schema_ahead_of_the_code_is_a_warning(current: Project) -> None:
    record(current, "public", "users", "0003_future")
    run = current.run("check")

    assert (run.code, run.findings("app.ahead")) == (0, [("public", "users")])


def test_a_missing_table_in_an_app_that_is_ahead_is_a_warning(current: Project) -> None:
    record(current, "athena", "buildings", "0007_future")
    current.database.sql("DROP TABLE athena.buildings_buildingmembership")
    run = current.run("verify")

    assert run.code == 0, run.text
    assert [(f["id"], f["severity"]) for f in run.report["findings"]] == [
        ("table.ghost", "warning"),
        ("app.ahead", "warning"),
    ]


def test_a_missing_table_in_another_app_of_that_schema_stays_an_error(current: Project) -> None:
    record(current, "athena", "buildings", "0007_future")
    current.database.sql("DROP TABLE athena.announcements_announcement_audience")

    assert current.run("verify").code == 8


def test_an_app_ahead_does_not_hold_up_other_apps_of_the_schema(past: Project) -> None:
    record(past, "athena", "buildings", "0007_future")
    run = past.run("--no-collectstatic", "--app", "announcements")

    assert run.code == 0, run.text
    assert past.database.applied("athena", "announcements")[-1] == "0003_announcement_pinned"


def test_records_older_than_the_code_are_no_finding(current: Project) -> None:
    record(current, "athena", "buildings", "0000_before_the_squash", id="-1")

    assert current.run("check").report["findings"] == []


def test_records_of_an_app_that_is_gone_are_no_finding(current: Project) -> None:
    record(current, "athena", "lifts", "0001_initial")

    assert current.run("check").report["findings"] == []


# Squashed migrations.


@pytest.fixture(scope="module")
def counted(
    server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """A squash of what is applied everywhere; to be looked at only."""
    with borrowed(server, current_template, tmp_path_factory.mktemp("counted")) as project:
        squash(project, "0004_squashed", *LATER)
        yield project


@pytest.fixture(scope="module")
def squashed(
    server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, Run]]:
    """The same after a release; to be looked at, or copied."""
    with borrowed(server, current_template, tmp_path_factory.mktemp("squashed")) as project:
        squash(project, "0004_squashed", *LATER)
        yield project, project.run("--no-collectstatic")


def test_a_squash_of_applied_migrations_is_recorded_and_not_run(squashed: tuple[Project, Run]) -> None:
    project, run = squashed

    assert run.code == 0, run.text
    assert run.states == dict.fromkeys(("public", *TENANTS), "migrated")
    assert project.database.applied("athena", "buildings")[3:] == sorted([*LATER, "0004_squashed"])


def test_a_recorded_squash_leaves_nothing_to_do(squashed: tuple[Project, Run]) -> None:
    run = squashed[0].run("check")

    assert (run.code, run.report["findings"]) == (0, []), run.text


@pytest.mark.parametrize("command", ["plan", "check", "status"])
def test_a_squash_counts_as_applied_once_all_that_it_replaces_is(counted: Project, command: str) -> None:
    run = counted.run(command)

    assert (run.code, run.report["pending"]) == (0, []), run.text


def test_a_squash_that_is_only_to_be_recorded_is_no_cause(counted: Project) -> None:
    assert ids(counted.run("doctor")) == []


def test_the_files_that_a_recorded_squash_replaces_can_be_deleted(
    squashed: tuple[Project, Run], another: Callable[[Project], Project]
) -> None:
    project = another(squashed[0])
    for name in LATER:
        (project.folder / "buildings" / "migrations" / f"{name}.py").unlink()
    run = project.run("check")

    assert (run.code, run.report["findings"]) == (0, []), run.text


def test_a_squash_runs_in_one_where_none_of_it_is_applied(past: Project) -> None:
    squash(past, "0004_squashed", *LATER)
    run = past.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert "buildings.0004_squashed" in run.outcome("athena")["applied"]
    assert "buildings.0005_building_slug" not in run.outcome("athena")["applied"]
    assert "0004_squashed" in past.database.applied("athena", "buildings")


def test_a_partly_applied_squash_runs_the_rest_of_what_it_replaces_and_nothing_is_left_to_do(
    past: Project,
) -> None:
    past.run("--no-collectstatic", "--app", "buildings", "0004")
    squash(past, "0004_squashed", *LATER)
    run = past.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert past.database.applied("athena", "buildings")[3:] == sorted([*LATER, "0004_squashed"])
    assert past.database.sql("SELECT count(*) FROM athena.buildings_building WHERE slug = ''") == "0"
    assert past.run("check").code == 0


def test_schemas_on_both_sides_of_a_squash_are_migrated_in_one_release(past: Project) -> None:
    past.run("--no-collectstatic", "--schema", "athena")
    past.run("--no-collectstatic", "--schema", "kypseli", "--app", "buildings", "0004")
    squash(past, "0004_squashed", *LATER)
    run = past.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert ["0004_squashed" in past.database.applied(name, "buildings") for name in TENANTS] == [True] * 3
    assert past.run("check").code == 0


FIRST = {"athena": "0003", "kypseli": "0004", "piraeus": "0006"}


@pytest.fixture(scope="module")
def everywhere(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """A tenant before the squash, one within and one behind it; to be copied."""
    with borrowed(server, template(*TENANTS), tmp_path_factory.mktemp("everywhere")) as project:
        for schema, first in FIRST.items():
            run = project.run("--no-collectstatic", "--schema", schema, "--app", "buildings", first)
            assert run.code == 0, run.text
        squash(project, "0004_squashed", *LATER)
        yield project


@pytest.mark.parametrize("target", ["0004_squashed", "0006_fill_slugs"])
def test_a_target_inside_a_squash_is_reached_from_everywhere(
    everywhere: Project, another: Callable[[Project], Project], target: str
) -> None:
    project = another(everywhere)
    applied = [project.database.applied(schema, "buildings")[-1][:4] for schema in FIRST]
    run = project.run("--no-collectstatic", "--app", "buildings", target)

    assert applied == [*FIRST.values()]
    assert run.code == 0, run.text
    for schema in FIRST:
        assert "slug" in columns(project.database, schema, "buildings_building")
    assert set(run.states.values()) <= {"migrated", "current"}


def test_a_squash_that_cannot_be_completed_in_one_schema_does_not_stop_the_others(current: Project) -> None:
    squash(current, "0004_squashed_0005", "0004_membership_index", "0005_building_slug")
    for name in ("0004_membership_index", "0005_building_slug"):
        (current.folder / "buildings" / "migrations" / f"{name}.py").unlink()
    forget(current, "athena", "buildings", "0005_building_slug")
    run = current.run("--no-collectstatic")

    assert (run.code, run.states["athena"], run.states["kypseli"]) == (7, "failed", "migrated"), run.text
    assert "0005_building_slug" in run.outcome("athena")["message"]
