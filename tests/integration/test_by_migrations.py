"""What SQL of a project's own migrations makes of its tables is no difference; what is unlike it is one."""

from collections.abc import Iterator

import pytest

from tests.support.own_sql import KINDS, describe
from tests.support.printed import decide, decisions
from tests.support.release import Project, Run
from tests.support.unwell import borrowed

from .test_verification import judged

pytestmark = pytest.mark.xdist_group("by_migrations")  # what they look at is made once

# As a clone of a template has them, and as time goes by.
_OTHER_NAMES = """
SET search_path = piraeus, public;
ALTER INDEX announcements_searched_words RENAME TO by_another_name;
ALTER TABLE announcements_kept RENAME CONSTRAINT announcements_kept_span_excl TO once;
ALTER TRIGGER guarded ON announcements_guarded RENAME TO a_guard;
ALTER POLICY everybody ON announcements_guarded RENAME TO anybody;
CREATE TABLE announcements_parted_2 PARTITION OF announcements_parted
    FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
"""
_MADE = [(id, "information", "", name) for kind in KINDS for id, name in kind.made]


@pytest.fixture(scope="module")
def kinds(server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Three healthy tenants with all kinds; one has other names for the same, and a partition more."""
    with borrowed(server, current_template, tmp_path_factory.mktemp("kinds")) as project:
        describe(project)
        run = project.run("--no-collectstatic", RELEASE_JOBS="2")
        assert run.code == 0, run.text
        project.database.sql(_OTHER_NAMES)
        yield project


def copied(server: str, kinds: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The same in another database."""
    name = kinds.database.url.rpartition("/")[2].partition("?")[0]
    with borrowed(server, name, tmp_path_factory.mktemp("copied")) as project:
        describe(project)
        yield project


@pytest.fixture(scope="module")
def healthy(kinds: Project) -> Run:
    return kinds.run("verify")


def test_what_migrations_make_is_told_once_for_all_schemas_and_names_do_not_count(healthy: Run) -> None:
    assert (healthy.code, sorted(judged(healthy))) == (0, sorted(_MADE)), healthy.text
    assert {one["schemas"] for one in healthy.report["findings"]} == {3}


def test_all_of_it_is_one_line(healthy: Run) -> None:
    (event,) = healthy.named("finding.reported")

    assert (event["level"], event["message"].partition(":")[0]) == (
        "info",
        "by the migrations, not by the models",
    )


def test_neither_repair_nor_doctor_has_anything_to_say_of_it(kinds: Project) -> None:
    repair, doctor = kinds.run("repair"), kinds.run("doctor")

    assert (repair.code, repair.report["remedies"]) == (0, [])
    assert not {id for id, *_ in _MADE} & {one["id"] for one in doctor.report["diagnosis"]}


@pytest.fixture(scope="module")
def one_unlike(server: str, kinds: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One tenant has lost all that SQL had made."""
    for project in copied(server, kinds, tmp_path_factory):
        project.database.sql("SET search_path = athena, public;" + ";".join(one.lost for one in KINDS))
        yield project.run("verify", RELEASE_JOBS="2")  # each connection reads a part of the catalog


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.model)
def test_a_schema_unlike_the_others_is_the_finding(one_unlike: Run, kind) -> None:
    table = f"announcements_{kind.model.lower()}"
    found = {(id, name) for id, severity, _, name in judged(one_unlike) if severity in ("error", "warning")}

    assert {one for one in found if one[1].startswith(table)} >= {kind.then}


def test_the_others_are_not_findings(one_unlike: Run) -> None:
    assert {schema for _, severity, schema, _ in judged(one_unlike) if severity != "information"} == {
        "athena"
    }


def test_what_is_of_another_kind_can_be_made_as_in_the_others_with_its_rows(
    server: str, kinds: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for project in copied(server, kinds, tmp_path_factory):
        lost = [one.lost for one in KINDS if one.model in ("Parted", "Viewed")]
        row = "INSERT INTO announcements_parted (day, code) VALUES ('2025-05-05', 7)"
        project.database.sql("; ".join(("SET search_path = athena, public", *lost, row)))
        for decision in decisions(project.run("repair", "--schema", "athena")):
            if decision.id == "table.kind":
                decide(project, decision.choices[0])

        assert not [one for one in judged(project.run("verify")) if one[:2] == ("table.kind", "error")]
        assert project.database.sql("SELECT code FROM athena.announcements_parted_1") == "7"


@pytest.fixture(scope="module")
def alone(server: str, kinds: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The only tenant."""
    for project in copied(server, kinds, tmp_path_factory):
        project.database.sql(
            "DELETE FROM tenants_domain; DELETE FROM tenants_client WHERE schema_name <> 'athena';"
            "DROP SCHEMA kypseli CASCADE; DROP SCHEMA piraeus CASCADE"
        )
        yield project


def test_with_a_single_schema_it_counts_as_theirs_where_such_sql_is_about_the_table(alone: Project) -> None:
    run = alone.run("verify")

    assert (run.code, sorted(judged(run))) == (0, sorted(_MADE)), run.text


def test_what_such_sql_cannot_have_made_is_found_in_a_single_schema(alone: Project) -> None:
    alone.database.sql(
        "SET search_path = athena, public;"
        "ALTER TABLE announcements_sorted DROP CONSTRAINT announcements_sorted_path_key;"
        "ALTER TABLE announcements_ruled DROP owner_id;"
        "ALTER TABLE announcements_packed ALTER path DROP NOT NULL;"
        "ALTER TABLE buildings_building DROP CONSTRAINT buildings_building_pkey CASCADE"
    )
    found = {(id, name) for id, severity, _, name in judged(alone.run("verify")) if severity == "error"}

    assert found >= {
        ("unique.missing", "announcements_sorted(path)"),
        ("column.missing", "announcements_ruled.owner_id"),
        ("column.null", "announcements_packed.path"),
        ("key.missing", "buildings_building(id)"),
    }


# What all schemas have lost is not made by migrations for that.


def test_keys_that_all_tenants_lost_with_a_key_of_the_shared_schema_are_findings(current: Project) -> None:
    current.database.sql(
        "ALTER TABLE users_user DROP CONSTRAINT users_user_pkey CASCADE;"
        "ALTER TABLE users_user ADD PRIMARY KEY (id)"
    )
    found = [(id, severity) for id, severity, *_ in judged(current.run("verify", "--tenants-only"))]

    assert found == [("foreign_key.missing", "error")] * 3


def test_a_change_that_was_recorded_everywhere_and_run_nowhere_is_a_finding(current: Project) -> None:
    longer = "migrations.AlterField('announcement', 'title', models.CharField(max_length=250))"
    current.migration("announcements", "0004_longer", "0003_announcement_pinned", longer)
    record = (
        "INSERT INTO {}.django_migrations (app, name, applied) VALUES ('announcements', '0004_longer', now())"
    )
    schemas = ("public", "athena", "kypseli", "piraeus")
    current.database.sql(";".join(record.format(schema) for schema in schemas))
    found = [(id, severity) for id, severity, *_ in judged(current.run("verify"))]

    assert found == [("column.type", "error")] * 3


@pytest.fixture(scope="module")
def without(server: str, kinds: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The tables of one tenant are gone."""
    for project in copied(server, kinds, tmp_path_factory):
        gone = "; ".join(
            f"DROP TABLE {name} CASCADE" for name in ("announcements_kept", "announcements_free")
        )
        project.database.sql(
            "SET search_path = athena, public; DROP VIEW announcements_viewed;"
            f"DROP TABLE announcements_parted CASCADE; {gone}"
        )
        yield project.run("repair")


def test_a_table_that_models_cannot_make_is_refused_with_the_migration_that_made_it(without: Run) -> None:
    (remedy,) = without.report["remedies"]
    refused = {one["object"]: one["why"] for one in remedy["refusals"]}

    assert "announcements.0004_kinds" in refused["announcements_parted"]
    assert "announcements.0004_kinds" in refused["announcements_viewed"]
    assert "announcements.0005_by_sql" in refused["announcements_kept"]


def test_the_sql_of_that_migration_is_shown(without: Run) -> None:
    (remedy,) = without.report["remedies"]
    shown = {one["object"]: one["choices"][0]["statements"] for one in remedy["refusals"] if one["choices"]}

    (parted,) = shown["announcements_parted"]  # one, or each statement would have its own path
    assert parted.startswith('SET search_path = "<schema>", "public"; ')
    assert "PARTITION BY" in parted


def test_a_table_that_models_can_make_is_repaired_beside_it(without: Run) -> None:
    (remedy,) = without.report["remedies"]

    assert remedy["mends"] == [["table.ghost", "announcements_free"]]
