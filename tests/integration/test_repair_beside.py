"""What a repair does for one thing neither undoes what it does for another, nor needs what is refused."""

import pytest

from tests.support.printed import decide, decisions
from tests.support.release import Project
from tests.support.schemas import NO_TABLES, everything
from tests.support.unwell import refusals

from .test_verification import judged

pytestmark = pytest.mark.xdist_group("crowd")  # as others that begin with the same models

ANNOUNCEMENT, AUDIENCE = "announcements_announcement", "announcements_announcement_audience"
MEMBERSHIP, RULE = "buildings_buildingmembership", "announcements_rule"


def left(project: Project) -> list[tuple[str, str]]:
    """Ids and objects of what is found."""
    return sorted((id, name) for id, _, _, name in judged(project.run("verify")))


def foreign_key(project: Project, table: str, target: str) -> str:
    """Its name."""
    return project.database.sql(
        f"SELECT conname FROM pg_constraint WHERE conrelid = 'athena.{table}'::regclass"
        f" AND confrelid = 'athena.{target}'::regclass"
    )


def add_price(project: Project) -> None:
    """A column that the database fills."""
    price = "models.DecimalField(max_digits=8, decimal_places=2, db_default=1)"
    project.migration(
        "announcements", "0005_price", "0004_rule", f"migrations.AddField('rule', 'price', {price})"
    )
    assert project.run("--no-collectstatic").code == 0


def test_an_invalid_index_is_rebuilt_after_all_else(detailed: Project) -> None:
    detailed.database.sql(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'athena.rule_ranks'::regclass;"
        " DROP INDEX athena.rule_titles"
    )
    run = detailed.run("repair", "--apply", "--warnings")

    assert (run.code, run.states["athena"]) == (0, "repaired"), run.text
    assert left(detailed) == []


def test_a_unique_index_is_not_rebuilt_while_rows_are_there_twice(current: Project) -> None:
    current.database.sql(
        f"UPDATE athena.{MEMBERSHIP} SET role = 'one'; CREATE INDEX twice ON athena.{MEMBERSHIP} (role);"
        " UPDATE pg_index SET indisvalid = false, indisunique = true"
        " WHERE indexrelid = 'athena.twice'::regclass"
    )
    run = current.run("repair", "--apply")

    assert (run.code, run.states["athena"]) == (8, "refused"), run.text
    assert f"duplicates in {MEMBERSHIP}(role)" in refusals(run, "athena")[f"index.invalid {MEMBERSHIP}.twice"]


def test_a_key_that_is_made_anew_is_not_validated_under_its_old_name(current: Project) -> None:
    name = foreign_key(current, MEMBERSHIP, "buildings_building")
    wrong = "FOREIGN KEY (building_id) REFERENCES kypseli.buildings_building NOT VALID"
    current.database.sql(
        f"ALTER TABLE athena.{MEMBERSHIP} DROP CONSTRAINT {name}, ADD CONSTRAINT another {wrong}"
    )
    run = current.run("repair", "--apply")

    assert (run.code, run.states["athena"]) == (0, "repaired"), run.text
    assert left(current) == []


def test_a_key_to_a_column_that_stays_away_does_too_and_all_else_is_repaired(detailed: Project) -> None:
    detailed.database.sql(
        f"ALTER TABLE athena.{ANNOUNCEMENT} DROP id CASCADE; ALTER TABLE athena.{RULE} DROP data"
    )
    run = detailed.run("repair", "--apply")

    assert run.states["athena"] == "refused", run.text
    assert left(detailed) == [
        ("column.missing", f"{ANNOUNCEMENT}.id"),
        ("foreign_key.missing", f"{AUDIENCE}(announcement_id)"),
    ]


def test_a_key_of_a_column_that_stays_away_does_too_and_its_target_is_made(detailed: Project) -> None:
    detailed.database.sql(
        f"ALTER TABLE athena.{MEMBERSHIP} DROP building_id; DROP TABLE athena.buildings_building CASCADE"
    )
    run = detailed.run("repair", "--apply")

    assert run.states["athena"] == "refused", run.text
    assert left(detailed) == [("column.missing", f"{MEMBERSHIP}.building_id")]


