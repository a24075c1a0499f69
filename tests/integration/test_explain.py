"""doctor --explain: from the text of an error to the one cause that it has here."""

import json

import pytest

from tests.support.diagnosis import repair
from tests.support.release import PROGRAM, Project, Run
from tests.support.schemas import add_row, copy_schema, everything

MEMBERSHIP = "buildings_buildingmembership"
ERROR = f'relation "{MEMBERSHIP}" does not exist'
INITIAL = "buildings.0002_buildingmembership"


def explained(run: Run) -> list[tuple[str, list[str]]]:
    """Each error and the ids of its causes."""
    return [(one["error"], [c["id"] for c in one["causes"]]) for one in run.report["explanations"]]


def verdict(run: Run) -> str:
    """The sentence about the only error."""
    (one,) = run.report["explanations"]
    return str(one["verdict"])


def cause(run: Run, number: int = 0) -> dict[str, object]:
    """A cause of the only error."""
    (one,) = run.report["explanations"]
    found: dict[str, object] = one["causes"][number]
    return found


def forget(project: Project, schema: str, table: str = "") -> None:
    """Take an app back to before its second migration, as if that had never run."""
    project.database.sql(
        f"DELETE FROM {schema}.django_migrations WHERE app = 'announcements' AND name > '0001_initial';"
        f"DELETE FROM {schema}.django_migrations WHERE app = 'buildings' AND name > '0001_initial';"
        f"DROP TABLE {schema}.{table or MEMBERSHIP} CASCADE"
    )


# The four causes of a table that is not there.


def test_a_migration_that_never_ran_is_named_with_the_schemas_that_lack_it(current: Project) -> None:
    forget(current, "athena")
    run = current.run("doctor", "--explain", ERROR)

    assert (run.code, explained(run)) == (8, [(ERROR, ["release.never_ran"])]), run.text
    assert verdict(run) == f"{INITIAL} never ran in athena."
    assert cause(run)["command"] == PROGRAM
    assert run.report["explanations"][0]["there"] == ["kypseli", "piraeus"]


def test_the_command_for_a_migration_that_never_ran_fixes_it(past: Project) -> None:
    past.database.sql(
        "DELETE FROM athena.django_migrations WHERE app = 'buildings';"
        "DROP TABLE athena.buildings_buildingmembership, athena.buildings_building"
    )
    before = past.run("doctor", "--explain", ERROR)
    assert verdict(before) == f"{INITIAL} never ran in athena."
    assert past.run("--no-collectstatic").code == 0
    after = past.run("doctor", "--explain", ERROR)

    assert explained(after) == [(ERROR, ["deletion.shared"])]


def test_a_recorded_migration_without_its_table_is_a_ghost(current: Project) -> None:
    current.database.sql(f"DROP TABLE athena.{MEMBERSHIP}")
    run = current.run("doctor", "--explain", ERROR)

    assert (run.code, explained(run)) == (8, [(ERROR, ["table.ghost"])])
    assert verdict(run) == f"{INITIAL} is recorded as applied in athena, but its table is not there."


def test_the_command_for_a_ghost_shows_the_sql_of_its_table_and_fixes_it(current: Project) -> None:
    current.database.sql(f"DROP TABLE athena.{MEMBERSHIP}")
    words = repair(cause(current.run("doctor", "--explain", ERROR)))

    assert f'CREATE TABLE \\"{MEMBERSHIP}\\"' in current.run(*words[:-1]).stdout
    assert current.run(*words).code == 0
    assert current.run("doctor", "--explain", ERROR).code == 0


def test_a_table_of_the_shared_schema_in_the_way_is_masking(current: Project) -> None:
    current.database.sql(f"ALTER TABLE athena.{MEMBERSHIP} SET SCHEMA public")
    run = current.run("doctor", "--explain", ERROR)

    assert (run.code, explained(run)) == (8, [(ERROR, ["table.masked"])])
    assert "athena" in verdict(run)


def test_with_every_migration_in_place_it_is_a_deletion_from_the_shared_schema(current: Project) -> None:
    run = current.run("doctor", "--explain", ERROR)

    assert (run.code, explained(run)) == (0, [(ERROR, ["deletion.shared"])]), run.text
    assert verdict(run).startswith(f"Only the shared schema lacks {MEMBERSHIP}, rightly: deleting users.User")
    assert "No migration cures that" in verdict(run)
    assert "delete_everywhere" in str(cause(run)["command"])


