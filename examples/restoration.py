"""A release whose data migration is wrong, and one tenant brought back: for the demo.

It works on copies of the project and of the database, so that the demo's own stay as they are.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from examples.past import PROJECT
from tests.support.server import database_url, psql

SCRIPT = PROJECT.parent.parent / "run_migrations.py"
DATABASE = "buildings_demo_restore"
TENANT, NEIGHBOUR = "athena", "kypseli"

# It was meant to remove memberships that are there twice.
_WRONG = """
from django.db import migrations


def remove_duplicates(apps, schema_editor):
    memberships = apps.get_model("buildings", "BuildingMembership").objects
    memberships.filter(building__address="").delete()


class Migration(migrations.Migration):
    dependencies = [("buildings", "0006_fill_slugs")]
    operations = [migrations.RunPython(remove_duplicates, migrations.RunPython.noop)]
"""
_NEXT = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("buildings", "0007_remove_duplicates")]
    operations = [
        migrations.AddConstraint(
            "building", models.CheckConstraint(condition=~models.Q(address=""), name="building_has_address")
        )
    ]
"""
_NO_ADDRESS = f"UPDATE {TENANT}.buildings_building SET address = ''"  # noqa: S608 - constants
_NEWER = f"UPDATE {NEIGHBOUR}.buildings_building SET name = name || ' (new)'"  # noqa: S608 - constants
_NUMBER_OF_NEWER = f"SELECT count(*) FROM {NEIGHBOUR}.buildings_building WHERE name LIKE '% (new)'"  # noqa: S608 - constants
_MEMBERS = "SELECT count(*) FROM {}.buildings_buildingmembership"


def restoration(
    maintenance_url: str,
    source: str,
    folder: Path,
    environment: Mapping[str, str],
    say: Callable[[str], None],
) -> None:
    """Break one tenant by a release, and restore it by the command that the release prints."""
    psql(maintenance_url, f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    psql(maintenance_url, f"CREATE DATABASE {DATABASE} TEMPLATE {source}")
    url, project = database_url(maintenance_url, DATABASE), _changed_project(folder / "project")
    psql(url, _NO_ADDRESS)
    environ = {**environment, "DATABASE_URL": url, "RELEASE_BACKUP_TO": str(folder / "backups")}
    say(f"A release whose data migration is wrong, and fails in {TENANT} half-way, with a backup before it:")
    printed = _run(project, environ, "release")
    psql(url, _NEWER)
    _count(url, "after the release")
    command = _printed(printed)
    say("What its last lines say is to be typed:")
    _run(project, environ, *command)
    say("And with --apply:")
    _run(project, environ, *command, "--apply")
    _count(url, "after the restore")
    newer = psql(url, _NUMBER_OF_NEWER)
    print(f"  {NEIGHBOUR} has kept {newer} buildings that were renamed after the backup")


def _changed_project(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("staticfiles", "__pycache__"))
    migrations = folder / "buildings" / "migrations"
    (migrations / "0007_remove_duplicates.py").write_text(_WRONG.lstrip(), encoding="utf-8")
    (migrations / "0008_building_has_address.py").write_text(_NEXT.lstrip(), encoding="utf-8")
    return folder


def _run(project: Path, environ: Mapping[str, str], *words: str) -> str:
    command = [os.path.relpath(one, project) for one in (sys.executable, SCRIPT)] + list(words)
    print(f"  $ {shlex.join(command)}", flush=True)
    done = subprocess.run(
        command, cwd=project, env=dict(environ), check=False, capture_output=True, text=True
    )
    print(done.stdout + done.stderr, flush=True)
    return done.stdout + done.stderr


def _printed(text: str) -> list[str]:
    """The words of the restore command in what a release has printed; its lines may be broken at spaces."""
    found = re.search(r"run_migrations\.py\s+(restore(?:\s+\S+)+?)\s*(?:\n\d\d:|\Z)", text)
    if not found:
        raise SystemExit("The release printed no command to restore.")
    return shlex.split(found[1])


def _count(url: str, when: str) -> None:
    for schema in (TENANT, NEIGHBOUR):
        print(f"  {schema}: {psql(url, _MEMBERS.format(schema))} memberships {when}")
