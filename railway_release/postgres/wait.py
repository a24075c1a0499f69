"""Opens connections, with retries for a limited time, and explains why the database cannot be reached."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from railway_release.errors import DatabaseLost, DatabaseRefused, DatabaseUnreachable
from railway_release.postgres.failures import (
    LOCK_NOT_AVAILABLE,
    describe,
    is_refusal,
    is_transient,
    is_unresolved_host,
    sqlstate,
)
from railway_release.postgres.retry import Budget, retrying
from railway_release.postgres.session import Connect, Connection
from railway_release.runtime.platform import PRIVATE_SUFFIX, WAYS_OUT, Platform

T = TypeVar("T")


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait for a database that has answered before and no longer does."""

    budget: Budget  # of the whole release
    seconds: float  # for one wait

    @property
    def left(self) -> float:
        """The seconds that a wait may take now."""
        return min(self.seconds, self.budget.left)

    def at_most(self, seconds: float) -> RetryPolicy:
        """The same budget, with at most `seconds` for one wait."""
        return RetryPolicy(self.budget, min(self.seconds, seconds))

    def call(
        self,
        work: Callable[[], T],
        *,
        event: str,
        is_retryable: Callable[[BaseException], bool] = is_transient,
    ) -> T:
        """Call `work` until it succeeds; raise its error if that is not retryable.

        Raises DatabaseLost when the time is over, unless a lock was waited for. What was waited is taken
        from the budget.
        """
        failed_first = 0.0

        def passes(error: BaseException) -> bool:
            nonlocal failed_first
            failed_first = failed_first or time.monotonic()
            return is_retryable(error)

        try:
            return retrying(work, seconds=self.left, event=event, is_retryable=passes)
        except Exception as error:
            if is_retryable(error) and sqlstate(error) != LOCK_NOT_AVAILABLE:
                raise database_lost(error, self.seconds) from error
            raise
        finally:
            if failed_first:
                self.budget.spend(time.monotonic() - failed_first)


def wait_for_database(connect: Connect, host: str, platform: Platform, seconds: float) -> Connection:
    """Connect for the first time, with retries for `seconds`.

    Raises DatabaseRefused if the server refuses the connection, DatabaseUnreachable when the time is over.
    """
    elsewhere = host.endswith(PRIVATE_SUFFIX) and not platform.inside

    def is_retryable(error: BaseException) -> bool:
        # Inside Railway, private DNS may take some seconds to come up; elsewhere it never will.
        return _is_retryable(error) and not (elsewhere and is_unresolved_host(error))

    try:
        return retrying(
            connect, seconds=seconds, event="database.retried", is_retryable=is_retryable, first_wait=0.5
        )
    except Exception as error:  # noqa: BLE001 - the driver is not known here, so neither are its errors
        raise _explained(error, host, seconds) from None


def reconnecting(connect: Connect, retry_policy: RetryPolicy) -> Connect:
    """A function that connects again to a database that has answered before, with retries.

    It raises DatabaseLost when the server refuses, or when the time is over.
    """

    def reconnect() -> Connection:
        try:
            return retry_policy.call(connect, event="database.retried", is_retryable=_is_retryable)
        except DatabaseLost:
            raise
        except Exception as error:
            raise database_lost(error) from error

    return reconnect


def database_lost(error: BaseException, seconds: float = 0.0) -> DatabaseLost:
    """The error for a database that has answered before; `seconds` is how long it was waited for."""
    how_long = f" for {seconds:g} s" if seconds else ""
    return DatabaseLost(
        f"The database does not answer any more{how_long}: {describe(error)}",
        "What is reported as done is done. Run again when the database is back; --retry-for waits longer.",
    )


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, Exception) and not is_refusal(error)


def _explained(error: Exception, host: str, seconds: float) -> Exception:
    text = describe(error)
    if is_refusal(error):
        return DatabaseRefused(
            f"The connection was refused: {text}",
            "Compare host, port, user, password, database name and options with the database's variables.",
        )
    if host.endswith(PRIVATE_SUFFIX) and is_unresolved_host(error):
        return DatabaseUnreachable(f"The private host {host} cannot be resolved here.", WAYS_OUT)
    return DatabaseUnreachable(
        f"No database answered at {host or 'the local socket'} within {seconds:g} s: {text}",
        "Check that the database service runs; --connect-timeout waits longer.",
    )
