"""Every operation, from every level of its app's history, by both engines."""

import json

import pytest

from tests.oracle.conftest import APPS, build_levels

pytestmark = pytest.mark.versions

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


def test_every_operation_of_django_is_in_some_app(topic):
    labels = [path.parent.name for path in APPS.glob("*/migrations")]
    project = topic(*labels)
    missing, number = json.loads(project.python(f"LABELS = {labels}\n{INVENTORY}").splitlines()[-1])

    assert (missing, number > 30) == ([], True)


@pytest.mark.parametrize("label", TOPICS)
def test_both_engines_leave_the_same_behind(topic, oracle, label):
    project = topic(label)
    build_levels(project, label)
    comparison = oracle(project)

    assert comparison.stock.code == 0, comparison.stock.text
    assert comparison.equal, comparison.text
    engines = {run.event("migrations.bounded")["engine"] for run in comparison.compiled.values()}
    assert engines == {"compiled"}
