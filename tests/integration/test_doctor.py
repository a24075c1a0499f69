"""doctor: each cause is built for real, and named with its evidence and a command."""

import json
import shlex

from tests.support.diagnosis import TREE, USUAL, ids, repair, the
from tests.support.release import PROGRAM, Project
from tests.support.schemas import add_row, copy_schema, copy_tenant, everything, literal

MEMBERSHIP = "buildings_buildingmembership"


def test_a_healthy_project_has_no_cause_but_the_one_to_know_of(current: Project) -> None:
    run = current.run("doctor")

    assert (run.code, ids(run)) == (0, []), run.text
    assert the(run, USUAL)["severity"] == "info"
    lines = [event["message"] for event in run.named("area.examined")]
    assert "migrations: fine" in lines
    assert "tables: fine" in lines


def test_what_is_no_fault_is_counted_and_told_on_request(current: Project) -> None:
    (current.folder / "Procfile").unlink()
    short, long = current.run("doctor"), current.run("doctor", "--all")

    assert short.named("cause.found") == []
    assert short.event("causes.left_out")["message"] == (
        "worth knowing, and no fault: deletion.shared, contenttypes.in_both; --all says more"
    )
    assert (len(long.named("cause.found")), long.named("causes.left_out")) == (2, [])


def test_doctor_writes_nothing(past: Project) -> None:
    past.database.sql("DROP TABLE athena.django_migrations")
    before = everything(past.database)
    past.run("doctor")

    assert everything(past.database) == before


def test_causes_are_numbered_the_worst_first(current: Project) -> None:
    (current.folder / "Procfile").unlink()
    add_row(current.database, "rhodes")
    current.database.sql(f"DROP TABLE athena.{MEMBERSHIP}")
    messages = [event["message"] for event in current.run("doctor", "--all").named("cause.found")]

    assert [line.split(":")[0] for line in messages] == [
        "1. table.ghost",
        "2. schema.missing",
        f"3. {USUAL}",
        "4. contenttypes.in_both",
    ]
    assert (
        messages[1].splitlines()[-1].startswith(f"   -> {PROGRAM} repair --create-schema --schema rhodes  #")
    )


# Migrations.


def test_migrations_that_never_ran_are_named_with_their_schemas_and_the_day(
    past: Project,
) -> None:
    run = past.run("doctor", "--json")
    seen = str(the(run, "release.never_ran")["seen"])

    assert run.code == 8
    assert "users.0002_user_phone in public" in seen
    assert "in 3 schemas (athena, kypseli, piraeus)" in seen
    assert "last migrated there: 20" in seen
    document = json.loads(run.stdout)
    assert document == run.report
    assert set(document["diagnosis"][0]) == {"id", "severity", "seen", "meaning", "command", "schemas"}
    assert document["areas"]["migrations"] == "release.never_ran"
    assert [len(group["schemas"]) for group in document["pending"]] == [1, 3]
    assert document["explanations"] == []


def test_only_the_schemas_asked_for_are_looked_at(past: Project) -> None:
    run = past.run("doctor", "--schema", "athena")

    assert the(run, "release.never_ran")["schemas"] == ["athena"]


def test_many_lost_records_are_one_cause_and_no_release_is_advised(current: Project) -> None:
    current.database.sql("DELETE FROM athena.django_migrations WHERE app IN ('announcements', 'buildings')")
    run = current.run("doctor")
    seen = str(the(run, "migration.unrecorded")["seen"])

    assert ids(run) == ["migration.unrecorded"], run.text
    assert "announcements.0001_initial" in seen
    assert "and 5 more are pending in athena" in seen
    assert "plan --all --schema athena` names all" in seen
    assert [
        event["message"] for event in run.named("release.hinted") if "To migrate" in event["message"]
    ] == []


def test_records_that_are_lost_elsewhere_in_each_schema_are_a_few_causes(current: Project) -> None:
    names = [f"t{number}" for number in range(9)]
    copy_tenant(current.database, "athena", *names)
    steps = current.database.lines(
        "SELECT app || '.' || name FROM athena.django_migrations"
        " WHERE app IN ('announcements', 'buildings') ORDER BY app, name DESC"
    )
    for number, name in enumerate(names, 1):
        lost = ", ".join(map(literal, steps[:number]))
        current.database.sql(f"DELETE FROM {name}.django_migrations WHERE app || '.' || name IN ({lost})")
    found = [one for one in current.run("doctor").report["diagnosis"] if one["id"] == "migration.unrecorded"]

    assert sorted(name for one in found for name in one["schemas"]) == names
    assert len(found) == 5 + 1


