"""Settings by which a table cannot be made where it is to be: foreign keys, checks, extensions."""

import shlex

import pytest

from tests.support.diagnosis import ids, the
from tests.support.release import Project
from tests.support.schemas import everything

from .test_tenancy import add_types

MOVED = "SHARED_APPS.remove('users'); TENANT_APPS += ['django.contrib.auth', 'users']"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


# A shared model that points to one that only tenants have.


@pytest.fixture
def apart(empty: Project) -> Project:
    """The admin is shared, and the user model is the tenants' alone."""
    empty.settings(MOVED)
    return empty


def test_a_release_is_refused_where_a_shared_key_leads_to_tenants_alone(apart: Project) -> None:
    before = everything(apart.database)
    run = apart.run("--no-collectstatic")

    assert (run.code, run.report["error"]) == (3, "settings.key_unreachable"), run.text
    assert everything(apart.database) == before


@pytest.mark.parametrize("url", ["", NOWHERE], ids=["", "without a database"])
def test_doctor_names_such_a_key_and_advises_no_release(apart: Project, url: str) -> None:
    environ = {"DATABASE_URL": url} if url else {}
    run = apart.run("doctor", "--connect-timeout", "0.1", **environ)
    cause = the(run, "key.unreachable")

    assert "admin.LogEntry.user (in SHARED_APPS) points to users.User" in str(cause["seen"])
    assert cause["command"] == (
        "add 'users' to SHARED_APPS; or move 'django.contrib.admin' from SHARED_APPS to TENANT_APPS"
    )
    assert ids(run).count("key.unreachable") == 1
    assert "release.never_ran" not in ids(run)


def test_an_error_is_explained_by_such_a_key(apart: Project) -> None:
    run = apart.run("doctor", "--explain", 'relation "django_session" does not exist')
    (answer,) = run.report["explanations"]

    assert [one["id"] for one in answer["causes"]] == ["key.unreachable"], run.text


@pytest.mark.parametrize(
    "way_out",
    [
        "SHARED_APPS.append('users')",
        "SHARED_APPS.remove('django.contrib.admin'); TENANT_APPS.append('django.contrib.admin')",
    ],
)
def test_each_way_out_lets_the_release_run(apart: Project, way_out: str) -> None:
    apart.settings(way_out)
    run = apart.run("--no-collectstatic")

    assert (run.code, "key.unreachable" in ids(apart.run("doctor"))) == (0, False), run.text


def test_a_key_that_is_there_already_is_no_cause(current: Project) -> None:
    current.settings(MOVED)
    run = current.run("doctor")

    assert "key.unreachable" not in ids(run), run.text
    assert current.run("--no-collectstatic").report["error"] == ""


# System checks that ask the database.


def test_checks_of_the_tenants_own_models_are_run_for_the_database(current: Project) -> None:
    models = (current.folder / "buildings" / "models.py").read_text(encoding="utf-8")
    check = (
        "    @classmethod\n    def check(cls, databases=None, **kwargs):\n"
        "        from django.core.checks import Error\n        from django.db import router\n"
        "        asked = [one for one in databases or () if router.allow_migrate_model(one, cls)]\n"
        "        return [Error('no such feature', id='buildings.E001')] if asked else []\n\n"
    )
    head = "class Building(models.Model):\n"
    current.write("buildings/models.py", models.replace(head, f"{head}{check}", 1))
    run = current.run("--no-collectstatic")

    assert (run.code, run.report["error"]) == (3, "preflight.failed")
    assert "buildings.E001" in run.text


# Extensions.


def test_an_extension_that_only_the_first_tenant_would_have_is_not_created(current: Project) -> None:
    current.migration(
        "buildings", "0007_ext", "0006_fill_slugs", "migrations.RunSQL('CREATE EXTENSION hstore')"
    )
    run = current.run("--no-collectstatic")
    outcome = run.outcome("athena")

    assert (run.code, set(run.states.values())) == (7, {"migrated", "failed"})
    assert "would create the extension hstore in the first tenant's schema" in outcome["message"]
    current.database.sql(outcome["hint"].partition(";")[0])
    current.migration(
        "buildings",
        "0007_ext",
        "0006_fill_slugs",
        "migrations.RunSQL('CREATE EXTENSION IF NOT EXISTS hstore')",
    )
    assert current.run("--no-collectstatic").code == 0


def test_an_extension_in_the_schema_of_one_tenant_is_moved_by_the_command(current: Project) -> None:
    current.database.sql("CREATE EXTENSION hstore SCHEMA athena")
    cause = the(current.run("doctor"), "extension.misplaced")

    assert (cause["seen"], cause["schemas"]) == ("hstore in athena", ["kypseli", "piraeus"])
    current.database.sql(shlex.split(str(cause["command"]))[-1])
    assert ids(current.run("doctor")) == []


# A tenant type's model that points to one of another type.


def test_a_key_between_types_of_tenants_is_told_in_the_words_of_their_settings(current: Project) -> None:
    add_types(current)
    assert current.run("--no-collectstatic").code == 0
    current.database.sql(
        "CREATE SCHEMA chess; INSERT INTO public.tenants_client (schema_name, name, created_at, type)"
        " VALUES ('chess', 'Chess', now(), 'club')"
    )
    field = "models.ForeignKey('buildings.Building', models.CASCADE, null=True)"
    current.write(
        "clubs/models.py", f"from django.db import models\n\n\nclass Club(models.Model):\n    at = {field}\n"
    )
    current.migration("clubs", "0002_at", "0001_initial", f"migrations.AddField('club', 'at', {field})")
    run = current.run("doctor")
    cause = the(run, "key.unreachable")

    assert cause["schemas"] == ["chess"]
    assert str(cause["seen"]).startswith("clubs.Club.at (in TENANT_TYPES['club']['APPS']) points to")
    assert "chess" not in the(run, "release.never_ran")["schemas"]
    assert "SHARED_APPS" not in run.text
    assert "TENANT_APPS" not in run.text
