"""Starting points that more than one file needs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import TENANTS
from tests.support.release import Database, Project
from tests.support.server import database_url, psql


@pytest.fixture(scope="session")
def current_template(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The name of a database that a release has brought to the newest level."""
    name = f"{template(*TENANTS)}_current"
    psql(server, f'CREATE DATABASE "{name}" TEMPLATE "{template(*TENANTS)}"')
    project = Project(tmp_path_factory.mktemp("current") / "project", Database(database_url(server, name)))
    assert project.run("--no-collectstatic").code == 0
    yield name
    psql(server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def current(new_database: Callable[..., Database], current_template: str, tmp_path: Path) -> Project:
    """The example project with three tenants and nothing to do; the release is made once for all tests."""
    return Project(tmp_path / "project", new_database(current_template))
