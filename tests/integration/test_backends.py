"""Whatever backend the project names is the one that opens every connection of a release."""

import pytest

from tests.support.release import Project, Run
from tests.support.urls import changed, superuser

ENGINE = "DATABASES['default']['ENGINE'] = 'config.backend'"
ORIGINAL = "ORIGINAL_BACKEND = 'config.backend'"
WITH_MODELS = """\
from django.db import models
from django.db.backends.postgresql.base import DatabaseWrapper


class SpatialReference(models.Model):
    class Meta:
        app_label = "spatial"
        db_table = "spatial_ref_sys"  # without a name, Django itself would ask the half-loaded backend
        managed = False
"""
PARAMETERS = """\
    def get_connection_params(self):
        return super().get_connection_params() | {"password": token()}
"""
CONNECTION = """\
    def get_new_connection(self, conn_params):
        return super().get_new_connection(conn_params | {"password": token()})
"""


def backend(project: Project, source: str, setting: str = ORIGINAL) -> None:
    """Give the project a backend of its own."""
    project.write("config/backend/__init__.py", "")
    project.write("config/backend/base.py", source)
    project.settings(setting)


def failure(run: Run) -> str:
    """The message of the one cause."""
    (cause,) = run.report["causes"]
    return str(cause["message"])


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_backend_that_defines_models_is_loaded_once_the_apps_are(past: Project, jobs: str) -> None:
    """As PostGIS' does; even where setting Django up asks the database, which that backend must open."""
    backend(past, WITH_MODELS)
    past.settings("PG_EXTRA_SEARCH_PATHS = ['extensions']")
    run = past.run("--no-collectstatic", "--jobs", jobs)

    assert (run.code, set(run.states.values())) == (0, {"migrated"}), run.text


@pytest.mark.parametrize("own", [WITH_MODELS, ""], ids=["with models", "stock"])
def test_a_database_that_setting_up_asks_for_is_waited_for(past: Project, own: str) -> None:
    """The project is not to blame when its apps ask a database that is not up yet."""
    past.settings("PG_EXTRA_SEARCH_PATHS = ['extensions']")
    if own:
        backend(past, own)
    nowhere = changed(past.database.url, port=1)
    run = past.run("--connect-timeout", "1", DATABASE_URL=nowhere)

    assert (run.code, run.report["error"]) == (3, "database.unreachable"), run.text
    assert len(run.named("database.retried")) > 0


@pytest.mark.parametrize("method", [PARAMETERS, CONNECTION], ids=["parameters", "connection"])
@pytest.mark.parametrize("setting", [ORIGINAL, ENGINE], ids=["original", "engine"])
def test_a_backend_that_gets_a_token_opens_every_connection(past: Project, setting: str, method: str) -> None:
    """With two workers, a backup and a direct URL: none of them has another way in."""
    module = "django_tenants.postgresql_backend" if setting == ENGINE else "django.db.backends.postgresql"
    token = "import os\n\n\ndef token():\n    return os.environ['FETCHED']\n\n\n"
    head = f"from {module} import base\n{token}class DatabaseWrapper(base.DatabaseWrapper):\n"
    backend(past, head + method, setting)
    with superuser(past.database, "wood-lift-77") as role:
        url = changed(past.database.url, user=role, password="outdated-lift")
        run = past.run("--no-collectstatic", "--jobs", "2", DATABASE_URL=url, FETCHED="wood-lift-77")

    assert (run.code, set(run.states.values())) == (0, {"migrated"}), run.text


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("ORIGINAL_BACKEND = 'no_such_backend'", "No module named 'no_such_backend'"),
        ("DATABASES['default']['ENGINE'] = 'no_such_engine'", "No module named 'no_such_engine'"),
        (ORIGINAL, "ImproperlyConfigured: no GDAL here"),
    ],
    ids=["original", "engine", "raising"],
)
def test_a_backend_that_cannot_be_loaded_is_the_projects_failure(
    past: Project, setting: str, named: str
) -> None:
    """It is named with its cause, and nothing was written."""
    raising = (
        "from django.core.exceptions import ImproperlyConfigured\nraise ImproperlyConfigured('no GDAL here')"
    )
    backend(past, raising, setting)
    run = past.run()

    assert (run.code, run.report["error"]) == (2, "settings.failed"), run.text
    assert (named in failure(run), "Traceback" in run.text) == (True, False), failure(run)


def test_a_pool_of_the_settings_does_not_reach_plain_connections(past: Project) -> None:
    """A pool hands out other sessions; the settings' own database is still compared with a direct URL."""
    past.settings("DATABASES['default']['OPTIONS'] |= {'pool': True}")
    run = past.run("plan", RELEASE_DATABASE_URL=past.database.url)

    assert (run.code, run.named("connection.not_compared")) == (9, []), run.text
