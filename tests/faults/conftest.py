"""Releases and sessions that end with the test, however it ends."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.release import Database, Project
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

    def connect(database: Database, application: str = "stranger") -> Session:
        opened.append(Session(database, application))
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
def second_gate(past: Project) -> Iterator[Gate]:
    """Another one, at which migrations with wait_at(2) stop."""
    one = Gate(past.database, 2)
    yield one
    one.open()


@pytest.fixture
def gate(past: Project) -> Iterator[Gate]:
    """A gate in the database of `past`, closed."""
    one = Gate(past.database)
    yield one
    one.open()
