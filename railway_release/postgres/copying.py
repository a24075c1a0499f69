"""COPY from the client, with whichever driver the project uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from railway_release.postgres.session import Connection


def copy_in(connection: Connection, statement: bytes, chunks: Iterable[bytes]) -> None:
    """Run ``COPY … FROM stdin`` with these bytes."""
    cursor: Any = connection.cursor()  # the drivers have no COPY in common
    if hasattr(cursor, "copy_expert"):  # psycopg2
        cursor.copy_expert(statement.decode(), _File(iter(chunks)))
        return
    with cursor.copy(statement) as copy:
        for chunk in chunks:
            copy.write(chunk)


class _File:
    """Chunks as psycopg2 reads them: as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        self._rest = self._rest or next(self._chunks, b"")
        given, self._rest = self._rest[:size], self._rest[size:]
        return given

    def readline(self, size: int = -1) -> bytes:
        """Asked for by psycopg2, and never called."""
        raise NotImplementedError(size)
