"""What follows from a finding: whether it was accepted, and what a release does and leaves alone."""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import TENANTS
from tests.support.release import Project, Run
from tests.support.schemas import columns, everything
from tests.support.unwell import borrowed

from .test_verification import MEMBERSHIP, configure, drop, judged

pytestmark = pytest.mark.xdist_group("findings")  # what several tests look at is released once

GHOST = "recorded as migrated, but not there"

# What was accepted.


def accept(project: Project, id: str, schema: str, object: str) -> None:
    """Declare a finding harmless."""
    entry = {"id": id, "schema": schema, "object": object, "reason": "moves next week"}
    configure(project, ACCEPT=[entry])


def test_an_accepted_finding_is_no_error_and_shows_the_reason(current: Project) -> None:
    accept(current, "table.ghost", "ath*", MEMBERSHIP)
    drop(current, MEMBERSHIP)
    run = current.run("verify")

    assert (run.code, judged(run)) == (0, [("table.ghost", "accepted", "athena", MEMBERSHIP)])
    assert "accepted: moves next week" in run.event("finding.reported")["message"]


def test_a_finding_is_accepted_only_when_all_of_it_matches(current: Project) -> None:
    """Not by its id, its schema or its object alone."""
    names = ("id", "schema", "object", "reason")
    entries = [
        ("table.masked", "*", MEMBERSHIP, "moves"),
        ("table.ghost", "kyp*", MEMBERSHIP, "moves"),
        ("table.ghost", "*", "buildings_building", "moves"),
    ]
    configure(current, ACCEPT=[dict(zip(names, entry, strict=True)) for entry in entries])
    drop(current, MEMBERSHIP)

    assert current.run("verify").code == 8


def test_accepting_a_masked_table_does_not_let_a_migration_reach_the_shared_one(past: Project) -> None:
    accept(past, "table.masked", "*", "*")
    past.database.sql("ALTER TABLE athena.announcements_announcement SET SCHEMA public")
    before = columns(past.database, "public", "announcements_announcement")
    run = past.run("--no-collectstatic")

    assert run.states["athena"] == "failed"
    assert columns(past.database, "public", "announcements_announcement") == before


# What it means for a release.


def foreseen(project: Project, *words: str) -> str:
    """How a release would end, as a plan says that has found errors."""
    return str(project.run("plan", *words).event("release.foreseen")["message"])


ANNOUNCEMENT = "announcements_announcement"
Seen = tuple[tuple[str, object], list[str]]  # all of athena, and the columns of the shared table


def seen(project: Project) -> Seen:
    """What a release must leave as it was."""
    return everything(project.database, "athena"), columns(project.database, "public", ANNOUNCEMENT)


@pytest.fixture(scope="module")
def masked(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, Seen, Run]]:
    """Athena's announcements live in the shared schema by mistake, and migrations of that app are pending.

    What there was before the release, and the release.
    """
    with borrowed(server, template(*TENANTS), tmp_path_factory.mktemp("masked")) as project:
        project.database.sql(f"ALTER TABLE athena.{ANNOUNCEMENT} SET SCHEMA public")
        before = seen(project)
        yield project, before, project.run("--no-collectstatic")


def test_a_masked_schema_with_pending_work_in_that_app_is_not_touched(
    masked: tuple[Project, Seen, Run],
) -> None:
    """Nor is the shared table of the same name."""
    project, before, run = masked

    assert (run.code, run.states["athena"]) == (7, "failed"), run.text
    assert run.outcome("athena")["message"] == (
        "not touched: table.masked announcements_announcement"
        " (not there, so that migrations would change the one in the shared schema)"
    )
    assert seen(project) == before


def test_the_others_are_migrated_while_one_is_masked(masked: tuple[Project, Seen, Run]) -> None:
    run = masked[2]

    assert (run.states["kypseli"], run.states["piraeus"]) == ("migrated", "migrated")
    assert [cause["exit_code"] for cause in run.report["causes"]] == [7, 8]


def test_a_masked_schema_can_be_migrated_after_the_table_was_put_back(
    masked: tuple[Project, Seen, Run], another: Callable[[Project], Project]
) -> None:
    project = another(masked[0])
    project.database.sql(f"ALTER TABLE public.{ANNOUNCEMENT} SET SCHEMA athena")
    run = project.run("--no-collectstatic", "--schema", "athena")

    assert (run.code, run.states["athena"]) == (0, "migrated"), run.text


def test_a_ghost_with_pending_work_in_that_app_is_not_touched(past: Project) -> None:
    drop(past, MEMBERSHIP)
    before = everything(past.database, "athena")
    assert foreseen(past) == "A release would end with exit code 7: athena would not be migrated."
    run = past.run("--no-collectstatic")

    assert (run.code, run.states["athena"]) == (7, "failed"), run.text
    assert run.outcome("athena")["message"] == f"not touched: table.ghost {MEMBERSHIP} ({GHOST})"
    assert everything(past.database, "athena") == before


def test_verify_warn_does_not_let_a_ghost_be_migrated(past: Project) -> None:
    drop(past, MEMBERSHIP)

    assert past.run("--no-collectstatic", "--verify", "warn").states["athena"] == "failed"


