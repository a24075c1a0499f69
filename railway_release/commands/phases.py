"""What commands have in common: named phases, the preflight checks, and the release lock."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import structlog

from railway_release.engine.cancel_token import OwnCancelToken
from railway_release.postgres.lock import HeldLock, acquire
from railway_release.postgres.lock_monitor import LockMonitor
from railway_release.preflight import checks
from railway_release.preflight.confirm import confirm
from railway_release.preflight.target import Target
from railway_release.report.report import Report
from railway_release.runtime.log import get_logger


@contextlib.contextmanager
def phase(report: Report, name: str) -> Iterator[None]:
    """While entered, log lines carry the phase; its duration goes to the log and to the report."""
    started = time.monotonic()
    with structlog.contextvars.bound_contextvars(phase=name):
        try:
            yield
        finally:
            report.phases[name] = time.monotonic() - started
        milliseconds = round(report.phases[name] * 1000)
        get_logger().info("phase.finished", message=f"{name}: {milliseconds} ms", duration_ms=milliseconds)


def preflight(target: Target, report: Report) -> None:
    """Check that there is a project and a database to read from. Raises PreflightError."""
    with phase(report, "preflight"):
        _look(target)


def preflight_to_write(target: Target, report: Report) -> None:
    """The same, and that the database may be written to; on a terminal, a person may be asked."""
    with phase(report, "preflight"):
        _look(target)
        checks.check_writable(target)
        invocation = target.invocation
        confirm(
            invocation.platform, target.choice, target.project.folder, target.config.yes, invocation.screen
        )


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
    connect, deadline = target.connector("lock"), time.monotonic() + target.config.lock_wait

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
