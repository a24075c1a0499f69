"""The types of the driver's connection, and the one way to read from it.

Reads are single statements in autocommit: they leave nothing behind in the session, which a pooler in
transaction mode gives to another client next.
"""

from __future__ import annotations

import contextlib
import os
import socket
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol


class Cursor(Protocol):
    """The part of a DB-API cursor that is used here."""

    def execute(self, query: str, params: Sequence[Any] | None = ...) -> Any: ...
    def fetchall(self) -> list[tuple[Any, ...]]: ...
    def close(self) -> None: ...


class Queryable(Protocol):
    """What statements can be sent through: the driver's connection, or Django's."""

    def cursor(self) -> Cursor: ...


class Connection(Queryable, Protocol):
    """The part of psycopg's and psycopg2's connections that is used here."""

    autocommit: bool

    @property
    def info(self) -> Any: ...
    def fileno(self) -> int: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...


Connect = Callable[[], Connection]

# With these the server ends the session of a lost client soon; with its defaults it would take hours.
KEEPALIVE_SETTINGS = ", ".join(
    f"set_config('{name}', '{value}', false)"
    for name, value in {
        "tcp_keepalives_idle": 10,
        "tcp_keepalives_interval": 5,
        "tcp_keepalives_count": 4,
        "tcp_user_timeout": 30000,
    }.items()
)

_open: weakref.WeakSet[Any] = weakref.WeakSet()


def register(connection: Connection) -> None:
    """Let `shut_down_sockets` include this connection, as long as it exists."""
    _open.add(connection)


def shut_down_sockets() -> None:
    """Shut down the sockets of all registered connections, so that no thread waits for an answer."""
    for connection in list(_open):
        with contextlib.suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as one:
            one.shutdown(socket.SHUT_RDWR)


_IDLE = 0  # libpq's PQTRANS_IDLE


def fetch(connection: Queryable, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Run one statement and return its rows."""
    cursor = connection.cursor()
    try:
        # Without parameters, a "%" in the statement is left alone by both drivers.
        cursor.execute(sql, params or None)
        return list(cursor.fetchall())
    finally:
        cursor.close()


def fetch_last(connection: Queryable, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements in one message, which is waited for once; returns the rows of the last one."""
    cursor: Any = connection.cursor()
    with contextlib.closing(cursor):
        cursor.execute("; ".join(statements))
        # psycopg 3 begins with the first result, psycopg2 has the last one alone.
        while hasattr(cursor, "pgresult") and cursor.nextset():
            pass
        return list(cursor.fetchall())


@contextlib.contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """While entered, an error leaves an open transaction usable; without one, this has no effect."""
    if connection.info.transaction_status == _IDLE:
        yield
        return
    cursor = connection.cursor()
    cursor.execute("SAVEPOINT attempt")
    try:
        yield
        cursor.execute("RELEASE SAVEPOINT attempt")
    except BaseException:
        cursor.execute("ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt")
        raise


def clip(name: str) -> str:
    """A name as PostgreSQL stores it: its first 63 bytes, without an incomplete character.

    NAMEDATALEN - 1: https://www.postgresql.org/docs/current/sql-syntax-lexical.html
    """
    return name.encode()[:63].decode(errors="ignore")


def quote(name: str) -> str:
    """The name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """The value as a string constant; in the E form, which does not depend on standard_conforming_strings."""
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
