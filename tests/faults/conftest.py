"""Releases and sessions that end with the test, however it ends."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from tests.support.release import Database, Project, until
from tests.support.running import Creation, Gate, Running, Session


@pytest.fixture
def begin() -> Iterator[Callable[..., Running]]:
    """Starts releases."""
    started: list[Running] = []

    def start(project: Project, *words: str, **options: str) -> Running:
        started.append(Running(project, *words, **options))
        return started[-1]

    yield start
    for running in started:
        running.kill()


@pytest.fixture
def session() -> Iterator[Callable[..., Session]]:
    """Opens sessions of somebody else."""
    opened: list[Session] = []

    def connect(database: Database, application: str = "stranger", url: str = "") -> Session:
        opened.append(Session(database, application, url))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


@pytest.fixture
def create() -> Iterator[Callable[..., Creation]]:
    """Starts processes that create a tenant."""
    started: list[Creation] = []

    def start(project: Project, schema: str) -> Creation:
        started.append(Creation(project, schema))
        return started[-1]

    yield start
    for creation in started:
        creation.close()


@pytest.fixture
def gated(request: pytest.FixtureRequest) -> Database:
    """The database of the project that the test works with."""
    name = "current" if "current" in request.fixturenames else "past"
    return request.getfixturevalue(name).database  # type: ignore[no-any-return]  # of a Project


@pytest.fixture
def second_gate(gated: Database) -> Iterator[Gate]:
    """Another one, at which migrations with wait_at(2) stop."""
    one = Gate(gated, 2)
    yield one
    one.open()


@pytest.fixture
def gate(gated: Database) -> Iterator[Gate]:
    """A gate in the test's database, closed."""
    one = Gate(gated)
    yield one
    one.open()


@pytest.fixture
def counted(past: Project) -> Project:
    """`past` with a sequence that counts attempts."""
    past.database.sql("CREATE SEQUENCE public.attempts")
    return past


@pytest.fixture
def limited(counted: Project):
    """A role that is no superuser at the door, so that its CONNECTION LIMIT holds, and one inside."""
    name = f"limited_{uuid.uuid4().hex[:12]}"
    counted.database.sql(f"CREATE ROLE {name} LOGIN PASSWORD 'limited' IN ROLE postgres")
    counted.database.sql(f"ALTER ROLE {name} SET role = 'postgres'")
    yield name
    until(lambda: not counted.database.sql(f"SELECT 1 FROM pg_stat_activity WHERE usename = '{name}'"))
    counted.database.sql(f"DROP ROLE {name}")
