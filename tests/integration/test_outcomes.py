"""How each schema ends, and what one that fails does to the others and to the exit code."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.release import PROGRAM, Database, Project, Run
from tests.support.schemas import add_row, copy_schema, copy_tenant, everything
from tests.support.unwell import borrowed

# A release that more than one test looks at is made once.
pytestmark = [pytest.mark.versions, pytest.mark.server, pytest.mark.xdist_group("outcomes")]

Released = tuple[Project, Run]

AFTER = "Once that is put right, run again with"
TENANTS = ("athena", "kypseli", "piraeus")
PENDING_IN_PAST = [
    "announcements.0002_announcement_audience",
    "announcements.0003_announcement_pinned",
    "buildings.0004_membership_index",
    "buildings.0005_building_slug",
    "buildings.0006_fill_slugs",
]


def break_slugs(database: Database, *schemas: str) -> None:
    """Make buildings.0005_building_slug fail there."""
    for schema in schemas:
        database.sql(f'ALTER TABLE "{schema}".buildings_building ADD COLUMN slug text')


@pytest.fixture
def ordered(past: Project) -> Project:
    """Athena's turn is before Kypseli's, and Kypseli's before Piraeus'."""
    past.settings('TENANT_MIGRATION_ORDER = ["schema_name"]')
    return past


@pytest.fixture
def twenty(new_database: Callable[..., Database], template: Callable[..., str], tmp_path: Path) -> Project:
    """Twenty tenants, tenant01 to tenant19 and athena, of which tenant10 is going to fail."""
    database = new_database(template("athena"))
    copy_tenant(database, "athena", *(f"tenant{number:02}" for number in range(1, 20)))
    break_slugs(database, "tenant10")
    return Project(tmp_path / "project", database)


@pytest.fixture(scope="module")
def first(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    """The first deployment; to be looked at, or copied."""
    with borrowed(server, "template0", tmp_path_factory.mktemp("first")) as project:
        yield project, project.run()


@pytest.fixture(scope="module")
def one_fails(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Released]:
    """Kypseli has failed, and the others are migrated; to be looked at, or copied."""
    with borrowed(server, template(*TENANTS), tmp_path_factory.mktemp("fails")) as project:
        break_slugs(project.database, "kypseli")
        yield project, project.run("--no-collectstatic")


def test_a_first_deployment_creates_the_shared_schema_without_tables_of_tenants(first: Released) -> None:
    project, run = first

    assert run.code == 0, run.text
    assert run.states == {"public": "migrated"}
    tables = project.database.tables("public")
    assert {"tenants_client", "users_user", "django_migrations"} <= tables
    assert [name for name in tables if name.startswith(("buildings", "announcements"))] == []


def test_a_database_without_tenants_is_released_again(
    first: Released, another: Callable[[Project], Project]
) -> None:
    run = another(first[0]).run("--no-collectstatic")

    assert (run.code, run.states) == (0, {"public": "current"})


def test_a_release_migrates_every_tenant_to_the_newest_level_and_carries_rows_along(
    past: Project,
) -> None:
    run = past.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert run.states == {"public": "migrated"} | dict.fromkeys(TENANTS, "migrated")
    applied = [name for name in run.outcome("athena")["applied"] if name.startswith(("announc", "build"))]
    assert sorted(applied) == PENDING_IN_PAST
    slugs = past.database.lines("SELECT slug FROM athena.buildings_building ORDER BY id")
    assert slugs == ["athena-homes-1", "athena-homes-2"]


def test_a_schema_created_empty_gets_every_table(current: Project) -> None:
    add_row(current.database, "plaka")
    current.database.sql("CREATE SCHEMA plaka")
    run = current.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert run.states == {"public": "current", "plaka": "migrated"} | dict.fromkeys(TENANTS, "current")
    assert current.database.tables("plaka") == current.database.tables("athena")


def test_a_tenant_whose_app_was_never_migrated_gets_its_tables(past: Project) -> None:
    past.database.sql(
        "DROP TABLE kypseli.buildings_buildingmembership, kypseli.buildings_building;"
        "DELETE FROM kypseli.django_migrations WHERE app = 'buildings'"
    )
    run = past.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert "buildings_buildingmembership" in past.database.tables("kypseli")


def test_a_row_for_the_shared_schema_is_not_a_tenant(past: Project) -> None:
    add_row(past.database, "public")
    run = past.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert [one["schema"] for one in run.report["schemas"]].count("public") == 1
    assert run.states == {"public": "migrated"} | dict.fromkeys(TENANTS, "migrated")


def test_a_row_without_a_schema_is_skipped_with_a_warning_and_gets_none(past: Project) -> None:
    add_row(past.database, "votanikos")
    run = past.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert run.states["votanikos"] == "skipped"
    assert run.event("schemas.skipped")["level"] == "warn"
    assert run.findings("schema.missing") == [("votanikos", "schema")]
    assert past.database.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'votanikos'") == "0"


def test_a_schema_without_a_row_is_a_warning_and_left_alone(past: Project) -> None:
    copy_schema(past.database, "athena", "orphan")
    before = everything(past.database, "orphan")
    run = past.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert run.findings("schema.unowned") == [("orphan", "schema")]
    assert "orphan" not in run.states
    assert everything(past.database, "orphan") == before


def test_a_schema_of_something_else_is_no_finding(current: Project) -> None:
    current.database.sql("CREATE SCHEMA tiger; CREATE TABLE tiger.zip (id int)")
    run = current.run("verify")

    assert (run.code, run.report["findings"]) == (0, [])


def test_one_tenant_of_twenty_fails_and_the_others_are_migrated(twenty: Project) -> None:
    run = twenty.run("--no-collectstatic")

    assert run.code == 7, run.text
    assert run.report["counts"] == {"migrated": 20, "failed": 1}
    assert run.states["tenant10"] == "failed"
    assert twenty.database.applied("tenant19", "buildings")[-1] == "0006_fill_slugs"


def test_the_failure_names_migration_sqlstate_and_message(one_fails: Released) -> None:
    run = one_fails[1]
    outcome = run.outcome("kypseli")
    assert outcome["failed_at"] == "buildings.0005_building_slug"
    assert outcome["sqlstate"] == "42701"
    assert outcome["message"] == 'column "slug" of relation "buildings_building" already exists'
    event = run.event("schema.failed")
    assert (event["level"], event["schema"], event["migration"], event["sqlstate"]) == (
        "error",
        "kypseli",
        "buildings.0005_building_slug",
        "42701",
    )


def test_what_a_failed_tenant_had_applied_before_stays_applied_and_is_reported(past: Project) -> None:
    break_slugs(past.database, "kypseli")
    run = past.run("--no-collectstatic", "--app", "buildings")

    assert run.outcome("kypseli")["applied"] == ["buildings.0004_membership_index"]
    assert past.database.applied("kypseli", "buildings")[-1] == "0004_membership_index"


def test_a_failed_tenant_is_not_reported_as_migrated(one_fails: Released) -> None:
    run = one_fails[1]

    assert [e["schema"] for e in run.named("schema.migrated")] == ["public", "athena", "piraeus"]
    assert run.event("schemas.failed")["level"] == "error"
    assert [cause["exit_code"] for cause in run.report["causes"]] == [7]


def test_the_command_to_run_again_migrates_what_failed(
    one_fails: Released, another: Callable[[Project], Project]
) -> None:
    look, hint = [one["message"] for one in one_fails[1].named("release.hinted")]
    assert look.startswith(f"To see what is there already: {PROGRAM} repair --schema kypseli  # --apply")
    assert hint == f"{AFTER}: {PROGRAM} --no-collectstatic --schema kypseli"

    project = another(one_fails[0])
    project.database.sql("ALTER TABLE kypseli.buildings_building DROP COLUMN slug")
    again = project.run(*hint.partition(f": {PROGRAM} ")[2].split())
    assert again.code == 0, again.text
    assert again.states == {
        "public": "skipped",
        "athena": "skipped",
        "kypseli": "migrated",
        "piraeus": "skipped",
    }


def test_the_command_to_run_again_does_not_go_beyond_the_target(past: Project) -> None:
    break_slugs(past.database, "kypseli")
    run = past.run("--no-collectstatic", "--app", "buildings", "0005")
    hint = run.named("release.hinted")[-1]["message"]
    past.database.sql("ALTER TABLE kypseli.buildings_building DROP COLUMN slug")
    past.run("--no-collectstatic", *hint.partition(f": {PROGRAM} ")[2].split())

    assert past.database.applied("kypseli", "buildings")[-1] == "0005_building_slug"


def test_the_command_to_run_again_still_leaves_out_what_was_left_out(past: Project) -> None:
    many = [f"tenant{number}" for number in range(6)]
    copy_tenant(past.database, "athena", *many)
    break_slugs(past.database, *many)
    *_, hint = [
        one["message"]
        for one in past.run("--no-collectstatic", "--exclude", "athena").named("release.hinted")
    ]
    past.run("--no-collectstatic", *hint.partition(f": {PROGRAM} ")[2].split())

    assert past.database.applied("athena", "buildings")[-1] == "0003_building_address"


def test_on_error_stop_leaves_the_rest_not_reached_named_with_the_reason(ordered: Project) -> None:
    break_slugs(ordered.database, "athena")
    run = ordered.run("--no-collectstatic", "--on-error", "stop")

    assert run.code == 7
    assert run.states == {
        "public": "migrated",
        "athena": "failed",
        "kypseli": "not reached",
        "piraeus": "not reached",
    }
    assert ordered.database.applied("kypseli", "buildings")[-1] == "0003_building_address"
    message = run.event("schemas.not_reached")["message"]
    assert message == "2 schemas (kypseli, piraeus) not reached: stopped after 1 failed"
    first, *_, last = [one["message"] for one in run.named("release.hinted")]
    assert first.startswith("Run again with: ")
    assert first.endswith("--schema kypseli --schema piraeus")
    assert last.endswith("--schema athena")


def test_max_failures_stops_after_that_many(ordered: Project) -> None:
    break_slugs(ordered.database, "athena", "kypseli")
    run = ordered.run("--no-collectstatic", "--max-failures", "2")

    assert run.code == 7
    assert run.states["piraeus"] == "not reached"


def test_below_max_failures_the_release_goes_on(ordered: Project) -> None:
    break_slugs(ordered.database, "athena")
    run = ordered.run("--no-collectstatic", "--max-failures", "2")

    assert run.code == 7
    assert run.states["piraeus"] == "migrated"


def test_tolerated_failures_leave_the_exit_code_at_zero_and_are_still_reported(past: Project) -> None:
    break_slugs(past.database, "kypseli")
    run = past.run("--no-collectstatic", "--tolerate-failed", "1")

    assert run.code == 0, run.text
    assert run.states["kypseli"] == "failed"
    assert run.event("schema.failed")["schema"] == "kypseli"


def test_one_failure_more_than_tolerated_fails_the_release(past: Project) -> None:
    break_slugs(past.database, "athena", "kypseli")

    assert past.run("--no-collectstatic", "--tolerate-failed", "1").code == 7


def test_when_the_shared_schema_fails_no_tenant_is_touched(
    past: Project,
) -> None:
    past.database.sql("ALTER TABLE public.users_user ADD COLUMN phone text")
    before = everything(past.database, *TENANTS)
    run = past.run()
    outcome = run.outcome("public")

    assert run.code == 6
    assert run.states == {"public": "failed"} | dict.fromkeys(TENANTS, "not reached")
    assert (outcome["failed_at"], outcome["sqlstate"]) == ("users.0002_user_phone", "42701")
    assert everything(past.database, *TENANTS) == before


def test_a_failure_in_the_shared_schema_cannot_be_tolerated(past: Project) -> None:
    past.database.sql("ALTER TABLE public.users_user ADD COLUMN phone text")

    assert past.run("--tolerate-failed", "9").code == 6


def test_a_data_migration_that_raises_fails_its_tenant_only(past: Project) -> None:
    past.migration(
        "buildings",
        "0007_check",
        "0006_fill_slugs",
        "migrations.RunPython(check)",
        extra="def check(apps, editor):\n"
        "    if editor.connection.schema_name == 'kypseli':\n"
        "        raise ValueError('no lift')\n",
    )
    run = past.run("--no-collectstatic")

    assert run.code == 7
    outcome = run.outcome("kypseli")
    assert (outcome["failed_at"], outcome["sqlstate"], outcome["message"]) == (
        "buildings.0007_check",
        "",
        "no lift (ValueError in buildings/migrations/0007_check.py, line 6)",
    )
    assert run.states["piraeus"] == "migrated"


def test_tables_made_by_hand_fail_their_tenant_with_a_hint(current: Project) -> None:
    current.database.sql("DELETE FROM athena.django_migrations WHERE app = 'announcements'")
    run = current.run("--no-collectstatic")

    outcome = run.outcome("athena")
    assert (run.code, outcome["failed_at"], outcome["sqlstate"]) == (7, "announcements.0001_initial", "42P07")
    assert outcome["hint"].startswith("It is there already")
    assert outcome["first"] == "repair"


def test_a_column_made_by_hand_is_looked_at_first_by_repair_even_if_not_atomic(
    current: Project,
) -> None:
    field = "migrations.AddField('building', 'lift', models.TextField(null=True))"
    current.migration("buildings", "0007_lift", "0006_fill_slugs", f"{field}]\n    atomic = False\n    _ = [")
    current.database.sql("ALTER TABLE athena.buildings_building ADD lift text")
    run = current.run("--no-collectstatic")

    assert (run.code, run.outcome("athena")["first"]) == (7, "repair"), run.text
    assert "`repair` shows what of it is there" in run.outcome("athena")["hint"]
