"""Which tables are expected in which schema, what is said of those that are not there, and what follows."""

import pytest

from tests.support.release import Project, Run
from tests.support.schemas import columns, everything

TENANTS = ("athena", "kypseli", "piraeus")
MEMBERSHIP = "buildings_buildingmembership"
GREEK = "buildings_" + "ΒιβλίοΚοινοχρήστωνΤηςΠολυκατοικίας"  # 44 characters, 78 bytes


def drop(project: Project, table: str, schema: str = "athena") -> None:
    """Take a table away."""
    project.database.sql(f"DROP TABLE {schema}.{table} CASCADE")


def judged(run: Run) -> list[tuple[str, str, str, str]]:
    """Id, severity, schema and object of every finding."""
    return [(f["id"], f["severity"], f["schema"], f["object"]) for f in run.report["findings"]]


def configure(project: Project, **options: object) -> None:
    """Set RAILWAY_RELEASE."""
    project.settings(f"RAILWAY_RELEASE = {options!r}")


def add_model(project: Project, app: str, after: str, name: str, options: str = "{}") -> None:
    """A migration that creates a model with nothing but a key."""
    project.migration(
        app,
        f"{int(after[:4]) + 1:04}_{name.lower()[:20]}",
        after,
        f"migrations.CreateModel({name!r}, [('id', models.BigAutoField(primary_key=True))], {options})",
    )


# What is expected.


def test_all_is_well_after_a_release(current: Project) -> None:
    run = current.run("verify")

    assert (run.code, judged(run)) == (0, [])


def test_tables_of_migrations_still_to_come_are_not_expected(past: Project) -> None:
    run = past.run("verify")

    assert "announcements_announcement_audience" not in past.database.tables("athena")
    assert (run.code, judged(run)) == (0, [])


def test_a_missing_table_of_an_applied_migration_is_a_ghost(current: Project) -> None:
    drop(current, MEMBERSHIP)
    run = current.run("verify")

    assert (run.code, judged(run)) == (8, [("table.ghost", "error", "athena", MEMBERSHIP)])


def test_a_finding_has_a_hint(current: Project) -> None:
    drop(current, MEMBERSHIP)
    (finding,) = current.run("verify").report["findings"]

    assert "recorded as applied" in finding["hint"]


def test_a_missing_table_that_the_shared_schema_has_is_masked(current: Project) -> None:
    current.database.sql(f"ALTER TABLE athena.{MEMBERSHIP} SET SCHEMA public")
    run = current.run("verify")

    assert (run.code, judged(run)) == (8, [("table.masked", "error", "athena", MEMBERSHIP)])


def test_a_missing_table_of_the_shared_schema_is_a_ghost_there(current: Project) -> None:
    drop(current, "users_user", "public")
    run = current.run("verify")

    assert (run.code, judged(run)) == (8, [("table.ghost", "error", "public", "users_user")])


def test_a_missing_automatic_many_to_many_table_is_found(current: Project) -> None:
    drop(current, "announcements_announcement_audience")

    assert judged(current.run("verify")) == [
        ("table.ghost", "error", "athena", "announcements_announcement_audience")
    ]


def test_the_automatic_many_to_many_tables_of_an_abstract_base_are_expected(current: Project) -> None:
    drop(current, "users_user_groups", "public")

    assert judged(current.run("verify")) == [("table.ghost", "error", "public", "users_user_groups")]


def test_a_table_in_another_schema_does_not_count(current: Project) -> None:
    current.database.sql(f"CREATE SCHEMA other; ALTER TABLE athena.{MEMBERSHIP} SET SCHEMA other")

    assert judged(current.run("verify")) == [("table.ghost", "error", "athena", MEMBERSHIP)]


