"""Runs that end between the last record of a schema and what follows it."""

import os
import signal

import pytest

from tests.support.release import Project
from tests.support.running import Gate

RECEIVERS = """
from django.apps import AppConfig
from django.db import connection
from django.db.models.signals import post_migrate
from django_tenants.signals import schema_migrated
from pathlib import Path

SEEDED = Path(__file__).with_name("seeded.txt")


def seed(sender, plan, **_):
    schema = connection.schema_name
    if schema == "athena" and not SEEDED.with_name("repaired").exists():
        BODY
    if schema != "public":
        with SEEDED.open("a") as file:
            print("seeded", schema, *(migration.name for migration, _ in plan), file=file)


def migrated(sender, schema_name, **_):
    with SEEDED.open("a") as file:
        print("migrated", schema_name, file=file)


class BuildingsConfig(AppConfig):
    name = "buildings"

    def ready(self):
        post_migrate.connect(seed, sender=self)
        schema_migrated.connect(migrated)
"""
FIELD = "migrations.AddField('building', 'floors', models.IntegerField(null=True))"
AT_GATE = (
    "with connection.cursor() as cursor: cursor.execute("
    "\"SELECT set_config('lock_timeout', '0', false), pg_advisory_xact_lock_shared(4711)\")"
)
RUNS = [("compiled", "1"), ("compiled", "2"), ("stock", "1")]


def prepare(project: Project, body: str) -> None:
    """A new migration, and a receiver of post_migrate that does this in athena."""
    project.write("buildings/apps.py", RECEIVERS.replace("BODY", body))
    project.migration("buildings", "0007_floors", "0006_fill_slugs", FIELD)


def told(project: Project) -> list[str]:
    """What the receivers have noted since the last time."""
    path = project.folder / "buildings" / "seeded.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [line for line in lines if "athena" in line]


def finished(project: Project, engine: str) -> None:
    """The next release, in which the receiver works, does what was left, and the one after that nothing."""
    assert project.run("verify").findings("migrations.unfinished") == [("athena", "django_migrations")]
    project.write("buildings/repaired", "")
    told(project)
    run = project.run("--no-collectstatic", "--engine", engine)
    assert (run.code, run.states["athena"], run.states["piraeus"]) == (0, "migrated", "current"), run.text
    assert told(project) == ["seeded athena 0007_floors", "migrated athena"]
    again = project.run("--no-collectstatic", "--engine", engine)
    assert (again.code, set(again.states.values()), told(project)) == (0, {"current"}, [])
    assert (
        project.database.sql("SELECT count(*) FROM athena.django_migrations WHERE app = 'railway_release'")
        == "0"
    )


def test_every_look_tells_that_receivers_are_to_be_called_again(current):
    prepare(current, "raise ValueError('no seeds')")
    assert current.run("--no-collectstatic").code == 7

    looked = {word: current.run(word).code for word in ("plan", "check", "verify", "status", "doctor")}
    assert looked == {"plan": 9, "check": 8, "verify": 8, "status": 0, "doctor": 8}


@pytest.mark.parametrize("engine", RUNS, ids=" ".join)
def test_receivers_that_raised_an_error_are_called_again(current, engine):
    prepare(current, "raise ValueError('no seeds')")
    name, jobs = engine
    run = current.run("--no-collectstatic", "--engine", name, "--jobs", jobs)

    assert run.code == 7, run.text
    assert run.outcome("athena")["message"].startswith("no seeds (ValueError in buildings/apps.py, line ")
    assert current.database.applied("athena", "buildings")[-1] == "0007_floors"
    finished(current, name)


@pytest.mark.parametrize("engine", RUNS, ids=" ".join)
def test_receivers_that_were_killed_are_called_again(current, begin, gate: Gate, engine):
    prepare(current, AT_GATE)
    name, jobs = engine
    release = begin(current, "--engine", name, RELEASE_JOBS=jobs)
    gate.reached()
    if jobs == "1":
        release.kill()
    else:
        for pid in release.workers:
            os.kill(pid, signal.SIGKILL)
        run = release.finish(seconds=30)
        assert (run.code, run.states["athena"]) == (7, "failed"), run.text
        assert "calls the receivers" in run.outcome("athena")["hint"]
    gate.open()
    current.run("--no-collectstatic", "--exclude", "athena")
    finished(current, name)
