"""Random histories, tenants at random levels of them, by both engines.

ORACLE_EXAMPLES draws so many, and other ones each time; a failure prints the migrations.
"""

import os
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, event, given, note, settings
from hypothesis import strategies as st

from tests.oracle.conftest import PUBLIC, add_apps
from tests.support.engines import compare
from tests.support.levels import BASE, Level, build
from tests.support.random_history import APP, histories, name_of
from tests.support.release import Database
from tests.support.server import create_database, psql

EXAMPLES = int(os.environ.get("ORACLE_EXAMPLES", "0"))


@contextmanager
def databases(server):
    """Creates databases that last for one example."""
    made = []

    def create(template="template0"):
        made.append(f"test_{uuid.uuid4().hex[:12]}")
        return Database(create_database(server, made[-1], template))

    try:
        yield create
    finally:
        for name in made:
            psql(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def write(project, files):
    """The app with these migrations."""
    add_apps(project, APP)
    project.write(f"{APP}/__init__.py", "")
    project.write(f"{APP}/models.py", "")
    project.write(f"{APP}/migrations/__init__.py", "")
    for number, text in enumerate(files):
        note(f"# {name_of(number)}\n{text}")
        project.write(f"{APP}/migrations/{name_of(number)}.py", text)


@pytest.mark.timeout(300 + 30 * EXAMPLES)
@settings(
    max_examples=EXAMPLES or 5,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink) if EXAMPLES else (Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(files=histories(), data=st.data())
def test_random_histories_end_the_same(server, origin, files, data):
    numbers = data.draw(st.lists(st.integers(0, len(files) - 1), min_size=3, max_size=4))
    levels = [
        Level(f"level {place}", (*BASE, (APP, name_of(number))), others=data.draw(st.booleans()))
        for place, number in enumerate(numbers)
    ]
    jobs = data.draw(st.integers(1, 2))
    with databases(server) as new_database, tempfile.TemporaryDirectory() as folder:
        project = origin.project(Path(folder) / "project", new_database)
        write(project, files)
        build(project, [PUBLIC, Level("zero", BASE), *levels])
        comparison = compare(project, new_database, jobs=(jobs,))

    event(f"exit code {comparison.stock.code}")
    assert comparison.stock.code == 0, comparison.stock.text
    assert comparison.equal, comparison.text
