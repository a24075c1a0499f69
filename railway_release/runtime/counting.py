"""Progress lines for long computations: how many parts are done, every few seconds."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from typing import TypeVar

from railway_release.runtime.log import get_logger

T = TypeVar("T")

_EVERY_SECONDS = 5.0


def counted(parts: Collection[T], event: str, work: str, clock: Clock | None = None) -> Iterator[T]:
    """The parts; every few seconds, `event` is logged with `work` and how many of them are done.

    Several counts may share a clock, so that their lines together do not come more often.
    """
    clock = clock or Clock()
    for done, part in enumerate(parts):
        if clock.is_due():
            text = f"{work}: {done} of {len(parts)}"
            get_logger().info(event, message=text, done=done, total=len(parts))
        yield part


class Clock:
    """Says when the next line is due."""

    def __init__(self, every: float = _EVERY_SECONDS) -> None:
        self._every = every
        self._last = time.monotonic()

    def is_due(self) -> bool:
        """Whether `every` seconds have passed since this last returned True."""
        if time.monotonic() - self._last < self._every:
            return False
        self._last = time.monotonic()
        return True