def test_that_deletion_does_raise_the_error(current: Project) -> None:
    raised = current.python(
        "from users.models import User\n"
        "try: User.objects.get(username='eleni').delete()\n"
        "except Exception as error: print(str(error).splitlines()[0])"
    )
    run = current.run("doctor", "--explain", raised)

    assert explained(run) == [(ERROR, ["deletion.shared"])]


def test_a_traceback_of_a_deletion_settles_that_it_was_one(current: Project) -> None:
    traceback = f'File "django/db/models/deletion.py", line 345, in collect\nProgrammingError: {ERROR}'

    assert "that is what happened here" in verdict(current.run("doctor", "--explain", traceback))


def test_a_tenant_table_that_no_deletion_asks_for_was_queried_from_the_shared_schema(
    current: Project,
) -> None:
    run = current.run("doctor", "--explain", 'relation "announcements_announcement" does not exist')

    assert (run.code, cause(run)["id"]) == (0, "shared.queried")


def test_a_joining_table_belongs_to_the_migration_of_its_field(past: Project) -> None:
    table = "announcements_announcement_audience"
    run = past.run("doctor", "--explain", f'relation "{table}" does not exist')

    assert verdict(run).startswith("announcements.0002_announcement_audience never ran in 3 schemas")


def test_a_tenant_without_its_schema_is_named(current: Project) -> None:
    add_row(current.database, "rhodes")
    run = current.run("doctor", "--explain", ERROR)

    assert explained(run) == [(ERROR, ["schema.missing"])]
    assert verdict(run) == "The tenant rhodes has a row but no schema, so it has no table at all."


def test_several_causes_are_all_named_the_likeliest_first(current: Project) -> None:
    forget(current, "kypseli")
    current.database.sql(f"DROP TABLE athena.{MEMBERSHIP}")
    run = current.run("doctor", "--explain", ERROR)

    assert explained(run) == [(ERROR, ["release.never_ran", "table.ghost"])]


def test_the_schema_that_the_error_names_comes_first(current: Project) -> None:
    forget(current, "kypseli")
    current.database.sql(f"DROP TABLE athena.{MEMBERSHIP}")
    run = current.run("doctor", "--explain", f'relation "athena.{MEMBERSHIP}" does not exist')

    assert [one["id"] for one in run.report["explanations"][0]["causes"]] == [
        "table.ghost",
        "release.never_ran",
    ]


@pytest.mark.parametrize(
    ("named", "id", "sentence"),
    [
        (
            f'"kypseli"."{MEMBERSHIP}"',
            "nothing.missing",
            " is there now, in kypseli; the error is from before.",
        ),
        (f"public.{MEMBERSHIP}", "deletion.shared", "No migration cures that."),
    ],
)
def test_the_schema_that_the_error_names_decides(
    current: Project, named: str, id: str, sentence: str
) -> None:
    forget(current, "athena")
    run = current.run("doctor", "--explain", f"relation {named} does not exist")

    assert [one["id"] for one in run.report["explanations"][0]["causes"]] == [id]
    assert verdict(run).endswith(sentence)


@pytest.mark.parametrize(
    "text",
    [
        f"FEHLER:  Relation »{MEMBERSHIP}« existiert nicht",
        f"ΣΦΑΛΜΑ:  η σχέση «{MEMBERSHIP}» δεν υπάρχει",
        f"UndefinedTable: la relation « {MEMBERSHIP} » n'existe pas",
    ],
)
def test_an_error_in_another_language_is_understood_by_the_name(current: Project, text: str) -> None:
    forget(current, "athena")

    assert explained(current.run("doctor", "--explain", text)) == [(ERROR, ["release.never_ran"])]


def test_an_error_in_another_language_about_nothing_known_is_a_usage_error(current: Project) -> None:
    run = current.run("doctor", "--explain", "Sicht »niemand« existiert nicht")

    assert (run.code, run.report["error"]) == (2, "explain.nothing")


def test_a_shared_table_that_is_there_is_missing_nowhere(current: Project) -> None:
    run = current.run("doctor", "--explain", 'relation "users_user" does not exist')

    assert (run.code, cause(run)["id"]) == (0, "nothing.missing")