@pytest.mark.parametrize(
    "definition",
    [
        "CREATE VIEW {} AS SELECT 1 AS id",
        "CREATE MATERIALIZED VIEW {} AS SELECT 1 AS id",
        "CREATE TABLE {} (id bigint) PARTITION BY RANGE (id)",
        (
            "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
            " CREATE FOREIGN TABLE {} (id bigint) SERVER s"
        ),
    ],
    ids=["view", "materialized view", "partitioned table", "foreign table"],
)
def test_whatever_answers_queries_counts_as_the_table(current: Project, definition: str) -> None:
    drop(current, MEMBERSHIP)
    current.database.sql(definition.format(f"athena.{MEMBERSHIP}"))
    run = current.run("verify")

    assert (run.code, judged(run)) == (0, [])


@pytest.mark.parametrize(
    "definition",
    ["CREATE SEQUENCE {}", "CREATE TYPE {} AS (id bigint)"],
    ids=["sequence", "composite type"],
)
def test_what_answers_no_queries_does_not_count(current: Project, definition: str) -> None:
    drop(current, MEMBERSHIP)
    current.database.sql(definition.format(f"athena.{MEMBERSHIP}"))

    assert current.run("verify").code == 8


def test_a_table_name_that_differs_in_case_does_not_count(current: Project) -> None:
    current.database.sql(f'ALTER TABLE athena.{MEMBERSHIP} RENAME TO "{MEMBERSHIP.upper()}"')

    assert current.run("verify").code == 8


def test_the_table_of_a_swapped_model_is_not_expected(current: Project) -> None:
    run = current.run("verify")

    assert "auth_user" not in current.database.tables("public")
    assert run.code == 0


@pytest.mark.parametrize(
    "options", ["{'managed': False}", "{'proxy': True, 'indexes': []}"], ids=["unmanaged", "proxy"]
)
def test_models_without_a_table_of_their_own_expect_none(current: Project, options: str) -> None:
    bases = "fields=[]" if "proxy" in options else "fields=[('id', models.BigAutoField(primary_key=True))]"
    base = ", bases=('buildings.building',)" if "proxy" in options else ""
    current.migration(
        "buildings",
        "0007_more",
        "0006_fill_slugs",
        f"migrations.CreateModel(name='Tower', {bases}, options={options}{base})",
    )
    run = current.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert judged(run) == []


def test_a_table_with_a_name_of_its_own_is_expected_under_that_name(current: Project) -> None:
    add_model(current, "buildings", "0006_fill_slugs", "Lift", "{'db_table': 'Lifts of 2026'}")
    assert current.run("--no-collectstatic").code == 0
    drop(current, '"Lifts of 2026"', "kypseli")

    assert judged(current.run("verify")) == [("table.ghost", "error", "kypseli", "Lifts of 2026")]


def test_a_deleted_model_is_no_longer_expected(current: Project) -> None:
    current.migration(
        "buildings", "0007_away", "0006_fill_slugs", "migrations.DeleteModel('BuildingMembership')"
    )
    run = current.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert MEMBERSHIP not in current.database.tables("athena")


def test_a_renamed_model_is_expected_under_its_new_name(current: Project) -> None:
    rename = "migrations.RenameModel('BuildingMembership', 'Membership')"
    current.migration("buildings", "0007_rename", "0006_fill_slugs", rename)
    assert current.run("--no-collectstatic").code == 0
    drop(current, "buildings_membership")

    assert judged(current.run("verify")) == [("table.ghost", "error", "athena", "buildings_membership")]


def test_a_table_that_lives_in_a_named_schema_is_looked_for_there(current: Project) -> None:
    current.database.sql("CREATE SCHEMA accounts")
    add_model(current, "users", "0002_user_phone", "Ledger", "{'db_table': '\"accounts\".\"ledger\"'}")
    run = current.run("--no-collectstatic")
    assert (run.code, judged(run)) == (0, []), run.text

    drop(current, "ledger", "accounts")
    assert judged(current.run("verify")) == [("table.ghost", "error", "public", "accounts.ledger")]


