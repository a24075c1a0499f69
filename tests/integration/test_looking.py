"""plan, verify, check and check --start: what they conclude, and that they never write."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from tests.support.release import Database, Project
from tests.support.schemas import everything

LOOKING = {
    "plan": ("plan",),
    "verify": ("verify",),
    "check": ("check",),
    "check --start": ("check", "--start"),
    "--dry-run": ("--dry-run",),
}
each_command = pytest.mark.parametrize("command", list(LOOKING.values()), ids=list(LOOKING))


def exits(*codes: int) -> pytest.MarkDecorator:
    """Each command with the exit code expected of it."""
    return pytest.mark.parametrize(
        ("command", "code"), list(zip(LOOKING.values(), codes, strict=True)), ids=list(LOOKING)
    )


def unwell(project: Project, schema: str) -> None:
    """Take a table away."""
    project.database.sql(f"DROP TABLE {schema}.buildings_buildingmembership")


def behind(project: Project, schema: str, app: str = "buildings") -> None:
    """Take the newest record of an app away."""
    newest = f"(SELECT max(id) FROM {schema}.django_migrations WHERE app = '{app}')"
    project.database.sql(f"DELETE FROM {schema}.django_migrations WHERE id = {newest}")


# Exit codes.


@exits(0, 0, 0, 0, 0)
def test_when_all_is_well_the_exit_code_is_zero(
    current: Project, command: tuple[str, ...], code: int
) -> None:
    run = current.run(*command)

    assert (run.code, run.report["causes"], run.report["findings"]) == (code, [], []), run.text


@exits(9, 0, 9, 9, 9)
def test_pending_work_in_every_schema(past: Project, command: tuple[str, ...], code: int) -> None:
    assert past.run(*command).code == code


@exits(9, 0, 9, 0, 9)
def test_pending_work_in_one_tenant(current: Project, command: tuple[str, ...], code: int) -> None:
    behind(current, "athena")

    assert current.run(*command).code == code


@exits(0, 8, 8, 0, 0)
def test_a_missing_table_in_one_tenant(current: Project, command: tuple[str, ...], code: int) -> None:
    unwell(current, "athena")

    assert current.run(*command).code == code


@exits(0, 8, 8, 8, 0)
def test_a_missing_table_in_the_shared_schema(current: Project, command: tuple[str, ...], code: int) -> None:
    current.database.sql("DROP TABLE public.django_session")

    assert current.run(*command).code == code


def test_check_with_pending_work_and_a_missing_table_is_eight_and_lists_both(current: Project) -> None:
    unwell(current, "athena")
    behind(current, "kypseli")
    run = current.run("check")

    assert run.code == 8
    assert sorted(cause["exit_code"] for cause in run.report["causes"]) == [8, 9]


@each_command
def test_an_unreachable_database_is_exit_code_three(current: Project, command: tuple[str, ...]) -> None:
    gone = urlsplit(current.database.url)._replace(path="/no_such_database").geturl()

    assert current.run(*command, DATABASE_URL=gone).code == 3


# What is said.


def test_the_plan_groups_schemas_with_the_same_pending_migrations(past: Project) -> None:
    past.run("--no-collectstatic", "--app", "buildings", "0005", "--schema", "athena")
    run = past.run("plan", "--app", "buildings", "--tenants-only")

    assert run.report["pending"] == [
        {"migrations": ["buildings.0006_fill_slugs"], "schemas": ["athena"]},
        {
            "migrations": [
                "buildings.0004_membership_index",
                "buildings.0005_building_slug",
                "buildings.0006_fill_slugs",
            ],
            "schemas": ["kypseli", "piraeus"],
        },
    ]


def test_check_start_names_the_tenant_that_is_behind_as_an_error(current: Project) -> None:
    behind(current, "athena")
    run = current.run("check", "--start")

    event = run.event("migrations.pending")
    assert (run.code, event["level"]) == (0, "error")
    assert event["message"] == "athena: 1 pending (buildings.0006_fill_slugs)"


def test_check_start_names_the_tenant_that_lacks_a_table_as_an_error(current: Project) -> None:
    unwell(current, "athena")
    run = current.run("check", "--start")

    event = run.event("finding.reported")
    assert (run.code, event["level"]) == (0, "error")
    assert event["message"].startswith("table.ghost buildings_buildingmembership in athena")


def test_check_start_holds_up_for_a_column_that_the_shared_schema_lacks(current: Project) -> None:
    current.database.sql("ALTER TABLE public.users_user DROP COLUMN last_login")

    assert current.run("check", "--start").code == 8


def test_check_start_reads_no_columns_of_tenants_and_says_so(current: Project) -> None:
    current.database.sql("ALTER TABLE athena.announcements_announcement DROP COLUMN pinned")
    start, check = current.run("check", "--start"), current.run("check")

    assert (start.code, start.report["findings"]) == (0, []), start.text
    assert "Not looked at: the tenants' columns" in start.event("check.narrowed")["message"]
    assert check.findings("column.missing") == [("athena", "announcements_announcement.pinned")]
    assert check.named("check.narrowed") == []


def test_check_start_holds_up_for_a_pending_shared_schema(current: Project) -> None:
    behind(current, "public", "users")

    assert current.run("check", "--start").code == 9


def test_check_start_passes_with_inconsistent_records_in_a_tenant(current: Project) -> None:
    current.database.sql(
        "DELETE FROM athena.django_migrations WHERE app = 'buildings' AND name = '0002_buildingmembership'"
    )
    run = current.run("check", "--start")

    assert run.code == 0, run.text
    assert run.findings("records.inconsistent")[0][0] == "athena"


def test_check_is_not_satisfied_by_inconsistent_records_in_a_tenant(current: Project) -> None:
    current.database.sql(
        "DELETE FROM athena.django_migrations WHERE app = 'buildings' AND name = '0002_buildingmembership'"
    )

    assert current.run("check").code == 8


def test_check_start_passes_with_a_tenant_that_the_role_may_not_read(
    current: Project, new_role: Callable[[Database], str]
) -> None:
    url = new_role(current.database)
    role = urlsplit(url).username
    current.database.sql(f"REVOKE ALL ON SCHEMA athena FROM {role}")
    run = current.run("check", "--start", DATABASE_URL=url)

    assert run.code == 0, run.text
    assert any(event["level"] == "error" and "athena" in event["message"] for event in run.events)


def test_check_start_passes_with_a_tenant_whose_records_cannot_be_read(current: Project) -> None:
    current.database.sql("ALTER TABLE athena.django_migrations RENAME COLUMN name TO label")
    run = current.run("check", "--start")

    assert run.code == 0, run.text
    assert any(event["level"] == "error" and "athena" in event["message"] for event in run.events)


def test_a_release_migrates_the_others_when_the_records_of_one_cannot_be_read(past: Project) -> None:
    past.database.sql("ALTER TABLE athena.django_migrations RENAME COLUMN name TO label")
    run = past.run("--no-collectstatic")

    assert run.code == 7, run.text
    assert run.states == {
        "public": "migrated",
        "athena": "failed",
        "kypseli": "migrated",
        "piraeus": "migrated",
    }


# Never writing.


def test_looking_changes_nothing_in_a_database_that_is_behind(past: Project) -> None:
    before = everything(past.database)
    for command in LOOKING.values():
        past.run(*command)

    assert everything(past.database) == before


def test_looking_changes_nothing_in_an_empty_database(empty: Project) -> None:
    before = everything(empty.database)
    runs = [empty.run(*command) for command in LOOKING.values()]

    assert {run.code for run in runs} <= {0, 9}, [run.text for run in runs]
    assert everything(empty.database) == before
    assert empty.database.tables("public") == set()


@each_command
def test_looking_needs_no_more_than_select_and_usage(
    current: Project, new_role: Callable[[Database], str], command: tuple[str, ...]
) -> None:
    run = current.run(*command, DATABASE_URL=new_role(current.database))

    assert (run.code, run.report["findings"]) == (0, []), run.text


@each_command
def test_looking_works_in_a_database_that_allows_reading_only(
    current: Project, command: tuple[str, ...]
) -> None:
    name = current.database.sql("SELECT current_database()")
    current.database.sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')

    assert current.run(*command).code == 0
