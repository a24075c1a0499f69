"""status: which schemas have which migrations, in groups, whatever state they are in."""

import pytest

from tests.integration.test_history import forget, record, squash
from tests.integration.test_tenancy import introduced, typed
from tests.support.release import Project
from tests.support.schemas import add_row, copy_schema
from tests.support.status import migrations, said, schemas

__all__ = ["introduced", "typed"]  # fixtures

with_types = pytest.mark.xdist_group("tenancy")  # they are introduced once

LAST = "announcements.0003_announcement_pinned"


def behind(project: Project, *tenants: str) -> None:
    """Take the last announcement migration out of these schemas."""
    for name in tenants:
        forget(project, name, "announcements", "0003_announcement_pinned")


# The schemas, in groups.


def test_tenants_with_everything_are_one_line(current: Project) -> None:
    assert schemas(current.run("status")) == [
        "shared schema public: everything applied",
        "3 tenants (athena, kypseli, piraeus): everything applied",
    ]


def test_a_tenant_that_is_behind_is_named_with_what_it_lacks(current: Project) -> None:
    behind(current, "kypseli")

    assert schemas(current.run("status"))[1:] == [
        "2 tenants (athena, piraeus): everything applied",
        f"tenant kypseli: 1 pending ({LAST})",
    ]


def test_what_only_needs_a_record_is_told_apart_from_what_changes_tables(past: Project) -> None:
    (shared, tenants) = schemas(past.run("status"))

    assert shared == "shared schema public: 1 pending (users.0002_user_phone)"
    assert ": 5 pending (announcements.0002_announcement_audience, " in tenants
    assert tenants.endswith(", and 6 pending for the record only (admin.0001_initial and 5 more)")


def test_a_tenant_ahead_of_the_code_is_named_with_what_is_newer(current: Project) -> None:
    record(current, "piraeus", "buildings", "0007_future")

    assert schemas(current.run("status"))[-1] == (
        "tenant piraeus: ahead of this code with buildings.0007_future"
    )


def test_a_tenant_with_a_gap_is_named_with_both_migrations(current: Project) -> None:
    forget(current, "piraeus", "buildings", "0002_buildingmembership")

    assert schemas(current.run("status"))[-1] == (
        "tenant piraeus: inconsistent, buildings.0003_building_address is recorded as applied"
        " before its dependency buildings.0002_buildingmembership"
    )


def test_schemas_that_fit_nothing_are_named_with_the_reason(current: Project) -> None:
    current.database.sql("ALTER TABLE piraeus.django_migrations RENAME COLUMN app TO application")
    add_row(current.database, "nowhere")
    copy_schema(current.database, "athena", "stranger")
    run = current.run("status")

    assert said(run, "schemas.unfit") == [
        'piraeus: records unreadable: column "app" does not exist',
        "nowhere: a tenant row, but no schema",
        "stranger: migration records, but no tenant row",
    ]
    assert [(one["schema"], one["kind"]) for one in run.report["status"]["misfits"]] == [
        ("piraeus", "unreadable"),
        ("nowhere", "without schema"),
        ("stranger", "without row"),
    ]


def test_a_template_is_shown_apart_from_tenants(current: Project) -> None:
    copy_schema(current.database, "athena", "blueprint")
    current.settings('TENANT_BASE_SCHEMA = "blueprint"\nTENANT_CREATION_FAKES_MIGRATIONS = True')
    behind(current, "blueprint")

    assert schemas(current.run("status"))[1:] == [
        f"template blueprint: 1 pending ({LAST})",
        "3 tenants (athena, kypseli, piraeus): everything applied",
    ]


@with_types
def test_tenants_of_each_type_are_a_group_of_their_own(typed: Project) -> None:
    lines = schemas(typed.run("status"))

    assert lines[1] == "3 tenants of type housing (athena, kypseli, piraeus): everything applied"
    assert lines[2].startswith("tenant of type club chess: nothing recorded, 3 pending (contenttypes.0001_")


@with_types
def test_a_tenant_of_an_unknown_type_is_named(typed: Project) -> None:
    typed.database.sql("UPDATE public.tenants_client SET type = 'hotel' WHERE schema_name = 'athena'")

    assert said(typed.run("status"), "schemas.unfit") == ["athena: 'hotel' is not in TENANT_TYPES"]


# The migrations.


def test_migrations_that_every_schema_has_are_folded_into_one_line(current: Project) -> None:
    assert "buildings [tenants] 0001_initial … 0006_fill_slugs (6): everywhere" in migrations(
        current.run("status", "--app", "buildings")
    )


