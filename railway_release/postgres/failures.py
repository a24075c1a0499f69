"""What a database error means: whether a retry may help, and which part of it may be shown.

SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

LOCK_NOT_AVAILABLE = "55P03"
INSUFFICIENT_PRIVILEGE = "42501"
OUT_OF_MEMORY = "53200"  # usually of the shared memory for locks

# What helps, whatever was being done.
HINTS = {
    LOCK_NOT_AVAILABLE: "Another session held the table's lock all the time: end it, or raise --retry-for.",
    "53100": "The server's disk is full: give its volume more space, then run again.",
    OUT_OF_MEMORY: (
        "If its shared memory is full, of locks: ALTER SYSTEM SET max_locks_per_transaction, and restart the "
        "server."
    ),
    INSUFFICIENT_PRIVILEGE: (
        "The role of the release lacks a privilege; compare it with the owner of the schema's tables."
    ),
}
_TRANSIENT = {
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "53300",  # too_many_connections
    LOCK_NOT_AVAILABLE,
    "57P01",  # admin_shutdown
    "57P02",  # crash_shutdown
    "57P03",  # cannot_connect_now
    "57P05",  # idle_session_timeout
}
_CONNECTION_CLASS = "08"
QUERY_CANCELED = "57014"  # by statement_timeout, or by somebody
# Of a table, index or view; a column; a constraint, type or trigger; a function; a schema.
DUPLICATES = frozenset({"42P07", "42701", "42710", "42723", "42P06"})

# Neither driver gives an SQLSTATE for a refused connection, so it is told by the text of the server, or of
# libpq for what it cannot use. That is English unless lc_messages says otherwise; an unknown text is retried
# and shown.
_REFUSALS = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "is not permitted to log in",
    "permission denied for database",
    "no such database",  # PgBouncer
    "no such user",  # PgBouncer
    "server does not support ssl",
    "certificate verify failed",
    "does not match host name",
    "certificate file",
    "private key file",
    "definition of service",
    "service file",
    "for connection option",
    "invalid connection option",
    "invalid dsn",
    "invalid port number",
    "port numbers to",
    "unsupported startup parameter",  # PgBouncer
    "unrecognized configuration parameter",  # in its options
    "invalid value for parameter",
    "invalid command-line argument",
    "bad value for",  # psycopg, of connect_timeout
)
_UNUSABLE = re.compile(r'invalid "?\w+"? value: ')  # of sslmode, channel_binding, target_session_attrs, …
_ABSENT = ('role "', 'user "', 'database "')
_UNRESOLVED = (
    "could not translate host name",
    "failed to resolve host",
    "name or service not known",
    "nodename nor servname",
    "temporary failure in name resolution",
    "name resolution",
)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, outermost first."""
    link: BaseException | None = error
    seen = set[int]()  # two errors may be raised from each other, and need not be hashable
    while link is not None and id(link) not in seen:
        yield link
        seen.add(id(link))
        link = link.__cause__


def sqlstate(error: BaseException) -> str:
    """The SQLSTATE of the first error in the chain that has one; else empty."""
    codes = (getattr(link, "sqlstate", None) or getattr(link, "pgcode", None) for link in causes(error))
    return next((code for code in codes if code and type(code) is str), "")


def is_transient(error: BaseException) -> bool:
    """Whether the same statement may succeed a moment later, on a clean connection."""
    code = sqlstate(error)
    if code:
        return code in _TRANSIENT or code.startswith(_CONNECTION_CLASS) or _is_collision(error, code)
    return any(_is_connection_loss(link) for link in causes(error)) and not is_refusal(error)


def _is_collision(error: BaseException, code: str) -> bool:
    """Whether two sessions have changed the same object at the same time, such as a shared function.

    The server reports an internal error, whose text is never translated, or a unique index of its catalog.
    """
    if code == "XX000":
        return "tuple concurrently" in _text(error)
    return code == "23505" and any(
        getattr(getattr(link, "diag", None), "schema_name", None) == "pg_catalog" for link in causes(error)
    )


def is_loss(error: BaseException) -> bool:
    """Whether the connection was lost or not made, so that another server may answer on the next one."""
    code = sqlstate(error)
    if code:
        return code in ("57P01", "57P02", "57P03") or code.startswith(_CONNECTION_CLASS)
    return is_transient(error)


def is_refusal(error: BaseException) -> bool:
    """Whether the server, or libpq, has refused to connect, so that waiting is of no use."""
    text = _text(error).lower()
    absent = "does not exist" in text and any(word in text for word in _ABSENT)
    return absent or any(phrase in text for phrase in _REFUSALS) or bool(_UNUSABLE.search(text))


def is_unresolved_host(error: BaseException) -> bool:
    """Whether the host name could not be resolved."""
    return any(phrase in _text(error).lower() for phrase in _UNRESOLVED)


def describe(error: BaseException, show_values: bool = False) -> str:
    """The error's message; its DETAIL, which quotes values of rows, only with `show_values`."""
    for link in causes(error):
        diagnostics: Any = getattr(link, "diag", None)
        # Errors of the project may have something else of that name.
        if type(primary := getattr(diagnostics, "message_primary", None)) is str:
            detail = diagnostics.message_detail if show_values else None
            return "\n".join(part for part in (primary, detail) if part)
    text = _text(error) or type(error).__name__
    text = text.replace("\n\t", " - ")  # libpq's second line, which says what to look at
    return text if show_values else text.partition("\nDETAIL:")[0]


def _text(error: BaseException) -> str:
    try:
        return str(error).strip()
    except Exception:  # noqa: BLE001 - the text of a project's error may raise itself
        return ""


def _is_connection_loss(error: BaseException) -> bool:
    # Both drivers raise these two, without an SQLSTATE, for errors of the connection itself.
    if type(error).__name__ not in {"OperationalError", "InterfaceError"}:
        return False
    return any(word in _text(error).lower() for word in ("connection", "connect", "server", "ssl", "timeout"))