@pytest.mark.parametrize("padding", ["", "x"], ids=["whole characters", "half a character"])
def test_a_table_name_is_compared_by_the_bytes_that_postgresql_keeps(current: Project, padding: str) -> None:
    add_model(current, "buildings", "0006_fill_slugs", "Book", f"{{'db_table': {padding + GREEK!r}}}")
    run = current.run("--no-collectstatic")

    assert (run.code, judged(run)) == (0, []), run.text
    assert padding + GREEK not in current.database.tables("athena")


def test_apps_without_migrations_are_a_warning(current: Project) -> None:
    current.write("notes/__init__.py", "")
    current.write(
        "notes/models.py", "from django.db import models\n\n\nclass Note(models.Model):\n    pass\n"
    )
    current.settings("TENANT_APPS = [*TENANT_APPS, 'notes']\nINSTALLED_APPS = [*INSTALLED_APPS, 'notes']")
    run = current.run("verify")

    assert run.code == 0, run.text
    assert judged(run) == [("app.unmigrated", "warning", name, "notes_note") for name in TENANTS]


def test_an_app_moved_to_the_tenants_is_masked_in_all_of_them(current: Project) -> None:
    current.settings(
        "SHARED_APPS = [app for app in SHARED_APPS if app != 'django.contrib.sessions']\n"
        "TENANT_APPS = [*TENANT_APPS, 'django.contrib.sessions']"
    )
    run = current.run("verify")

    assert run.code == 8, run.text
    assert judged(run) == [("table.masked", "error", name, "django_session") for name in TENANTS]


def test_nothing_is_expected_in_a_schema_without_records(current: Project) -> None:
    current.database.sql(
        "CREATE SCHEMA plaka; INSERT INTO public.tenants_client VALUES (99, 'plaka', 'P', now())"
    )
    run = current.run("verify")

    assert (run.code, judged(run)) == (0, [])


# The user's own list.


def test_tables_of_the_settings_list_are_expected_too(current: Project) -> None:
    configure(current, EXPECTED_TABLES={"shared": ["legacy_rates"], "tenant": ["legacy_notes"]})
    run = current.run("verify")

    assert run.code == 8
    assert judged(run) == [
        ("table.missing", "error", "public", "legacy_rates"),
        *(("table.missing", "error", name, "legacy_notes") for name in TENANTS),
    ]


def test_tables_of_the_settings_list_that_are_there_are_no_finding(current: Project) -> None:
    configure(current, EXPECTED_TABLES={"tenant": ["legacy_notes"]})
    for name in TENANTS:
        current.database.sql(f"CREATE TABLE {name}.legacy_notes ()")

    assert judged(current.run("verify")) == []


def test_a_listed_table_can_name_its_schema(current: Project) -> None:
    configure(current, EXPECTED_TABLES={"shared": ["accounts.ledger"]})
    assert judged(current.run("verify")) == [("table.missing", "error", "public", "accounts.ledger")]

    current.database.sql("CREATE SCHEMA accounts; CREATE TABLE accounts.ledger ()")
    assert judged(current.run("verify")) == []


def test_tables_can_be_listed_in_the_environment(current: Project) -> None:
    run = current.run("verify", RELEASE_EXPECT_TABLES="shared:legacy_rates, tenant:django_session")

    assert judged(run) == [
        ("table.missing", "error", "public", "legacy_rates"),
        *(("table.masked", "error", name, "django_session") for name in TENANTS),
    ]


def test_ignored_tables_are_not_expected(current: Project) -> None:
    configure(current, IGNORE_TABLES=["buildings_*"])
    drop(current, MEMBERSHIP)

    assert judged(current.run("verify")) == []


def test_tables_can_be_ignored_through_the_environment(current: Project) -> None:
    drop(current, MEMBERSHIP)
    drop(current, "announcements_announcement_audience")
    run = current.run("verify", RELEASE_IGNORE_TABLES=f"{MEMBERSHIP},announcements_*")

    assert judged(run) == []


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


