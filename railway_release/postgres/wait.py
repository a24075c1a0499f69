"""Opening connections: what may pass is waited for, visibly and within a bound; what stays has a name."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from railway_release.errors import DatabaseLost, DatabaseRefused, DatabaseUnreachable
from railway_release.postgres.failures import describe, is_refusal, is_transient, is_unresolved_host
from railway_release.postgres.retry import Budget, retrying
from railway_release.postgres.session import Connect, Connection
from railway_release.runtime.platform import PRIVATE_SUFFIX, WAYS_OUT, Platform

T = TypeVar("T")


@dataclass(frozen=True)
class RetryPolicy:
    """How long a database that has answered once is waited for when it no longer does."""

    budget: Budget  # of the whole release
    seconds: float  # at a time

    @property
    def left(self) -> float:
        """Seconds to be spent now."""
        return min(self.seconds, self.budget.left)

    def at_most(self, seconds: float) -> RetryPolicy:
        """The same budget, and less at a time."""
        return RetryPolicy(self.budget, min(self.seconds, seconds))

    def retrying(
        self, work: Callable[[], T], *, event: str, may_pass: Callable[[BaseException], bool] = is_transient
    ) -> T:
        """Call `work` until it succeeds, fails for good or time is over; then it raises DatabaseLost."""
        failed_first = 0.0

        def passes(error: BaseException) -> bool:
            nonlocal failed_first
            failed_first = failed_first or time.monotonic()
            return may_pass(error)

        try:
            return retrying(work, seconds=self.left, event=event, may_pass=passes)
        except Exception as error:
            if may_pass(error):
                raise lost(error, self.seconds) from error
            raise
        finally:
            if failed_first:
                self.budget.spend(time.monotonic() - failed_first)


def wait_for_database(connect: Connect, host: str, platform: Platform, seconds: float) -> Connection:
    """Connect for the first time, retrying what may pass for `seconds`.

    Raises DatabaseRefused when the server says no, DatabaseUnreachable when time is over.
    """
    elsewhere = host.endswith(PRIVATE_SUFFIX) and not platform.inside

    def may_pass(error: BaseException) -> bool:
        # Inside Railway, private DNS may take some seconds to come up; elsewhere it never will.
        return _may_pass(error) and not (elsewhere and is_unresolved_host(error))

    try:
        return retrying(connect, seconds=seconds, event="database.retried", may_pass=may_pass, first_wait=0.5)
    except Exception as error:  # noqa: BLE001 - the driver is not known here, so neither are its errors
        raise _explained(error, host, seconds) from None


def reconnecting(connect: Connect, retry_policy: RetryPolicy) -> Connect:
    """Connects once more to a database that has answered before; too many connections pass, too.

    What is returned raises DatabaseLost when the server refuses, or when time is over.
    """

    def reconnect() -> Connection:
        try:
            return retry_policy.retrying(connect, event="database.retried", may_pass=_may_pass)
        except DatabaseLost:
            raise
        except Exception as error:
            raise lost(error) from error

    return reconnect


def lost(error: BaseException, seconds: float = 0.0) -> DatabaseLost:
    """The error for a database that answered at first."""
    how_long = f" for {seconds:g} s" if seconds else ""
    return DatabaseLost(
        f"The database does not answer any more{how_long}: {describe(error)}",
        "What is told as done is done. Run again when the database is back; --retry-for waits longer.",
    )


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, Exception) and not is_refusal(error)


def _explained(error: Exception, host: str, seconds: float) -> Exception:
    text = describe(error)
    if is_refusal(error):
        return DatabaseRefused(
            f"The database server refused the connection: {text}",
            "Compare user, password and database name with the database service's variables.",
        )
    if host.endswith(PRIVATE_SUFFIX) and is_unresolved_host(error):
        return DatabaseUnreachable(f"The private host {host} cannot be resolved here.", WAYS_OUT)
    return DatabaseUnreachable(
        f"No database answered at {host or 'the local socket'} within {seconds:g} s: {text}",
        "Check that the database service runs; --connect-timeout waits longer.",
    )
