"""--schema, --exclude, --shared-only, --tenants-only, --app: narrowing a release, never going backwards."""

from tests.support.release import Project
from tests.support.schemas import everything, held_open

TENANTS = ("athena", "kypseli", "piraeus")


def level(project: Project, schema: str) -> tuple[str, str]:
    """The newest migration of the tenant apps in a schema."""
    return tuple(project.database.applied(schema, app)[-1] for app in ("announcements", "buildings"))


PAST = ("0001_initial", "0003_building_address")
NEWEST = ("0003_announcement_pinned", "0006_fill_slugs")


def test_schema_narrows_the_release_to_that_schema(past: Project) -> None:
    run = past.run("--no-collectstatic", "--schema", "athena")

    assert run.code == 0, run.text
    assert run.states == {
        "public": "skipped",
        "athena": "migrated",
        "kypseli": "skipped",
        "piraeus": "skipped",
    }
    assert [level(past, name) for name in TENANTS] == [NEWEST, PAST, PAST]


def test_schema_can_be_given_twice(past: Project) -> None:
    run = past.run("--no-collectstatic", "--schema", "athena", "--schema", "public")

    assert run.states == {
        "public": "migrated",
        "athena": "migrated",
        "kypseli": "skipped",
        "piraeus": "skipped",
    }


def test_leaving_a_current_shared_schema_out_is_no_warning(current: Project) -> None:
    assert current.run("--no-collectstatic", "--tenants-only").named("shared.left_out") == []


def test_exclude_leaves_that_schema_alone(past: Project) -> None:
    run = past.run("--no-collectstatic", "--exclude", "athena", "--exclude", "piraeus")

    assert run.states == {
        "public": "migrated",
        "athena": "skipped",
        "kypseli": "migrated",
        "piraeus": "skipped",
    }
    assert [level(past, name) for name in TENANTS] == [PAST, NEWEST, PAST]


def test_exclude_wins_over_schema(past: Project) -> None:
    run = past.run("--no-collectstatic", "--schema", "athena", "--schema", "kypseli", "--exclude", "athena")

    assert run.states == {
        "public": "skipped",
        "athena": "skipped",
        "kypseli": "migrated",
        "piraeus": "skipped",
    }


def test_shared_only_migrates_no_tenant(past: Project) -> None:
    run = past.run("--no-collectstatic", "--shared-only")

    assert run.code == 0, run.text
    assert run.states == {"public": "migrated"} | dict.fromkeys(TENANTS, "skipped")
    assert level(past, "athena") == PAST


def test_tenants_only_leaves_the_shared_schema_alone_and_warns_where_that_is_pending(past: Project) -> None:
    run = past.run("--no-collectstatic", "--tenants-only")

    assert run.code == 0, run.text
    assert run.states == {"public": "skipped"} | dict.fromkeys(TENANTS, "migrated")
    assert past.database.applied("public", "users") == ["0001_initial"]
    event = run.event("shared.left_out")
    assert event["level"] == "warn"
    assert "public" in event["message"]


def test_a_narrowed_release_reports_findings_of_its_own_schemas_alone(current: Project) -> None:
    current.database.sql("DROP TABLE kypseli.buildings_buildingmembership")

    assert current.run("--no-collectstatic", "--schema", "athena").code == 0
    assert current.run("--no-collectstatic", "--schema", "kypseli").code == 8


def test_app_migrates_that_app_alone(past: Project) -> None:
    run = past.run("--no-collectstatic", "--app", "announcements")

    assert run.code == 0, run.text
    assert run.outcome("athena")["applied"] == [
        "announcements.0002_announcement_audience",
        "announcements.0003_announcement_pinned",
    ]
    assert level(past, "athena") == ("0003_announcement_pinned", "0003_building_address")


def test_app_brings_along_what_it_depends_on(past: Project) -> None:
    past.migration("buildings", "0007_roof", "0006_fill_slugs", "migrations.RunSQL('SELECT 1')")
    past.write(
        "announcements/migrations/0004_roof.py",
        "from django.db import migrations\n\n\n"
        "class Migration(migrations.Migration):\n"
        "    dependencies = [\n"
        "        ('announcements', '0003_announcement_pinned'),\n"
        "        ('buildings', '0005_building_slug'),\n"
        "    ]\n"
        "    operations = []\n",
    )
    past.run("--no-collectstatic", "--app", "announcements")

    assert level(past, "athena") == ("0004_roof", "0005_building_slug")


def test_app_with_a_migration_goes_up_to_that_migration(past: Project) -> None:
    run = past.run("--no-collectstatic", "--app", "buildings", "0004_membership_index")

    assert run.code == 0, run.text
    assert level(past, "athena") == ("0001_initial", "0004_membership_index")