@pytest.mark.parametrize(
    "entry",
    [
        ("table.masked", "*", MEMBERSHIP),
        ("table.ghost", "kyp*", MEMBERSHIP),
        ("table.ghost", "*", "buildings_building"),
    ],
    ids=["id", "schema", "object"],
)
def test_a_finding_is_accepted_only_when_all_of_it_matches(
    current: Project, entry: tuple[str, str, str]
) -> None:
    accept(current, *entry)
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


@pytest.fixture
def masked(past: Project) -> Project:
    """Athena's announcements live in the shared schema by mistake, and migrations of that app are pending."""
    past.database.sql("ALTER TABLE athena.announcements_announcement SET SCHEMA public")
    return past


def test_a_masked_schema_with_pending_work_in_that_app_is_not_touched(masked: Project) -> None:
    before = everything(masked.database, "athena")
    run = masked.run("--no-collectstatic")

    assert (run.code, run.states["athena"]) == (7, "failed"), run.text
    assert run.outcome("athena")["message"] == "not touched: table.masked announcements_announcement"
    assert everything(masked.database, "athena") == before


def test_the_shared_table_of_the_same_name_is_not_touched_either(masked: Project) -> None:
    before = columns(masked.database, "public", "announcements_announcement")
    masked.run("--no-collectstatic")

    assert columns(masked.database, "public", "announcements_announcement") == before


def test_the_others_are_migrated_while_one_is_masked(masked: Project) -> None:
    run = masked.run("--no-collectstatic")

    assert (run.states["kypseli"], run.states["piraeus"]) == ("migrated", "migrated")
    assert [cause["exit_code"] for cause in run.report["causes"]] == [7, 8]


def test_a_ghost_with_pending_work_in_that_app_is_not_touched(past: Project) -> None:
    drop(past, MEMBERSHIP)
    before = everything(past.database, "athena")
    run = past.run("--no-collectstatic")

    assert (run.code, run.states["athena"]) == (7, "failed"), run.text
    assert run.outcome("athena")["message"] == f"not touched: table.ghost {MEMBERSHIP}"
    assert everything(past.database, "athena") == before


def test_verify_warn_does_not_let_a_ghost_be_migrated(past: Project) -> None:
    drop(past, MEMBERSHIP)

    assert past.run("--no-collectstatic", "--verify", "warn").states["athena"] == "failed"


def test_a_ghost_in_an_app_without_pending_work_does_not_hold_the_schema_up(past: Project) -> None:
    drop(past, MEMBERSHIP)
    run = past.run("--no-collectstatic", "--app", "announcements")

    assert (run.code, run.states["athena"]) == (8, "migrated"), run.text
    assert past.database.applied("athena", "announcements")[-1] == "0003_announcement_pinned"


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
    run = past.run()

    assert run.code == 6, run.text
    assert run.outcome("public")["message"] == "not touched: table.ghost users_user_groups"
    assert everything(past.database) == before


def test_a_ghost_in_the_shared_schema_elsewhere_fails_the_release_at_the_end(past: Project) -> None:
    drop(past, "django_session", "public")
    run = past.run("--no-collectstatic", "--schema", "public", "--schema", "athena", "--app", "users")

    assert run.code == 8, run.text
    assert run.states["public"] == "migrated"


def test_a_finding_from_before_the_first_write_is_known(past: Project) -> None:
    drop(past, MEMBERSHIP)
    run = past.run("--no-collectstatic", "--app", "announcements")

    assert [(f["object"], f["known"]) for f in run.report["findings"]] == [(MEMBERSHIP, True)]
    assert "known before this release" in run.event("finding.reported")["message"]


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


def test_a_masked_schema_can_be_migrated_after_the_table_was_put_back(masked: Project) -> None:
    masked.run("--no-collectstatic")
    masked.database.sql("ALTER TABLE public.announcements_announcement SET SCHEMA athena")
    run = masked.run("--no-collectstatic", "--schema", "athena")

    assert (run.code, run.states["athena"]) == (0, "migrated"), run.text
