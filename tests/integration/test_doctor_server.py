"""doctor on the server, the settings and the connection: each cause is built for real."""

from collections.abc import Callable

import pytest

from tests.support.pgbouncer import PROGRAM, pgbouncer
from tests.support.release import Database, Project, Run

needs_pgbouncer = pytest.mark.skipif(
    not PROGRAM, reason="no pgbouncer program: on Debian, apt-get install pgbouncer"
)


def the(run: Run, id: str) -> dict[str, object]:
    """The one cause of this id."""
    found: list[dict[str, object]] = [one for one in run.report["diagnosis"] if one["id"] == id]
    assert len(found) == 1, f"{len(found)} causes {id!r} in:\n{run.text}"
    return found[0]


def ids(run: Run) -> set[str]:
    """The causes."""
    return {one["id"] for one in run.report["diagnosis"]}


# The connection.


@needs_pgbouncer
def test_a_release_through_a_pooler(current: Project) -> None:
    with pgbouncer(current.database.url, "transaction") as url:
        run = current.run("doctor", DATABASE_URL=url)

    assert (run.code, the(run, "database.pooled")["severity"]) == (8, "error")
    assert "(from settings)" in str(the(run, "database.pooled")["seen"])


@needs_pgbouncer
def test_an_application_behind_a_pooler_although_the_release_is_not(current: Project) -> None:
    with pgbouncer(current.database.url, "transaction") as url:
        run = current.run("doctor", DATABASE_URL=url, DATABASE_UNPOOLED_URL=current.database.url)

    assert str(the(run, "database.pooled")["seen"]).startswith("the application's own URL")


@needs_pgbouncer
def test_a_pooler_that_is_vouched_for(current: Project) -> None:
    with pgbouncer(current.database.url, "session") as url:
        run = current.run("doctor", DATABASE_URL=url, RELEASE_POOLER="session")

    assert (run.code, "database.pooled" in ids(run)) == (0, False), run.text


# Privileges.


def test_a_role_that_may_only_look(current: Project, new_role: Callable[[Database], str]) -> None:
    cause = the(current.run("doctor", DATABASE_URL=new_role(current.database)), "role.unprivileged")

    assert cause["severity"] == "error"
    assert cause["schemas"] == ["athena", "kypseli", "piraeus", "public"]
    seen = str(cause["seen"])
    assert "CREATE on 3 schemas" in seen or "CREATE on 4 schemas" in seen
    assert "ownership of tables in 4 schemas" in seen
    assert "CREATE on the database, so it cannot create tenants" in seen


def test_a_role_without_usage_of_a_tenants_schema(
    current: Project, new_role: Callable[[Database], str]
) -> None:
    url = new_role(current.database)
    role = url.partition("://")[2].partition(":")[0]
    current.database.sql(f"REVOKE USAGE ON SCHEMA athena FROM {role}")
    run = current.run("doctor", DATABASE_URL=url)

    assert "lacks USAGE on athena" in str(the(run, "role.unprivileged")["seen"])
    assert the(run, "records.unreadable")["schemas"] == ["athena"]


def test_where_the_tenants_cannot_be_read_the_missing_privilege_is_still_found(
    current: Project, new_role: Callable[[Database], str]
) -> None:
    url = new_role(current.database)
    role = url.partition("://")[2].partition(":")[0]
    current.database.sql(f"REVOKE SELECT ON public.tenants_client FROM {role}")
    run = current.run("doctor", DATABASE_URL=url)

    assert "permission denied for table tenants_client" in str(the(run, "inspection.ended")["seen"])
    assert "role.unprivileged" in ids(run)
    assert run.code == 8


# Backup.


def test_a_backup_command_whose_pg_dump_is_not_there(current: Project) -> None:
    run = current.run("doctor", RELEASE_BACKUP_COMMAND="/nowhere/pg_dump --file=x.dump")

    assert (run.code, "/nowhere/pg_dump" in str(the(run, "pg_dump.missing")["seen"])) == (8, True)


def test_a_pg_dump_older_than_the_server(current: Project) -> None:
    old = current.write("bin/pg_dump", "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n")
    old.chmod(0o755)
    run = current.run("doctor", RELEASE_BACKUP_COMMAND=f"{old} -n public")

    assert "is of version 9, the server of" in str(the(run, "pg_dump.old")["seen"])


def test_a_backup_without_pg_dump_is_not_asked_for_its_version(current: Project) -> None:
    assert ids(current.run("doctor", RELEASE_BACKUP_COMMAND="true")) == ids(current.run("doctor"))


# Settings.


def test_an_app_in_both_lists(current: Project) -> None:
    current.settings("TENANT_APPS.append('django.contrib.sessions')")
    cause = the(current.run("doctor"), "app.in_both")

    assert cause["seen"] == "django.contrib.sessions in SHARED_APPS and in TENANT_APPS"
    assert cause["severity"] == "info"  # many mean it


def test_an_app_in_both_lists_under_two_names(current: Project) -> None:
    current.settings("TENANT_APPS.append('django.contrib.sessions.apps.SessionsConfig')")

    assert "app.in_both" in ids(current.run("doctor"))


def test_content_types_in_both_lists_are_to_be_known_of(current: Project) -> None:
    run = current.run("doctor")

    assert (run.code, the(run, "contenttypes.in_both")["severity"]) == (0, "info")


def test_content_types_in_one_list_are_not(current: Project) -> None:
    current.settings("TENANT_APPS.remove('django.contrib.contenttypes')")

    assert "contenttypes.in_both" not in ids(current.run("doctor"))


def test_an_app_without_tables_may_be_in_both_lists(current: Project) -> None:
    current.settings("TENANT_APPS += ['django.contrib.messages', 'django.contrib.staticfiles']")

    assert "app.in_both" not in ids(current.run("doctor"))


def test_a_router_of_the_projects_own(current: Project) -> None:
    current.write("config/routers.py", "class Quiet:\n    pass\n")
    current.settings("DATABASE_ROUTERS.append('config.routers.Quiet')")

    assert (
        the(current.run("doctor"), "router.custom")["seen"] == "DATABASE_ROUTERS holds config.routers.Quiet"
    )


def test_settings_are_looked_at_without_a_database_too(current: Project) -> None:
    current.settings("TENANT_APPS.append('django.contrib.sessions')")
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    run = current.run("doctor", "--connect-timeout", "0.1", DATABASE_URL=nowhere)

    assert {"inspection.ended", "app.in_both"} <= ids(run)


# Migrations that cannot be loaded.


def test_conflicting_migrations_leave_the_server_and_the_settings(current: Project) -> None:
    for name in ("0007_one", "0007_other"):
        current.migration("buildings", name, "0006_fill_slugs", "")
    run = current.run("doctor")

    assert run.report["error"] == "migrations.invalid"
    assert run.report["areas"]["server"] == "fine"
    assert run.report["areas"]["settings"] == "fine"
