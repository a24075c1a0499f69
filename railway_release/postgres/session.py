"""A driver connection in autocommit, and the one way to read from it.

Reads are single statements: they leave nothing behind on the server connection, which matters when a
transaction-mode pooler hands it to somebody else next.
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

    def cursor(self) -> Any: ...


class Connection(Queryable, Protocol):
    """The part of psycopg's and psycopg2's connections that is used here."""

    autocommit: bool

    @property
    def info(self) -> Any: ...
    def fileno(self) -> int: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...


Connect = Callable[[], Connection]

# The server ends the session of a client that has vanished; by itself it would wait for hours.
SERVER_NOTICES = ", ".join(
    f"set_config('{name}', '{value}', false)"
    for name, value in {
        "tcp_keepalives_idle": 10,
        "tcp_keepalives_interval": 5,
        "tcp_keepalives_count": 4,
        "tcp_user_timeout": 30000,
    }.items()
)

_open: weakref.WeakSet[Any] = weakref.WeakSet()


def remember(connection: Connection) -> None:
    """This connection is among those that `cut_all` cuts."""
    _open.add(connection)


def cut_all() -> None:
    """Shut the sockets down below the driver, so that nobody waits for an answer any longer."""
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


@contextlib.contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """An error inside does not end the transaction that is open, if one is."""
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
    """A name as PostgreSQL stores it: its first 63 bytes, never half a character.

    NAMEDATALEN - 1: https://www.postgresql.org/docs/current/sql-syntax-lexical.html
    """
    return name.encode()[:63].decode(errors="ignore")


def quote(name: str) -> str:
    """An identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A string constant; the E form, so that the result does not depend on standard_conforming_strings."""
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
