"""Whether the work has to stop, and when the running statement may be cancelled."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol

from railway_release.engine.watch import watched
from railway_release.errors import LockLost
from railway_release.postgres.lock_monitor import LockMonitor
from railway_release.runtime.log import get_logger
from railway_release.runtime.signals import Interrupts

LOST = "The connection that held the release lock was lost, or another server answers now."
RUN_AGAIN = (
    "Nothing more was started; run again. Schemas that were not reached are named above, and what a server"
    " that came back has less in it than was committed is found out then."
)


class Stopping(Exception):
    """The work under way is given up; why is found out by `check`."""


class CancelToken(Protocol):
    """Asked before each schema and each migration whether it may begin."""

    @property
    def stopping(self) -> bool:
        """Whether nothing more is to be begun."""

    def beginning(self) -> contextlib.AbstractContextManager[None]:
        """Raise if nothing more is to be begun; while entered, no statement is cancelled."""

    def working(self, cancellable: Callable[[], bool]) -> contextlib.AbstractContextManager[None]:
        """While entered, a signal raises nothing, and cancels the statement if `cancellable` returns true."""

    def watching(self, schema: str) -> contextlib.AbstractContextManager[None]:
        """While entered, lines say how long the schema takes, and whom it waits for."""
        ...

    def report_blocked(self, schema: str) -> None:
        """Log who blocked this schema, after a lock was not to be had in time."""

    def mark_lost(self) -> None:
        """Begin nothing more: the release lock is not held on the server that answers."""


class OwnCancelToken:
    """The token of the process that holds the release lock."""

    def __init__(self, interrupts: Interrupts, monitor: LockMonitor) -> None:
        self.interrupts = interrupts
        self.monitor = monitor

    @property
    def stopping(self) -> bool:
        """Whether a signal came or the lock is lost."""
        return self.interrupts.requested is not None or not self.monitor.holds()

    def check(self) -> None:
        """Raise Interrupted or LockLost."""
        self.interrupts.check()
        if not self.monitor.holds():
            silent = f"The server has not answered for {self.monitor.silence:g} s."
            raise LockLost(silent if self.monitor.silent else LOST, RUN_AGAIN)

    def raise_if_stopping(self) -> None:
        """Raise Stopping if nothing more is to be done; also where signals are only noted."""
        if self.stopping:
            raise Stopping("it was stopped")

    @contextlib.contextmanager
    def beginning(self) -> Iterator[None]:
        """Raise as `check` does."""
        self.check()
        yield

    @contextlib.contextmanager
    def working(self, cancellable: Callable[[], bool]) -> Iterator[None]:
        """Let the lock monitor's thread cancel, since the main thread waits inside the driver."""
        with self.interrupts.shield(), self.monitor.cancelling(cancellable):
            yield

    def watching(self, schema: str) -> contextlib.AbstractContextManager[None]:
        """Let the lock monitor's thread tell."""
        return watched(self.monitor, schema)

    def mark_lost(self) -> None:
        """See CancelToken."""
        self.monitor.mark_lost()

    def report_blocked(self, schema: str) -> None:
        """See CancelToken; the lock monitor has seen who it was."""
        if blockers := self.monitor.take_blockers():
            get_logger().warning(
                "schema.blocked", message=f"{schema}: blocked by {blockers}", schema=schema, blockers=blockers
            )
