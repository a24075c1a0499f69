"""Lines for schemas that are at work for long, with the sessions that they wait for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from railway_release.postgres.lock_monitor import LockMonitor
from railway_release.runtime.text import some
from railway_release.runtime.waiting import Pauses, tell


@contextlib.contextmanager
def watched(monitor: LockMonitor, schema: str) -> Iterator[None]:
    """While entered, the lock monitor's thread says if this process is at work in the schema for long."""
    pauses = Pauses()

    def look() -> None:
        if pauses.is_due():
            say(monitor, [schema], pauses.waited)

    with monitor.calling(look):
        yield


def say(monitor: LockMonitor, schemas: Sequence[str], seconds: float) -> None:
    """Log that these schemas have been at work for so long, and whom they wait for now."""
    waiting = f" (waiting for {monitor.blocking})" if monitor.blocking else ""
    tell(f"at work in {some(schemas)}{waiting}", seconds)