def test_a_ghost_in_an_app_without_pending_work_does_not_hold_the_schema_up(past: Project) -> None:
    """It is told as known from before the first write."""
    drop(past, MEMBERSHIP)
    expected = "A release would end with exit code 8: 1 error would be left."
    assert foreseen(past, "--app", "announcements") == expected
    run = past.run("--no-collectstatic", "--app", "announcements")

    assert (run.code, run.states["athena"]) == (8, "migrated"), run.text
    assert past.database.applied("athena", "announcements")[-1] == "0003_announcement_pinned"
    assert [(f["object"], f["known"]) for f in run.report["findings"]] == [(MEMBERSHIP, True)]
    assert "known before this release" in run.event("finding.reported")["message"]


def test_a_migration_does_not_point_at_the_shared_table_of_another_app(past: Project) -> None:
    # announcements.0002 refers to buildings_building, in whose app nothing is pending here.
    drop(past, "buildings_building")
    past.database.sql("CREATE TABLE public.buildings_building (id bigint PRIMARY KEY)")
    past.run("--no-collectstatic", "--app", "announcements")

    pointing = "SELECT count(*) FROM pg_constraint WHERE confrelid = 'public.buildings_building'::regclass"
    assert past.database.sql(pointing) == "0"


def test_a_ghost_in_the_shared_schema_with_pending_work_in_that_app_stops_the_release(past: Project) -> None:
    drop(past, "users_user_groups", "public")
    before = everything(past.database)
    expected = "A release would end with exit code 6: public would not be touched, and no tenant either."
    assert foreseen(past) == expected
    run = past.run()

    assert run.code == 6, run.text
    assert run.outcome("public")["message"] == f"not touched: table.ghost users_user_groups ({GHOST})"
    assert everything(past.database) == before


def test_a_ghost_in_the_shared_schema_elsewhere_fails_the_release_at_the_end(past: Project) -> None:
    drop(past, "django_session", "public")
    run = past.run("--no-collectstatic", "--schema", "public", "--schema", "athena", "--app", "users")

    assert run.code == 8, run.text
    assert run.states["public"] == "migrated"


def test_a_finding_that_the_release_made_is_not_known(current: Project) -> None:
    lose = f"migrations.RunSQL('DROP TABLE {MEMBERSHIP}')"
    current.migration("announcements", "0004_lose", "0003_announcement_pinned", lose)
    drop(current, "announcements_announcement_audience", "kypseli")
    run = current.run("--no-collectstatic", "--schema", "athena")

    assert run.code == 8, run.text
    assert [(f["schema"], f["object"], f["known"]) for f in run.report["findings"]] == [
        ("athena", MEMBERSHIP, False)
    ]


def test_a_release_with_nothing_pending_still_finds_what_is_missing(current: Project) -> None:
    drop(current, MEMBERSHIP)
    run = current.run("--no-collectstatic")

    assert (run.code, run.states["athena"]) == (8, "current")
    assert [f["known"] for f in run.report["findings"]] == [True]


def test_verify_warn_reports_and_does_not_fail(current: Project) -> None:
    drop(current, MEMBERSHIP)
    run = current.run("--no-collectstatic", "--verify", "warn")

    assert run.code == 0, run.text
    assert run.findings("table.ghost") == [("athena", MEMBERSHIP)]


def test_an_accepted_finding_does_not_fail_a_release(current: Project) -> None:
    accept(current, "table.ghost", "athena", MEMBERSHIP)
    drop(current, MEMBERSHIP)

    assert current.run("--no-collectstatic").code == 0


# How grave it is.


def test_a_finding_is_accepted_until_its_day(current: Project) -> None:
    entry = {"id": "table.ghost", "schema": "athena", "object": MEMBERSHIP, "reason": "moves"}
    configure(current, ACCEPT=[{**entry, "expires": "2999-12-31"}])
    drop(current, MEMBERSHIP)

    assert current.run("verify").code == 0


def test_a_finding_is_an_error_again_after_its_day_and_says_so(current: Project) -> None:
    entry = {"id": "table.ghost", "schema": "athena", "object": MEMBERSHIP, "reason": "moves"}
    configure(current, ACCEPT=[{**entry, "expires": "2026-01-31"}])
    drop(current, MEMBERSHIP)
    run = current.run("verify")

    assert run.code == 8
    assert "(accepted until 2026-01-31: moves)" in run.event("finding.reported")["message"]


@pytest.mark.parametrize(("severity", "code"), [("error", 8), ("warning", 0)])
def test_the_settings_say_how_grave_a_finding_is(current: Project, severity: str, code: int) -> None:
    configure(current, SEVERITY={"table.gh*": severity})
    drop(current, MEMBERSHIP)
    run = current.run("verify")

    assert (run.code, judged(run)) == (code, [("table.ghost", severity, "athena", MEMBERSHIP)])


@pytest.mark.parametrize(
    "options",
    [{"SEVERITY": {"table.ghost": "fatal"}}, {"ACCEPT": [dict.fromkeys(("id", "schema", "object"), "*")]}],
    ids=["severity", "no reason"],
)
def test_a_judgement_that_cannot_be_understood_is_refused(current: Project, options: dict) -> None:
    configure(current, **options)

    assert current.run("verify").code == 2


def test_a_day_that_is_none_is_refused(current: Project) -> None:
    entry = {"id": "*", "schema": "*", "object": "*", "reason": "moves", "expires": "soon"}
    configure(current, ACCEPT=[entry])
    run = current.run("verify")

    assert (run.code, "a day like 2027-03-31" in run.text) == (2, True)
