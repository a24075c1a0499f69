"""status: where no release can start, for what it is asked, and at hundreds of tenants."""

from collections.abc import Iterator

import pytest

from tests.integration.conftest import MANY
from tests.integration.test_history import forget, record
from tests.integration.test_status import LAST, behind
from tests.support.release import Project
from tests.support.schemas import everything
from tests.support.status import counts, migrations, said, schemas
from tests.support.unwell import borrowed

# When no release can start.


def test_a_gap_in_the_shared_records_does_not_hide_the_status(current: Project) -> None:
    forget(current, "public", "users", "0001_initial")
    run = current.run("status")

    (message,) = said(run, "release.obstructed")
    assert message.startswith(
        "No release can start: the shared schema's records are inconsistent: admin.0001_"
    )
    assert "before its dependency users.0001_initial" in message
    assert counts(run, "users", "0001_initial") == (False, 3, 3)


def test_conflicting_migrations_do_not_hide_the_status(current: Project) -> None:
    current.migration("buildings", "0006_other", "0005_building_slug", "")
    run = current.run("status")

    (message,) = said(run, "release.obstructed")
    assert "conflicting migrations on disk: 0006_fill_slugs, 0006_other in buildings" in message
    assert counts(run, "buildings", "0006_fill_slugs") == (True, 3, 3)
    assert counts(run, "buildings", "0006_other") == (False, 0, 3)


def test_unreadable_records_of_the_shared_schema_do_not_hide_the_tenants(current: Project) -> None:
    current.database.sql("ALTER TABLE public.django_migrations RENAME COLUMN app TO application")
    run = current.run("status")

    assert "the records of the shared schema cannot be read" in said(run, "release.obstructed")[0]
    assert counts(run, "users", "0001_initial") == (None, 3, 3)


def test_what_cannot_be_released_is_not_suggested(past: Project) -> None:
    assert len(said(past.run("status"), "release.hinted")) == 1
    forget(past, "public", "users", "0001_initial")

    assert said(past.run("status"), "release.hinted") == []


def test_a_database_before_its_first_release_has_nothing(empty: Project) -> None:
    run = empty.run("status")

    assert schemas(run)[0].startswith("shared schema public: nothing recorded, ")
    assert len(said(run, "tenants.unknown")) == 1
    assert "buildings_building" not in empty.database.tables("public")


# What is asked for.


def test_one_schema_is_shown_alone(current: Project) -> None:
    behind(current, "kypseli")
    run = current.run("status", "--schema", "kypseli")

    assert schemas(run) == [f"tenant kypseli: 1 pending ({LAST})"]
    assert "announcements [tenants] 0003_announcement_pinned: not applied" in migrations(run)
    assert counts(run, "announcements", "0003_announcement_pinned") == (None, 0, 1)


def test_one_app_is_shown_alone(past: Project) -> None:
    run = past.run("status", "--app", "buildings")

    assert [entry["app"] for entry in run.report["status"]["apps"]] == ["buildings"]
    assert {app for one in run.report["status"]["cohorts"] for app in one["applied"]} == {"buildings"}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--app", "lifts"), "There is no app 'lifts' with migrations."),
        (("--schema", "lifts"), "There is no schema 'lifts'."),
        (("--app", "buildings", "0004"), "status takes --app with a label alone."),
    ],
)
def test_an_unknown_name_is_a_clear_error(current: Project, words: tuple[str, ...], text: str) -> None:
    run = current.run("status", *words)

    assert run.code == 2
    assert text in run.event("release.failed")["message"]


def test_each_schema_has_a_line_with_all_that_it_lacks(past: Project) -> None:
    lines = said(past.run("status", "--schemas", "--app", "buildings"), "schema.listed")

    assert lines == [
        "shared schema public: 6 of 6 applied",
        *(
            f"tenant {name}: 3 of 6 applied; lacks buildings.0004_membership_index, "
            "buildings.0005_building_slug, buildings.0006_fill_slugs"
            for name in ("athena", "kypseli", "piraeus")
        ),
    ]


def test_the_document_has_every_record_of_every_schema(past: Project) -> None:
    record(past, "athena", "letters", "0001_initial")
    cohorts = past.run("status", "--json").report["status"]["cohorts"]

    applied = {name: one["applied"] for one in cohorts for name in one["schemas"]}
    assert sorted(applied) == ["athena", "kypseli", "piraeus", "public"]
    for schema, apps in applied.items():
        rows = past.database.lines(f"SELECT app || '.' || name FROM {schema}.django_migrations")
        assert sorted(f"{app}.{name}" for app, names in apps.items() for name in names) == sorted(rows)


def test_nothing_is_written(past: Project) -> None:
    before = everything(past.database)
    assert past.run("status").code == 0

    assert everything(past.database) == before


def test_other_documents_have_no_status(past: Project) -> None:
    assert "status" not in past.run("plan").report


# Many tenants.


@pytest.fixture(scope="module")
def varied(server: str, many_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Many more tenants, twenty of which lack one migration each, in many different ways."""
    with borrowed(server, many_template, tmp_path_factory.mktemp("varied")) as project:
        rows = project.database.lines("SELECT id FROM athena.django_migrations ORDER BY id DESC LIMIT 20")
        project.database.sql(
            "".join(
                f"DELETE FROM {name}.django_migrations WHERE id = {id};"
                for name, id in zip(MANY, rows, strict=False)
            )
        )
        yield project


@pytest.mark.xdist_group("many")
def test_many_tenants_in_many_states_fit_on_one_screen(varied: Project) -> None:
    run = varied.run("status", "--log-format", "console")

    assert run.code == 0
    assert len(run.text.splitlines()) <= 40, run.text
    assert "133 tenants (athena, kypseli, piraeus, tenant020, tenant021 and 128 more)" in run.text


@pytest.mark.xdist_group("many")
def test_what_does_not_fit_on_the_screen_is_counted_and_in_the_document(varied: Project) -> None:
    run = varied.run("status")

    assert migrations(run)[-1] == "7 more lines: --app LABEL shows one app, --json everything"
    assert schemas(run)[-1] == "14 schemas in 14 more groups: --schemas shows each"
    assert len(run.report["status"]["cohorts"]) == 22
    assert len(said(varied.run("status", "--schemas"), "schema.listed")) == len(MANY) + 4


@pytest.mark.xdist_group("many")
def test_what_a_release_cannot_fix_is_shown_before_what_it_can(varied: Project) -> None:
    levels = [event["level"] for event in varied.run("status").named("schemas.counted")]

    assert levels == ["info", "info", *["warn"] * 7]
