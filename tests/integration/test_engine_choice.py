"""Which engine migrates a project, and what django-tenants alone can do."""

import pytest

from tests.support.release import Project

from .test_engine import change

pytestmark = pytest.mark.versions

EXECUTOR = """
from django_tenants.migration_executors.base import MigrationExecutor


class Executor(MigrationExecutor):
    codename = "own"
"""
IMPORTING = """
from django.apps import AppConfig


class BuildingsConfig(AppConfig):
    name = "buildings"

    def ready(self):
        import buildings.own
"""
COMMAND = """
from django.core.management.commands.migrate import Command as Migrate


class Command(Migrate):
    pass
"""


def needs_own_command(project: Project) -> None:
    project.write("buildings/own.py", COMMAND)
    project.settings("TENANT_BASE_MIGRATE_COMMAND = 'buildings.own.Command'")


def needs_own_executor(project: Project) -> None:
    project.write("buildings/own.py", EXECUTOR)
    # It counts as soon as somebody imports it, which cannot be before the settings are there.
    project.write("buildings/apps.py", IMPORTING)


def chooses_executors_itself(project: Project) -> None:
    project.write("buildings/own.py", "from django_tenants.migration_executors import get_executor as get\n")
    project.settings("GET_EXECUTOR_FUNCTION = 'buildings.own.get'")


def has_an_app_without_migrations(project: Project) -> None:
    project.write("plain/__init__.py", "")
    project.write(
        "plain/models.py", "from django.db import models\n\n\nclass Thing(models.Model):\n    pass\n"
    )
    project.settings("INSTALLED_APPS.append('plain')\nTENANT_APPS.append('plain')")


def asks_for_it(project: Project) -> None:
    project.settings("RAILWAY_RELEASE = {'ENGINE': 'stock'}")


@pytest.mark.parametrize(
    ("prepare", "environ", "reason"),
    [
        (asks_for_it, {}, "--engine stock"),
        (needs_own_command, {}, "TENANT_BASE_MIGRATE_COMMAND is buildings.own.Command"),
        (needs_own_executor, {"EXECUTOR": "own"}, "the executor own is the project's own"),
        (chooses_executors_itself, {}, "GET_EXECUTOR_FUNCTION is buildings.own.get"),
        (has_an_app_without_migrations, {}, "without migrations: plain"),
    ],
)
def test_what_only_django_tenants_can_do_is_left_to_it_and_the_reason_said(current, prepare, environ, reason):
    prepare(current)
    change(current, "migrations.RunSQL('SELECT 1')")
    run = current.run("--no-collectstatic", "--log-level", "debug", **environ)

    bounded = run.event("migrations.bounded")
    assert (bounded["engine"], f"through django-tenants' own command: {reason}" in bounded["message"]) == (
        "stock",
        True,
    )
    assert any("Running migrations" in one["message"] for one in run.named("output.captured"))


# None of them has a table that `migrate --run-syncdb` would make: managed elsewhere, or by no schema's app.
TABLELESS = """
from django.db import models


class Thing(models.Model):
    class Meta:
        managed = {managed}
        swappable = "THING"


class Proxy(Thing):
    class Meta:
        proxy = True
"""


def has_apps_without_tables(project: Project) -> None:
    apps = {"unmanaged": False, "homeless": True}
    for name, managed in apps.items():
        project.write(f"{name}/__init__.py", "")
        project.write(f"{name}/models.py", TABLELESS.format(managed=managed))
    project.settings(f"INSTALLED_APPS += {list(apps)}\nTENANT_APPS.append('unmanaged')")


def test_everything_else_runs_as_compiled_plans(current):
    """So do apps without migrations that have no tables to make: unmanaged, or of no schema."""
    has_apps_without_tables(current)
    change(current, "migrations.RunSQL('SELECT 1')")
    run = current.run("--no-collectstatic", "--log-level", "debug")

    assert run.event("migrations.bounded")["engine"] == "compiled"
    assert (run.code, run.named("output.captured"), run.findings("app.unmigrated")) == (0, [], [])
