"""A second server, for what must not be mistaken for the first."""

from collections.abc import Iterator
from contextlib import contextmanager

from .server import THROWAWAY, _boot, _guarded_home


@contextmanager
def second_server() -> Iterator[str]:
    """The URL of a maintenance database of a server that is nobody else's."""
    with _guarded_home() as home:
        yield _boot(home, THROWAWAY)
