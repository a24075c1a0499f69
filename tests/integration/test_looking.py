"""plan, verify, check and check --start: what they conclude, and that they never write."""

from collections.abc import Callable, Iterator
from functools import cache
from urllib.parse import urlsplit

import pytest

from tests.conftest import TENANTS
from tests.support.release import Database, Project, Run
from tests.support.schemas import everything
from tests.support.server import psql
from tests.support.unwell import borrowed

pytestmark = pytest.mark.xdist_group("looking")  # each state is built once, and looked at by each command

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
    return pytest.mark.parametrize(("command", "code"), list(zip(LOOKING, codes, strict=True)), ids=LOOKING)


def unwell(project: Project, schema: str, table: str = "buildings_buildingmembership") -> None:
    """Take a table away."""
    project.database.sql(f"DROP TABLE {schema}.{table}")


def behind(project: Project, schema: str, app: str = "buildings") -> None:
    """Take the newest record of an app away."""
    newest = f"(SELECT max(id) FROM {schema}.django_migrations WHERE app = '{app}')"
    project.database.sql(f"DELETE FROM {schema}.django_migrations WHERE id = {newest}")


Looked = dict[str, Run]  # by their command


def look(project: Project) -> Looked:
    """Run each of them."""
    return {command: project.run(*words) for command, words in LOOKING.items()}


# Exit codes.


# What is done to a database in which all is well.
STATES: dict[str, Callable[[Project], None]] = {
    "well": lambda _: None,
    "one behind": lambda project: behind(project, "athena"),
    "one unwell": lambda project: unwell(project, "athena"),
    "shared unwell": lambda project: unwell(project, "public", "django_session"),
}


@pytest.fixture(scope="module")
def looked(
    server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Looked]:
    """What is said of each of the states; it is built once."""

    @cache
    def look_at(state: str) -> Looked:
        with borrowed(server, current_template, tmp_path_factory.mktemp("looked")) as project:
            STATES[state](project)
            return look(project)

    return look_at


@pytest.fixture(scope="module")
def all_behind(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Looked, bool]]:
    """And whether the database is as it was before."""
    with borrowed(server, template(*TENANTS), tmp_path_factory.mktemp("all_behind")) as project:
        before = everything(project.database)
        yield look(project), everything(project.database) == before


@exits(0, 0, 0, 0, 0)
def test_when_all_is_well_the_exit_code_is_zero(
    looked: Callable[[str], Looked], command: str, code: int
) -> None:
    run = looked("well")[command]

    assert (run.code, run.report["causes"], run.report["findings"]) == (code, [], []), run.text


@exits(9, 0, 9, 9, 9)
def test_pending_work_in_every_schema(all_behind: tuple[Looked, bool], command: str, code: int) -> None:
    assert all_behind[0][command].code == code


@exits(9, 0, 9, 0, 9)
def test_pending_work_in_one_tenant(looked: Callable[[str], Looked], command: str, code: int) -> None:
    assert looked("one behind")[command].code == code


@exits(0, 8, 8, 0, 0)
def test_a_missing_table_in_one_tenant(looked: Callable[[str], Looked], command: str, code: int) -> None:
    assert looked("one unwell")[command].code == code


@exits(0, 8, 8, 8, 0)
def test_a_missing_table_in_the_shared_schema(
    looked: Callable[[str], Looked], command: str, code: int
) -> None:
    assert looked("shared unwell")[command].code == code


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


def test_check_start_names_the_tenant_that_is_behind_as_an_error(looked: Callable[[str], Looked]) -> None:
    run = looked("one behind")["check --start"]

    event = run.event("migrations.pending")
    assert (run.code, event["level"]) == (0, "error")
    assert event["message"] == "athena: 1 pending (buildings.0006_fill_slugs)"


def test_check_start_names_the_tenant_that_lacks_a_table_as_an_error(looked: Callable[[str], Looked]) -> None:
    run = looked("one unwell")["check --start"]

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


def test_with_inconsistent_records_in_a_tenant_check_start_passes_and_check_does_not(
    current: Project,
) -> None:
    current.database.sql(
        "DELETE FROM athena.django_migrations WHERE app = 'buildings' AND name = '0002_buildingmembership'"
    )
    run = current.run("check", "--start")

    assert run.code == 0, run.text
    assert run.findings("records.inconsistent")[0][0] == "athena"
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


def test_looking_changes_nothing_in_a_database_that_is_behind(all_behind: tuple[Looked, bool]) -> None:
    assert all_behind[1]


def test_looking_changes_nothing_in_an_empty_database(empty: Project) -> None:
    before = everything(empty.database)
    runs = [empty.run(*command) for command in LOOKING.values()]

    assert {run.code for run in runs} <= {0, 9}, [run.text for run in runs]
    assert everything(empty.database) == before
    assert empty.database.tables("public") == set()


@pytest.fixture
def readable(server: str, current: Project, new_role: Callable[[Database], str]) -> Iterator[Project]:
    """To a role that may do no more than that, in a database that allows nothing else."""
    current.url = new_role(current.database)
    name = current.database.sql("SELECT current_database()")
    psql(server, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    yield current
    psql(server, f'ALTER DATABASE "{name}" RESET default_transaction_read_only')


def test_looking_needs_no_more_than_select_and_usage_in_a_database_that_allows_reading_only(
    readable: Project,
) -> None:
    for run in look(readable).values():
        assert (run.code, run.report["findings"]) == (0, []), run.text