def test_a_prefix_names_the_migration_too(past: Project) -> None:
    run = past.run("--no-collectstatic", "--app", "buildings", "0005")

    assert run.code == 0, run.text
    assert level(past, "athena") == ("0001_initial", "0005_building_slug")


def test_a_schema_past_the_target_is_current_and_unchanged(current: Project) -> None:
    before = everything(current.database)
    run = current.run("--no-collectstatic", "--app", "buildings", "0004")

    assert run.code == 0, run.text
    assert run.states == dict.fromkeys(("public", *TENANTS), "current")
    assert everything(current.database) == before


def test_a_target_moves_those_behind_it_and_no_one_else(past: Project) -> None:
    past.run("--no-collectstatic", "--schema", "athena")
    run = past.run("--no-collectstatic", "--app", "buildings", "0004", "--tenants-only")

    assert run.states == {
        "public": "skipped",
        "athena": "current",
        "kypseli": "migrated",
        "piraeus": "migrated",
    }
    assert level(past, "athena") == NEWEST
    assert level(past, "kypseli") == ("0001_initial", "0004_membership_index")


def test_zero_is_refused_and_nothing_is_unapplied(current: Project) -> None:
    before = everything(current.database)
    run = current.run("--app", "buildings", "zero")

    assert run.code == 2
    assert "never" in run.event("release.failed")["message"]
    assert everything(current.database) == before


KNOWN = "Known: athena, kypseli, piraeus, public."
MIGRATIONS = "Known: 0001_initial, 0002_announcement_audience, 0003_"
UNKNOWN = {
    ("--schema", "sparta"): f"There is no schema 'sparta'. {KNOWN}",
    ("--exclude", "sparta"): f"There is no schema 'sparta'. {KNOWN}",
    ("--schema", "ATHENA"): f"There is no schema 'ATHENA'. {KNOWN}",
    ("--app", "lifts"): "There is no app 'lifts' with migrations. Known: admin, announcements, auth,",
    ("--app", "announcements", "0009"): MIGRATIONS,
    ("--app", "announcements", "000"): MIGRATIONS,
}


def test_an_unknown_name_is_a_usage_error_that_lists_the_known(past: Project) -> None:
    before = everything(past.database)
    for words, named in UNKNOWN.items():
        run = past.run(*words)
        assert run.code == 2, run.text
        assert named in run.event("release.failed")["message"]

    assert everything(past.database) == before


def test_a_schema_that_cannot_exist_yet_is_an_unknown_name_too(empty: Project) -> None:
    run = empty.run("--no-collectstatic", "--schema", "athena")

    assert run.code == 2, run.text


def test_a_row_without_a_schema_can_be_excluded(past: Project) -> None:
    past.database.sql("ALTER SCHEMA piraeus RENAME TO gone")
    run = past.run("--no-collectstatic", "--exclude", "piraeus", "--exclude", "gone")

    assert run.code == 0, run.text
    assert run.report["findings"] == []


def test_dry_run_is_the_plan(past: Project) -> None:
    before = everything(past.database)
    run, plan = past.run("--dry-run"), past.run("plan")

    assert (run.code, run.report["command"], run.report["pending"]) == (9, "plan", plan.report["pending"])
    assert everything(past.database) == before


def test_a_dry_run_can_be_narrowed(past: Project) -> None:
    run = past.run("--dry-run", "--schema", "athena", "--app", "buildings", "0004")

    assert run.report["pending"] == [
        {"migrations": ["buildings.0004_membership_index"], "schemas": ["athena"]}
    ]


def lock_all_of_athena(project: Project) -> str:
    """All but what every look reads: records, content types and permissions."""
    read = {"django_migrations", "django_content_type", "auth_permission"}
    locked = ", ".join(f"athena.{table}" for table in project.database.tables("athena") - read)
    return f"LOCK TABLE {locked} IN ACCESS EXCLUSIVE MODE"


def test_a_schema_with_nothing_pending_is_not_opened(past: Project) -> None:
    past.run("--no-collectstatic", "--schema", "athena")
    with held_open(past.database, lock_all_of_athena(past)):
        run = past.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert run.states == {
        "public": "migrated",
        "athena": "current",
        "kypseli": "migrated",
        "piraeus": "migrated",
    }


def test_a_schema_left_out_is_not_opened(past: Project) -> None:
    with held_open(past.database, lock_all_of_athena(past)):
        run = past.run("--no-collectstatic", "--exclude", "athena")

    assert run.code == 0, run.text
    assert run.states["athena"] == "skipped"