def test_a_model_without_a_migration_cannot_have_its_table(current: Project) -> None:
    current.write(
        "announcements/models.py",
        (current.folder / "announcements/models.py").read_text()
        + "\n\nclass Poll(models.Model):\n    question = models.TextField()\n",
    )
    run = current.run("doctor", "--explain", 'relation "announcements_poll" does not exist')

    assert cause(run)["command"] == "python manage.py makemigrations announcements"


def test_an_app_in_neither_list_has_its_tables_nowhere(current: Project) -> None:
    current.settings("SHARED_APPS.remove('django.contrib.sessions')")
    current.database.sql("DROP TABLE public.django_session")
    run = current.run("doctor", "--explain", 'relation "django_session" does not exist')

    assert (run.code, cause(run)["id"]) == (8, "app.homeless"), run.text


def test_a_deletion_that_failed_while_a_tenant_is_behind_has_two_causes(current: Project) -> None:
    forget(current, "athena")
    run = current.run(
        "doctor", "--explain", f'File "django/db/models/deletion.py"\nProgrammingError: {ERROR}'
    )

    assert explained(run) == [(ERROR, ["release.never_ran", "deletion.shared"])]


def test_a_schema_that_cannot_be_read_is_said_to_be_unknown(current: Project) -> None:
    current.database.sql("ALTER TABLE athena.django_migrations RENAME app TO label")
    run = current.run("doctor", "--explain", ERROR)

    assert run.report["explanations"][0]["about"].endswith("; nothing is known of athena")


# Names that no model has.


def test_a_schema_that_is_not_in_this_database(current: Project) -> None:
    run = current.run("doctor", "--explain", f'relation "atlantis.{MEMBERSHIP}" does not exist')

    assert (run.code, cause(run)["id"]) == (0, "name.unknown")
    assert verdict(run) == "There is no schema atlantis in this database, and no tenant of that name."


def test_an_unknown_name_is_said_to_be_unknown(current: Project) -> None:
    run = current.run("doctor", "--explain", 'relation "shop_order" does not exist')

    assert (run.code, cause(run)["id"]) == (0, "name.unknown")
    assert verdict(run) == "No model of this code has the table shop_order."


def test_a_model_that_a_setting_replaces_is_named(current: Project) -> None:
    run = current.run("doctor", "--explain", 'relation "auth_user" does not exist')

    assert cause(run)["seen"] == "auth.User is replaced by users.User"


def test_a_table_that_a_migration_removes_points_at_older_code(current: Project) -> None:
    current.migration(
        "buildings",
        "0007_remove",
        "0006_fill_slugs",
        "migrations.DeleteModel('BuildingMembership')",
    )
    models = current.folder / "buildings/models.py"
    models.write_text(models.read_text().partition("class BuildingMembership")[0])
    run = current.run("doctor", "--explain", ERROR)

    assert cause(run)["seen"] == "buildings.0007_remove removes or renames it"


def test_a_table_of_sql_is_traced_to_its_migration(current: Project) -> None:
    sql = "migrations.RunSQL('CREATE TABLE audit_log (id int)')"
    current.migration("buildings", "0007_audit", "0006_fill_slugs", sql)
    run = current.run("doctor", "--explain", 'relation "audit_log" does not exist')

    assert cause(run)["seen"] == "buildings.0007_audit names it in SQL of its own"


# Columns.


@pytest.mark.parametrize(
    "text",
    [
        "column buildings_building.slug does not exist",
        'column "slug" of relation "buildings_building" does not exist',
        "column T3.slug does not exist",
        'column "slug" does not exist',
    ],
)
def test_a_column_whose_migration_never_ran(past: Project, text: str) -> None:
    run = past.run("doctor", "--explain", text)

    assert run.code == 8
    assert verdict(run).startswith("buildings.0005_building_slug never ran in 3 schemas"), run.text


def test_of_the_columns_that_an_alias_may_stand_for_the_missing_one_is_explained(current: Project) -> None:
    current.database.sql("ALTER TABLE athena.buildings_building DROP COLUMN name")
    (one,) = current.run("doctor", "--explain", "column T3.name does not exist").report["explanations"]

    assert one["about"].startswith("buildings.Building (table buildings_building, column name)")