def test_a_default_is_written_as_django_writes_it(detailed: Project) -> None:
    add_price(detailed)
    detailed.database.sql(f"ALTER TABLE athena.{RULE} ALTER price DROP DEFAULT")
    detailed.run("repair", "--apply")

    default = "SELECT column_default FROM information_schema.columns WHERE column_name = 'price'"
    assert detailed.database.lines(default) == ["1"] * 3


def test_of_a_column_of_another_type_the_default_is_not_named_too(detailed: Project) -> None:
    add_price(detailed)
    detailed.database.sql(f"ALTER TABLE athena.{RULE} ALTER price TYPE numeric(8, 3)")

    assert left(detailed) == [("column.type", f"{RULE}.price")]


def test_a_key_to_a_column_that_was_renamed_is_named_where_that_was_done_alone(current: Project) -> None:
    current.database.sql("ALTER TABLE athena.buildings_building RENAME id TO number")

    assert sorted(judged(current.run("verify"))) == [
        ("column.extra", "warning", "athena", "buildings_building.number"),
        ("column.missing", "error", "athena", "buildings_building.id"),
        ("foreign_key.elsewhere", "error", "athena", f"{AUDIENCE}(building_id)"),
        ("foreign_key.elsewhere", "error", "athena", f"{MEMBERSHIP}(building_id)"),
        ("schema.odd", "warning", "athena", "buildings_building"),  # its primary key
    ]


def test_a_lost_table_that_rows_point_to_is_made_and_its_keys_are_left_to_a_person(current: Project) -> None:
    current.database.sql("DROP TABLE athena.buildings_building CASCADE")
    run = current.run("repair", "--apply")
    (left,) = current.run("repair").report["remedies"]

    assert (run.code, run.states["athena"], run.states["kypseli"]) == (8, "refused", "current")
    assert run.outcome("athena")["repairs"] == ["repaired table.ghost buildings_building"]
    assert [(one["id"], one["object"]) for one in left["refusals"]] == [
        ("foreign_key.missing", f"{MEMBERSHIP}(building_id)")
    ]
    (decision,) = decisions(current.run("repair"))
    decide(current, decision.choices[1])  # they stay, and only new rows have to fit
    assert [one[:3] for one in judged(current.run("verify"))] == [
        ("constraint.unchecked", "warning", "athena")
    ]


def test_a_key_that_stays_for_new_rows_alone_comes_after_the_table_that_it_points_to(
    current: Project,
) -> None:
    current.database.sql("DROP TABLE athena.buildings_building CASCADE")
    found = {one.id: one for one in decisions(current.run("repair"))}
    decide(current, found["foreign_key.missing"].choices[1])

    assert [one[:3] for one in judged(current.run("verify"))] == [
        ("constraint.unchecked", "warning", "athena")
    ]


def test_a_repair_that_the_server_refuses_leaves_the_schema_as_it_was(current: Project) -> None:
    current.database.sql(f"DROP TABLE athena.{MEMBERSHIP}; {NO_TABLES}")
    before = everything(current.database)
    run = current.run("repair", "--apply")

    assert (run.code, run.states["athena"], run.states["kypseli"]) == (7, "failed", "current")
    assert run.outcome("athena")["message"] == "no tables today"
    assert everything(current.database) == before


def test_what_has_the_name_that_something_missing_needs_is_said_beforehand(current: Project) -> None:
    current.database.sql(
        f"ALTER TABLE athena.{MEMBERSHIP} RENAME TO kept; ALTER TABLE athena.kept RENAME role TO part"
    )
    before = everything(current.database)
    run = current.run("repair", "--apply")
    (why,) = refusals(run, "athena").values()

    assert (run.code, run.states["athena"], run.states["kypseli"]) == (8, "refused", "current")
    assert why.endswith("is taken: an index of kept that was made or renamed by hand has it.")
    assert run.named("release.hinted") == []  # it would be refused again
    assert everything(current.database) == before


def test_a_table_is_made_without_what_was_about_fields_that_are_gone(detailed: Project) -> None:
    remove = "migrations.RemoveField('rule', 'document')"
    detailed.migration("announcements", "0005_removed", "0004_rule", remove)
    assert detailed.run("--no-collectstatic").code == 0
    before = everything(detailed.database, "kypseli")[0].replace("kypseli", "athena")
    detailed.database.sql(f"DROP TABLE athena.{RULE}")
    run = detailed.run("repair", "--apply")

    assert (run.code, run.states["athena"]) == (0, "repaired"), run.text
    assert everything(detailed.database, "athena")[0] == before