def test_a_migration_that_some_lack_has_its_own_line_and_names_them(current: Project) -> None:
    behind(current, "kypseli")

    assert migrations(current.run("status", "--app", "announcements")) == [
        "announcements [tenants] 0001_initial … 0002_announcement_audience (2): everywhere",
        (
            "announcements [tenants] 0003_announcement_pinned: "
            "in the shared schema; in 2 of 3 tenants, not in kypseli"
        ),
    ]


def test_a_migration_that_few_have_names_those(current: Project) -> None:
    behind(current, "kypseli", "athena")

    assert migrations(current.run("status", "--app", "announcements"))[-1].endswith(
        "in 1 of 3 tenants (piraeus)"
    )


def test_many_apps_that_are_alike_are_one_line(current: Project) -> None:
    assert migrations(current.run("status")) == [
        (
            "admin, announcements, auth, buildings, contenttypes, sessions, tenants, users (30 migrations): "
            "everywhere"
        )
    ]


@with_types
def test_where_an_app_has_its_tables_is_told_beside_its_records(typed: Project) -> None:
    run = typed.run("status")

    assert {entry["app"]: entry["tables"] for entry in run.report["status"]["apps"]}["clubs"] == [
        {"shared": False, "type": "club"}
    ]
    assert any(
        line.startswith("clubs [tenants of type club] 0001_initial: in the shared schema; in 3 of 4 tenants")
        for line in migrations(typed.run("status", "--app", "clubs"))
    )


def test_with_a_router_of_the_projects_own_no_places_of_tables_are_claimed(current: Project) -> None:
    current.write(
        "config/routers.py",
        "from django_tenants.routers import TenantSyncRouter\n\n\nclass Own(TenantSyncRouter):\n    pass\n",
    )
    current.settings('DATABASE_ROUTERS = ["config.routers.Own", "django_tenants.routers.TenantSyncRouter"]')

    assert {entry["tables"] for entry in current.run("status").report["status"]["apps"]} == {None}


def test_a_squash_that_a_schema_has_in_part_is_said_to_be_so(current: Project) -> None:
    squash(current, "0004_squashed_0005", "0004_membership_index", "0005_building_slug")
    text = (current.folder / "buildings/migrations/0006_fill_slugs.py").read_text(encoding="utf-8")
    current.write(
        "buildings/migrations/0006_fill_slugs.py", text.replace("0005_building_slug", "0004_squashed_0005")
    )
    for name in ("0005_building_slug", "0006_fill_slugs"):
        forget(current, "athena", "buildings", name)
    run = current.run("status", "--schema", "athena", "--app", "buildings")

    assert "buildings [tenants] 0004_squashed_0005: in 0 of 1 tenant; in part in athena" in migrations(run)
    assert run.report["status"]["cohorts"][0]["pending"] == [
        "buildings.0005_building_slug",
        "buildings.0006_fill_slugs",
    ]


def test_records_that_fit_no_files_of_a_squash_are_inconsistent(current: Project) -> None:
    squash(current, "0004_squashed_0005", "0004_membership_index", "0005_building_slug")
    for name in ("0004_membership_index", "0005_building_slug"):
        (current.folder / f"buildings/migrations/{name}.py").unlink()
    forget(current, "athena", "buildings", "0005_building_slug")

    assert schemas(current.run("status"))[-1].startswith("tenant athena: inconsistent, ")


def test_stale_records_are_counted_in_one_line(current: Project) -> None:
    for name in ("athena", "kypseli"):
        record(current, name, "letters", "0001_initial")
    run = current.run("status")

    assert said(run, "records.stale") == [
        "1 migration no longer on disk recorded in 2 schemas (letters.0001_initial); harmless"
    ]
    assert run.report["status"]["stale"] == [{"migration": "letters.0001_initial", "schemas": 2}]


def test_records_of_what_a_squash_replaces_are_not_stale(current: Project) -> None:
    squash(current, "0004_squashed_0005", "0004_membership_index", "0005_building_slug")
    for name in ("0004_membership_index", "0005_building_slug"):
        (current.folder / f"buildings/migrations/{name}.py").unlink()
    run = current.run("status")

    assert (said(run, "records.stale"), run.report["status"]["stale"]) == ([], [])


def test_stale_records_do_not_divide_groups_of_schemas(current: Project) -> None:
    record(current, "athena", "letters", "0001_initial")
    run = current.run("status")

    assert schemas(run)[1:] == ["3 tenants (athena, kypseli, piraeus): everything applied"]
    assert len(run.report["status"]["cohorts"]) == 3