# Whatever verification finds.


def test_a_schema_without_a_row(current: Project) -> None:
    copy_schema(current.database, "athena", "rhodes")
    run = current.run("doctor")

    assert (run.code, ids(run)) == (0, ["schema.unowned"])


def test_a_database_that_newer_code_has_migrated_and_a_finding_that_is_told_in_its_own_words(
    current: Project,
) -> None:
    """Doctor has no words of its own for the second."""
    current.database.sql(
        "INSERT INTO athena.django_migrations (app, name, applied) VALUES ('buildings', '0099_new', now());"
        "DELETE FROM kypseli.django_content_type WHERE model = 'building'"
    )
    run = current.run("doctor")
    cause = the(run, "rows.missing")

    assert the(run, "app.ahead")["seen"] == "buildings in athena"
    assert cause["command"] == PROGRAM
    assert "permission checks fail" in str(cause["meaning"])


def test_an_accepted_finding_is_no_cause(current: Project) -> None:
    current.database.sql(
        f"DROP TABLE athena.{MEMBERSHIP}; DELETE FROM athena.django_content_type WHERE model = 'building'"
    )
    entry = {"schema": "athena", "object": "*", "reason": "a demo"}
    entries = [entry | {"id": id} for id in ("table.ghost", "rows.missing")]
    current.settings(f"RAILWAY_RELEASE = {{'ACCEPT': {entries!r}}}")
    run = current.run("doctor")

    assert (run.code, ids(run)) == (0, [])


# Sequences, on request.


def test_a_sequence_behind_its_column(current: Project) -> None:
    current.database.sql(
        "INSERT INTO kypseli.buildings_building (id, name, address, slug) VALUES (99, 'x', '', '')"
    )
    without, run = current.run("doctor"), current.run("doctor", "--sequences")
    cause = the(run, "sequence.behind")

    assert (ids(without), run.code) == ([], 8)
    assert cause["seen"] == "buildings_building.id in kypseli"
    _, _, statement = str(cause["command"]).partition(" -c ")
    current.database.sql(shlex.split(statement)[0])
    assert ids(current.run("doctor", "--sequences")) == []


# Pending migrations of which something is there.


CONCURRENTLY = """
class Migration(migrations.Migration):
    atomic = False
    dependencies = [("buildings", "0006_fill_slugs")]
    operations = [
        AddIndexConcurrently("building", models.Index(fields=["name"], name="building_name")),
        AddIndexConcurrently("building", models.Index(fields=["address"], name="building_address")),
    ]
"""


def not_atomic(project: Project) -> None:
    """A migration that builds two indexes, one after the other."""
    project.write(
        "buildings/migrations/0007_indexes.py",
        "from django.contrib.postgres.operations import AddIndexConcurrently\n"
        f"from django.db import migrations, models\n\n{CONCURRENTLY}",
    )


def test_a_migration_that_is_not_atomic_and_was_cut_off(current: Project) -> None:
    not_atomic(current)
    current.database.sql("CREATE INDEX building_name ON athena.buildings_building (name)")
    run = current.run("doctor")
    cause = the(run, "migration.half_applied")

    assert ids(run) == ["migration.half_applied", "release.never_ran"]
    assert cause["schemas"] == ["athena"]
    assert cause["seen"] == ("buildings.0007_indexes is pending in athena, and there already: building_name")


def test_a_pending_migration_that_has_left_nothing_is_merely_pending(current: Project) -> None:
    not_atomic(current)

    assert ids(current.run("doctor")) == ["release.never_ran"]


def unrecorded(project: Project) -> None:
    """Its table is there, its record is gone."""
    project.database.sql(
        "DELETE FROM athena.django_migrations WHERE app = 'announcements';"
        "DROP TABLE athena.announcements_announcement_audience;"
        "ALTER TABLE athena.announcements_announcement DROP COLUMN pinned"
    )


