"""What commands have in common: named phases, the preflight checks, and the release lock."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from railway_release.engine.cancel_token import OwnCancelToken
from railway_release.postgres.lock import HeldLock, acquire
from railway_release.postgres.lock_monitor import LockMonitor
from railway_release.preflight import checks
from railway_release.preflight.confirm import confirm
from railway_release.preflight.target import Target
from railway_release.report.report import Report
from railway_release.runtime.log import get_logger
from railway_release.runtime.text import in_time


@dataclass
class Phase:
    """A phase under way; one that turns out to have nothing to do is `idle`, and has no line."""

    idle: bool = False


@contextlib.contextmanager
def phase(report: Report, name: str) -> Iterator[Phase]:
    """While entered, log lines carry the phase; its duration goes to the log and to the report."""
    started, this = time.monotonic(), Phase()
    with structlog.contextvars.bound_contextvars(phase=name):
        try:
            yield this
        finally:
            report.phases[name] = time.monotonic() - started
        if not this.idle:
            milliseconds = round(report.phases[name] * 1000)
            text = f"{name}: {in_time(report.phases[name])}"
            get_logger().info("phase.finished", message=text, duration_ms=milliseconds)


def preflight(target: Target, report: Report) -> None:
    """Check that there is a project and a database to read from. Raises PreflightError."""
    with phase(report, "preflight"):
        _look(target)


def preflight_to_write(target: Target, report: Report) -> None:
    """The same, and that the database may be written to; on a terminal, a person may be asked."""
    with phase(report, "preflight"):
        _look(target)
        checks.check_writable(target)
        config, choice, invocation = target.config, target.choice, target.invocation
        database = "" if config.log_level in ("debug", "info") else choice.where
        confirm(invocation.platform, database, target.project.folder, config.yes, invocation.screen)


@contextlib.contextmanager
def locked(target: Target, report: Report) -> Iterator[OwnCancelToken]:
    """While entered, the release lock is held; the token says when it is lost, or a signal came."""
    with phase(report, "lock"):
        held = _with_lock(target)
    with contextlib.closing(held.connection):
        # Often enough to see who blocks us before the lock timeout ends the wait.
        period = min(1.0, target.config.lock_timeout / 3)
        silence, interrupts = target.config.peer_timeout, target.invocation.interrupts
        with LockMonitor(held, target.application, interrupts, period, silence).running() as monitor:
            yield OwnCancelToken(interrupts, monitor)


def _with_lock(target: Target) -> HeldLock:
    """Acquire the lock; if the connection is lost meanwhile, try again on another one."""
    deadline = time.monotonic() + target.config.lock_wait
    connect = target.connector("lock", own_session=False)  # what acquires the lock lifts its timeouts, too

    def attempt() -> HeldLock:
        connection = connect()
        try:
            return acquire(connection, deadline, target.config.peer_timeout)
        except BaseException:
            connection.close()
            raise

    return target.retry_policy.call(attempt, event="lock.retried")


def _look(target: Target) -> None:
    checks.connect(target)
    checks.check_server(target)
