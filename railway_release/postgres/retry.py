"""Retries with randomly jittered exponential waits, a limit in seconds, and a log event for each of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import tenacity

from railway_release.postgres.failures import describe, is_transient, sqlstate
from railway_release.runtime.log import get_logger

T = TypeVar("T")


class Budget:
    """The seconds that all retries of one release may take together."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    @property
    def left(self) -> float:
        """Seconds not yet spent."""
        return self._left

    def spend(self, seconds: float) -> None:
        """Subtract seconds; the budget never falls below zero."""
        self._left = max(0.0, self._left - seconds)


def retrying(
    work: Callable[[], T],
    *,
    seconds: float,
    event: str,
    is_retryable: Callable[[BaseException], bool] = is_transient,
    first_wait: float = 0.2,
    **fields: str,
) -> T:
    """Call `work` until it succeeds; raise its error if that is not retryable or `seconds` are over.

    Each retry is logged as `event`, with the number of the attempt, the wait in seconds, and the cause.
    """

    def log_retry(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait = state.next_action.sleep if state.next_action else 0.0
        if error is not None:
            _log_retry(event, error, state.attempt_number, wait, fields)

    policy = tenacity.Retrying(
        stop=tenacity.stop_before_delay(seconds) if seconds else tenacity.stop_after_attempt(1),
        wait=tenacity.wait_random_exponential(multiplier=first_wait, max=5.0),
        retry=tenacity.retry_if_exception(is_retryable),
        # tenacity's own before_sleep loggers print the error's whole text, with DETAIL and DSN.
        before_sleep=log_retry,
        sleep=time.sleep,
        reraise=True,
    )
    return policy(work)


def _log_retry(event: str, error: BaseException, attempt: int, wait: float, fields: dict[str, str]) -> None:
    subject = f"{fields['schema']}: " if "schema" in fields else ""
    get_logger().warning(
        event,
        message=f"{subject}attempt {attempt} failed, next in {wait:.1f} s: {describe(error)}",
        attempt=attempt,
        wait_seconds=round(wait, 2),
        cause=describe(error),
        sqlstate=sqlstate(error),
        **fields,
    )