def test_the_command_for_tables_of_a_migration_that_is_not_recorded_lets_the_release_go_on(
    current: Project,
) -> None:
    unrecorded(current)
    assert current.run("--no-collectstatic").code == 7
    cause = the(current.run("doctor"), "migration.unrecorded")

    assert cause["schemas"] == ["athena"]
    assert str(cause["seen"]).startswith("announcements.0001_initial is pending in athena")
    assert current.run(*repair(cause)).code == 0
    assert current.run("--no-collectstatic").code == 0
    assert ids(current.run("doctor")) == []


def test_a_leftover_of_tenants_in_the_shared_schema_is_no_migration_that_was_cut_off(past: Project) -> None:
    past.database.sql(
        "DELETE FROM public.django_migrations WHERE app IN ('announcements', 'buildings');"
        "CREATE TABLE public.buildings_building (id int)"
    )

    assert ids(past.run("doctor")) == ["release.never_ran", "shared.leftover"]


def test_a_table_that_is_to_be_removed_and_made_anew_is_there_rightly(current: Project) -> None:
    key = "[('id', models.BigAutoField(primary_key=True))]"
    anew = f"migrations.DeleteModel('Announcement'), migrations.CreateModel('Announcement', {key})"
    current.migration("announcements", "0004_anew", "0003_announcement_pinned", anew)

    assert ids(current.run("doctor")) == ["release.never_ran"]


# Where the look ends early.


def test_without_a_database_the_error_is_the_first_cause(current: Project) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    run = current.run("doctor", "--connect-timeout", "0.1", DATABASE_URL=nowhere)
    first = run.report["diagnosis"][0]

    assert (run.code, run.report["error"]) == (8, "database.unreachable")
    assert first["id"] == "inspection.ended"
    assert run.report["diagnosis"][1]["id"] == TREE
    assert "No database answered at 127.0.0.1" in first["seen"]


def test_a_schema_that_does_not_exist_is_a_usage_error(current: Project) -> None:
    assert current.run("doctor", "--schema", "nowhere").code == 2


def test_settings_that_raise_leave_the_files(current: Project) -> None:
    current.settings("raise RuntimeError('no SECRET_KEY here')")
    run = current.run("doctor")

    assert (run.code, run.report["error"]) == (8, "settings.failed")
    assert [one["id"] for one in run.report["diagnosis"]] == ["inspection.ended", TREE]
    assert "no SECRET_KEY here" in run.report["diagnosis"][0]["seen"]


def test_an_error_cannot_be_explained_without_the_project(current: Project) -> None:
    current.settings("raise RuntimeError('no SECRET_KEY here')")

    assert current.run("doctor", "--explain", 'relation "x" does not exist').code == 2


def test_a_joining_table_of_a_migration_that_is_not_recorded(current: Project) -> None:
    current.database.sql("DELETE FROM athena.django_migrations WHERE name = '0002_announcement_audience'")
    current.database.sql("DELETE FROM athena.django_migrations WHERE name = '0003_announcement_pinned'")
    seen = str(the(current.run("doctor"), "migration.unrecorded")["seen"])

    both = "announcements.0002_announcement_audience, announcements.0003_announcement_pinned"
    assert seen.startswith(f"{both} are pending in athena")


# As a document.


def test_the_report_has_the_explanations(past: Project) -> None:
    run = past.run("doctor", "--json", "--explain", "column buildings_building.slug does not exist")
    (one,) = json.loads(run.stdout)["explanations"]

    assert set(one) == {"error", "verdict", "about", "causes", "there", "absent"}
    assert one["absent"] == ["athena", "kypseli", "piraeus"]


def test_a_schema_that_no_release_touches_is_held_up_and_not_merely_behind(past: Project) -> None:
    past.database.sql("DROP TABLE athena.buildings_buildingmembership")
    run = past.run("doctor")

    assert the(run, "release.never_ran")["schemas"] == ["public", "kypseli", "piraeus"]
    assert the(run, "release.held_up")["schemas"] == ["athena"]
    assert the(run, "release.held_up")["command"].startswith(f"{PROGRAM} repair --schema athena")
