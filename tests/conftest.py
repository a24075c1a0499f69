"""One server for each worker, one template database for each starting point, one clone for each test."""

import compileall
import os
import py_compile
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from railway_release.runtime.platform import cores
from tests.support import warm
from tests.support.release import EXAMPLE, ROOT, Database, Project
from tests.support.roles import Roles, roles
from tests.support.running import Session
from tests.support.schemas import let_a_day_pass
from tests.support.server import (
    create_database,
    creation,
    database_url,
    memory_dir,
    psql,
    running_server,
)

# Enough to see one fail between others; each costs every release that a test runs.
TENANTS = ("athena", "kypseli", "piraeus")


def pytest_xdist_auto_num_workers() -> int:
    """Half as many more as there are cores: for a part of their time, most tests wait."""
    return cores() * 3 // 2


def pytest_configure() -> None:
    """The folders that tests make, too, are in memory if that can be; see there."""
    if memory := memory_dir():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The oracle's tests are the longest, and so come first: no worker shall be left alone with one."""
    items.sort(key=lambda item: "oracle" not in item.path.parts)


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """Where Python may not write bytecode, each run would compile the package and its project anew.

    A test may write a file of its project twice within a second, so that its time does not tell whether it
    was compiled since: its hash does.
    """
    compileall.compile_dir(ROOT / "railway_release", quiet=1)
    by_hash = py_compile.PycInvalidationMode.CHECKED_HASH
    for folder in (EXAMPLE, ROOT / "tests" / "oracle" / "apps"):
        compileall.compile_dir(folder, quiet=1, force=True, invalidation_mode=by_hash)


@pytest.fixture(scope="session", autouse=True)
def forked(compiled: None) -> Iterator[None]:  # noqa: ARG001 - it comes before
    """Runs of the script begin with Django imported."""
    with warm.server():
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a maintenance database."""
    with running_server() as url:
        yield url


@pytest.fixture(scope="session")
def template(server: str) -> Iterator[Callable[..., str]]:
    """Names the template database with these tenants two releases ago; built at the first call."""
    built: dict[tuple[str, ...], str] = {}

    def build(*tenants: str) -> str:
        if tenants in built:
            return built[tenants]
        if set(tenants) < set(TENANTS):
            return built.setdefault(tenants, _fewer(server, build(*TENANTS), *tenants))
        built[tenants] = f"template_{uuid.uuid4().hex[:12]}"
        environ = {**os.environ, "DATABASE_URL": create_database(server, built[tenants])}
        command = [sys.executable, "-m", "examples.past", *tenants]
        subprocess.run(command, cwd=ROOT, env=environ, check=True, stdout=subprocess.DEVNULL)
        let_a_day_pass(Database(environ["DATABASE_URL"]))
        return built[tenants]

    yield build
    for name in built.values():
        psql(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _fewer(server: str, template: str, *tenants: str) -> str:
    """A copy of the template with these tenants only: that takes no process of Python."""
    name = f"{template}_{'_'.join(tenants)}"
    gone = [one for one in TENANTS if one not in tenants]
    ids = f"(SELECT id FROM tenants_client WHERE schema_name = ANY('{{{','.join(gone)}}}'))"
    psql(
        create_database(server, name, template),
        f"DROP SCHEMA {', '.join(gone)} CASCADE; DELETE FROM tenants_domain WHERE tenant_id IN {ids};"
        f"DELETE FROM tenants_client WHERE id IN {ids}",
    )
    return name


@pytest.fixture(scope="session")
def maintenance(server: str) -> Iterator[Session]:
    """A session that is kept: to begin one takes as long as to copy a small database."""
    session = Session(Database(server), "maintenance")
    yield session
    session.close()


@pytest.fixture
def new_database(server: str, maintenance: Session) -> Iterator[Callable[..., Database]]:
    """Creates databases, empty or from a template, and drops them after the test."""
    made: list[str] = []

    def create(template: str = "template0") -> Database:
        made.append(f"test_{uuid.uuid4().hex[:12]}")
        assert not (said := maintenance.run(f"{creation(server, made[-1], template)};")), said
        return Database(database_url(server, made[-1]))

    yield create
    for name in made:
        said = maintenance.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE);')
        assert "ERROR" not in said, said


@pytest.fixture
def past(new_database: Callable[..., Database], template: Callable[..., str], tmp_path: Path) -> Project:
    """The example project with three tenants that are two releases behind."""
    return Project(tmp_path / "project", new_database(template(*TENANTS)))


@pytest.fixture(scope="session")
def current_template(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The name of a database that a release has brought to the newest level."""
    name = f"{template(*TENANTS)}_current"
    folder = tmp_path_factory.mktemp("current") / "project"
    project = Project(folder, Database(create_database(server, name, template(*TENANTS))))
    run = project.run("--no-collectstatic")
    assert run.code == 0, run.text
    let_a_day_pass(project.database)
    yield name
    psql(server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def current(new_database: Callable[..., Database], current_template: str, tmp_path: Path) -> Project:
    """The example project with three tenants and nothing to do; the release is made once for all tests."""
    return Project(tmp_path / "project", new_database(current_template))


@pytest.fixture
def empty(new_database: Callable[..., Database], tmp_path: Path) -> Project:
    """The example project before its first deployment."""
    return Project(tmp_path / "project", new_database())


@pytest.fixture
def as_ordinary() -> Iterator[Callable[[Project, str], Roles]]:
    """Lets roles without special rights own, release and serve a project."""
    with ExitStack() as stack:

        def without_superuser(project: Project, kind: str) -> Roles:
            made = stack.enter_context(roles(project.database))
            project.url = made.release_url(kind)
            project.application_url = made.url(made.application, assume=True)
            return made

        yield without_superuser
