"""Every operation, from every level of its app's history, by both engines."""

import json

import pytest

from tests.oracle.conftest import APPS, build_levels
from tests.support.release import Database
from tests.support.server import create_database, psql

TOPICS = (
    "tables",
    "fields",
    "relations",
    "indexes",
    "queries",
    "records",
    "extras",
    "inheritance",
    "chains",
    "swapping",
    "signals",
    "renames",
    "pointing",  # to an app without migrations, whose models are unmanaged
    "listening",
)
# One job runs the same program in one tenant after the other, which is harder; two, here, at the same time.
# All of the others together are released with two jobs in test_tenancy.
WITH_TWO_JOBS_TOO = ("records",)
# What verification says, where the migrations themselves tell the models one thing and the database another.
TRUE = {
    "queries": {
        ("column.extra", "queries_note.hidden"),
        ("foreign_key.rules", "papers(note_id)"),
        ("index.missing", "papers(note_id)"),
    },
    "extras": {
        ("constraint.unchecked", "extras_room.room_unchecked"),
        ("constraint.unchecked", "extras_room.room_checked"),
    },
    "renames": {
        ("column.missing", "renames_named_first.called_id"),
        ("column.in_the_way", "renames_named_first.named_id"),
    },
}

# What the apps use, and what Django has: classes that do something to a database or to its state.
INVENTORY = """
import inspect, json
from django.contrib.postgres import operations as postgres
from django.db.migrations import operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

def is_one(found):
    return inspect.isclass(found) and issubclass(found, Operation) and (
        found.database_forwards is not Operation.database_forwards)

def inside(operation):
    yield from (one.__name__ for one in type(operation).__mro__)
    for name in ("database_operations", "state_operations"):
        for one in getattr(operation, name, None) or ():
            yield from inside(one)

ours = set(LABELS)
migrations = MigrationLoader(None).disk_migrations.values()
used = {name for m in migrations if m.app_label in ours for o in m.operations for name in inside(o)}
django = {name for module in (operations, postgres) for name, found in vars(module).items() if is_one(found)}
print(json.dumps([sorted(django - used), len(django)]))
"""


@pytest.mark.versions
def test_every_operation_of_django_is_in_some_app(topic):
    labels = [path.parent.name for path in APPS.glob("*/migrations")]
    project = topic(*labels)
    missing, number = json.loads(project.python(f"LABELS = {labels}\n{INVENTORY}").splitlines()[-1])

    assert (missing, number > 30) == ([], True)


@pytest.fixture(
    scope="module", params=[pytest.param(one, marks=pytest.mark.xdist_group(one)) for one in TOPICS]
)
def label(request):
    """An app; what its tests look at is built once."""
    return request.param


@pytest.fixture(scope="module")
def built(server, origin, label, tmp_path_factory):
    """The project with that app, and a tenant at every level of its history."""

    def new_database(template):
        return Database(create_database(server, f"levels_{label}", template))

    project = origin.project(tmp_path_factory.mktemp(label) / "project", new_database, label)
    build_levels(project, label)
    yield project
    psql(server, f'DROP DATABASE "levels_{label}" WITH (FORCE)')


@pytest.mark.versions
@pytest.mark.server
def test_both_engines_leave_the_same_behind(built, label, oracle):
    comparison = oracle(built, jobs=(1, 2) if label in WITH_TWO_JOBS_TOO else (1,))

    assert comparison.stock.code == 0, comparison.stock.text
    assert comparison.equal, comparison.text
    engines = {run.event("migrations.bounded")["engine"] for run in comparison.compiled.values()}
    assert engines == {"compiled"}


@pytest.mark.server
def test_freshly_migrated_schemas_are_what_is_expected_at_every_level(built, label):
    """Verification says of schemas that Django has just migrated what is true, and nothing else."""
    run = built.run("verify")

    assert {(one["id"], one["object"]) for one in run.report["findings"]} == TRUE.get(label, set()), run.text
