"""Lines for waits: whatever takes longer than some seconds says what it waits for, again and again."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Iterator

from railway_release.runtime.log import get_logger
from railway_release.runtime.text import in_time

FIRST_SECONDS = 5.0
_MOST_SECONDS = 60.0  # between two lines


class Pauses:
    """When a wait is told: after `first` seconds, then when it has lasted twice as long or a minute more."""

    def __init__(self, first: float = FIRST_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.started = clock()
        self._due = first

    @property
    def waited(self) -> float:
        """Seconds since the wait began."""
        return self._clock() - self.started

    @property
    def left(self) -> float:
        """Seconds until the next line."""
        return max(0.0, self._due - self.waited)

    def is_due(self) -> bool:
        """Whether a line is due; then the next one is later."""
        if self.left:
            return False
        self._due = self.waited + min(self.waited, _MOST_SECONDS)
        return True


@contextlib.contextmanager
def told(what: str | Callable[[], str], first: float = FIRST_SECONDS) -> Iterator[None]:
    """While entered, lines say `what` is waited for, and how long already; the `first` after some seconds.

    What changes meanwhile is asked for each time.
    A thread writes them, so this process must not fork workers meanwhile.
    """
    ended = threading.Event()
    arguments = (_tell, ended, what, Pauses(first))
    thread = threading.Thread(target=contextvars.copy_context().run, args=arguments, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _tell(ended: threading.Event, what: str | Callable[[], str], pauses: Pauses) -> None:
    while not ended.wait(pauses.left):
        if pauses.is_due():
            tell(what if isinstance(what, str) else what(), pauses.waited)


def tell(what: str, seconds: float) -> None:
    """Log that something has been waited for so long."""
    text = f"{what}, for {in_time(seconds)} so far"
    get_logger().info("wait.told", message=text, duration_ms=round(seconds * 1000))
