"""Counting: a line every few seconds for work whose parts are counted and nobody can see."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from typing import TypeVar

from railway_release.runtime.log import get_logger

T = TypeVar("T")

_EVERY_SECONDS = 5.0


def counted(parts: Collection[T], event: str, work: str, clock: Clock | None = None) -> Iterator[T]:
    """The parts; whenever some seconds have passed, a line says how many are done.

    A clock that several counts share keeps all their lines apart.
    """
    clock = clock or Clock()
    for done, part in enumerate(parts):
        if clock.strikes():
            text = f"{work}: {done} of {len(parts)}"
            get_logger().info(event, message=text, done=done, total=len(parts))
        yield part


class Clock:
    """Tells whether it is time for another line."""

    def __init__(self, every: float = _EVERY_SECONDS) -> None:
        self._every = every
        self._last = time.monotonic()

    def strikes(self) -> bool:
        """Whether some seconds have passed since it last did so."""
        if time.monotonic() - self._last < self._every:
            return False
        self._last = time.monotonic()
        return True
