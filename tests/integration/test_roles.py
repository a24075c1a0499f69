"""What is set for the role of a release: worked within, or refused before anything is written."""

import os

import pytest

from tests.support.release import Project, Run
from tests.support.roles import Roles
from tests.support.server import copy_of
from tests.support.snapshot import contents

LAST = "0003_announcement_pinned"

ours = pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="copies a server that is not ours")


@pytest.fixture
def roles(past: Project, as_ordinary) -> Roles:
    """The release logs in as the owner of everything."""
    return as_ordinary(past, "owner")


def refused(project: Project, id: str, **environ: str) -> str:
    """The message of a release that ends in preflight, before the backup and before any write."""
    before = contents(project.database)
    run = project.run(RELEASE_BACKUP_COMMAND="touch called", **environ)
    (cause,) = run.report["causes"]
    assert (run.code, run.report["error"]) == (3, id), run.text
    assert not (project.folder / "called").exists()
    assert contents(project.database) == before
    return str(cause["message"])


READ_ONLY = "default_transaction_read_only"
PLACES = ("ALTER ROLE {owner}", 'ALTER DATABASE "{name}"', 'ALTER ROLE {owner} IN DATABASE "{name}"')


def places(roles: Roles) -> list[str]:
    """Where something may be set for the sessions of a role in a database."""
    name = roles.database.url.rpartition("/")[2]
    return [place.format(owner=roles.owner, name=name) for place in PLACES]


def test_read_only_as_a_default_is_refused_with_the_statement_that_changes_it(past: Project, roles: Roles):
    for place in places(roles):
        past.database.sql(f"{place} SET {READ_ONLY} = on")
        message = refused(past, "database.read_only")
        statement = message.rpartition(": ")[2]
        past.database.sql(statement)

        assert f"{place} RESET {READ_ONLY};".replace('"', "") in statement.replace('"', "")

    assert "PGOPTIONS" in refused(past, "database.read_only", PGOPTIONS=f"-c {READ_ONLY}=on")
    assert past.run("--shared-only").code == 0  # all that was printed has worked


@ours
def test_a_standby_is_refused_for_writing_and_looked_at_as_any_server(past: Project):
    with copy_of(past.database.url, "-R") as past.url:
        assert "is a standby" in refused(past, "database.read_only")
        assert [past.run(*words.split()).code for words in ("plan", "verify", "repair --apply")] == [9, 0, 3]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_timeouts_that_are_set_for_the_application_do_not_end_the_release(
    past: Project, roles: Roles, jobs: str
):
    newest = int(past.database.sql("SHOW server_version_num")) >= 170000
    settings = ["statement_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout"]
    settings += ["transaction_timeout"] * newest
    for number, setting in enumerate(settings):
        past.database.sql(f"{places(roles)[number % 3]} SET {setting} = '700ms'")
    past.migration(
        "announcements",
        "0004_long",
        LAST,
        "migrations.RunPython(think), migrations.RunSQL('SELECT pg_sleep(0.9)')",
        "import time\n\n\ndef think(apps, editor):\n"
        "    editor.execute('SELECT 1')\n"
        "    time.sleep(0.9 if editor.connection.schema_name == 'athena' else 0)",
    )
    run = past.run("--backup-command", "sleep 0.9", RELEASE_JOBS=jobs)

    assert (run.code, set(run.states.values())) == (0, {"migrated"}), run.text
    assert run.event("timeouts.lifted")["settings"] == sorted(settings)


@pytest.mark.parametrize(("most", "jobs"), [(3, None), (4, 2)])
@pytest.mark.parametrize("place", range(2), ids=["role", "database"])
def test_no_more_workers_are_begun_than_may_connect(
    past: Project, roles: Roles, place: int, most: int, jobs: int | None
):
    past.database.sql(f"{places(roles)[place]} CONNECTION LIMIT {most}")
    run = past.run(RELEASE_JOBS="4")

    assert (run.code, set(run.states.values()), workers(run)) == (0, {"migrated"}, jobs), run.text
    assert f"CONNECTION LIMIT of {('role', 'database')[place]}" in run.text


def workers(run: Run) -> int | None:
    """How many were begun, or none if the release did without."""
    chosen = run.event("workers.chosen")
    return None if chosen["jobs"] == 1 else int(chosen["jobs"])


@pytest.mark.parametrize("place", range(2), ids=["role", "database"])
def test_too_few_connections_are_refused_with_the_statement_that_allows_more(
    past: Project, roles: Roles, place: int
):
    past.database.sql(f"{places(roles)[place]} CONNECTION LIMIT 2")
    message = refused(past, "database.connections")

    assert f"CONNECTION LIMIT of {('role', 'database')[place]}" in message
    past.database.sql(message.partition("at a time. ")[2])
    assert past.run("--shared-only").code == 0