def test_a_column_that_is_recorded_and_not_there(current: Project) -> None:
    current.database.sql("ALTER TABLE athena.buildings_building DROP COLUMN slug")
    run = current.run("doctor", "--explain", "column buildings_building.slug does not exist")

    assert (run.code, cause(run)["id"], cause(run)["schemas"]) == (8, "column.missing", ["athena"])


def test_a_foreign_key_is_known_by_its_column(current: Project) -> None:
    current.database.sql(f"ALTER TABLE athena.{MEMBERSHIP} DROP COLUMN building_id")
    run = current.run("doctor", "--explain", f"column {MEMBERSHIP}.building_id does not exist")

    assert cause(run)["id"] == "column.missing"
    assert str(cause(run)["command"]).startswith(f"{PROGRAM} repair --schema athena")


def test_a_column_that_no_model_has(current: Project) -> None:
    run = current.run("doctor", "--explain", "column buildings_building.colour does not exist")

    assert verdict(run) == "No model of this code has the column colour in buildings_building."


# Where the text comes from.


def test_a_log_from_a_pipe_is_read_and_each_distinct_error_explained_once(current: Project) -> None:
    line = json.dumps({"message": f"ProgrammingError: {ERROR}", "level": "error"})
    log = f'started\n{line}\n{line}\n  column buildings_building.colour does not exist\nLINE 1: SELECT "a"\n'
    run = current.finish(current.start_reading("doctor", "--explain", "-"), text=log)

    assert [error for error, _ in explained(run)] == [
        ERROR,
        "column buildings_building.colour does not exist",
    ]


def test_a_log_that_is_followed_need_not_end(current: Project) -> None:
    process = current.start_reading("doctor", "--explain", "-")
    assert process.stdin
    process.stdin.write(f"{ERROR}\n")
    process.stdin.flush()
    process.wait(60)  # the pipe is still open
    run = current.finish(process)

    assert explained(run) == [(ERROR, ["deletion.shared"])]


def test_a_text_without_such_an_error_is_a_usage_error(current: Project) -> None:
    run = current.run("doctor", "--explain", "it does not work")

    assert (run.code, run.report["error"]) == (2, "explain.nothing")


# How it is told.


def test_the_verdict_comes_before_the_evidence_and_the_command_last(current: Project) -> None:
    forget(current, "athena")
    message = current.run("doctor", "--explain", ERROR).event("error.explained")["message"]
    lines = message.splitlines()

    assert lines[0] == f"{ERROR}: {INITIAL} never ran in athena."
    assert lines[1:4] == [
        f"   model: buildings.BuildingMembership (table {MEMBERSHIP}), of an app in TENANT_APPS alone",
        "   there: 2 schemas (kypseli, piraeus)",
        "   not there: athena",
    ]
    assert lines[-1] == f"   -> {PROGRAM}"


def test_explaining_writes_nothing(current: Project) -> None:
    forget(current, "athena")
    before = everything(current.database)
    current.run("doctor", "--explain", ERROR)

    assert everything(current.database) == before


# How it came about.


def test_a_table_of_an_app_that_was_moved(current: Project) -> None:
    current.settings(
        "SHARED_APPS.remove('django.contrib.sessions')\nTENANT_APPS.append('django.contrib.sessions')"
    )
    run = current.run("doctor", "--explain", 'relation "django_session" does not exist')

    assert cause(run)["id"] == "app.moved"
    assert verdict(run).endswith("its app was moved to TENANT_APPS after its migrations were recorded there.")


def test_a_ghost_that_its_template_lacks_too(current: Project) -> None:
    current.settings("TENANT_BASE_SCHEMA = 'template'")
    copy_schema(current.database, "athena", "template")
    forget(current, "template")
    current.database.sql(f"DROP TABLE kypseli.{MEMBERSHIP}")
    run = current.run("doctor", "--explain", ERROR)

    assert explained(run) == [(ERROR, ["release.never_ran", "template.stale"])]
    assert cause(run, 1)["schemas"] == ["kypseli"]


def test_a_log_with_many_errors_is_explained_as_far_as_anybody_reads(current: Project) -> None:
    log = "\n".join(f'relation "shop_{number:02}" does not exist' for number in range(25))
    run = current.finish(current.start_reading("doctor", "--explain", "-"), text=log)

    assert len(run.report["explanations"]) == 20
    assert 'relation "shop_20" does not exist' in run.event("errors.left_out")["message"]
