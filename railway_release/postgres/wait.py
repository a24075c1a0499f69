"""Waiting for the database: a visible, bounded step."""

from __future__ import annotations

from railway_release.errors import DatabaseRefused, DatabaseUnreachable
from railway_release.postgres.failures import describe, is_refusal, is_unresolved_host
from railway_release.postgres.retry import retrying
from railway_release.postgres.session import Connect, Connection
from railway_release.railway import PRIVATE_SUFFIX, WAYS_OUT, Platform


def wait_for_database(connect: Connect, host: str, platform: Platform, seconds: float) -> Connection:
    """Connect, retrying what may pass for `seconds`.

    Raises DatabaseRefused when the server says no, DatabaseUnreachable when time is over.
    """
    elsewhere = host.endswith(PRIVATE_SUFFIX) and not platform.inside

    def may_pass(error: BaseException) -> bool:
        # Inside Railway, private DNS may take some seconds to come up; elsewhere it never will.
        final = is_refusal(error) or (elsewhere and is_unresolved_host(error))
        return isinstance(error, Exception) and not final

    try:
        return retrying(connect, seconds=seconds, event="database.retried", may_pass=may_pass, first_wait=0.5)
    except Exception as error:  # noqa: BLE001 - the driver is not known here, so neither are its errors
        raise _explained(error, host, seconds) from None


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
