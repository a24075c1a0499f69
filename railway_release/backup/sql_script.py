"""Scripts of pg_restore, made fit for a transaction of our own.

https://www.postgresql.org/docs/current/app-pgrestore.html
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from railway_release.backup.streams import BLOCK
from railway_release.postgres.session import quote

# Limits stay ours, and a client may be newer than the server and set what that does not know. The commands
# of psql with which newer clients frame their scripts are for psql alone.
_FOREIGN = re.compile(rb"^(?:SET \w+_timeout = 0;|\\(?:un)?restrict .*)\n", re.MULTILINE)
# Statements about owners and privileges, which name one role each, or two.
_NAME = rb"(\S+|\"[^\n]+\")"
_OF_ROLES = re.compile(
    rb"^(?:ALTER [^\n]* OWNER TO "
    + _NAME
    + rb"|(?:ALTER DEFAULT PRIVILEGES FOR ROLE "
    + _NAME
    + rb" [^\n]*)?"
    rb"(?:GRANT|REVOKE)[^\n]* (?:TO|FROM) " + _NAME + rb"(?: WITH GRANT OPTION)?);\n",
    re.MULTILINE,
)
_ENTRY = re.compile(rb"^-- Name: ", re.MULTILINE)
_KEY = re.compile(rb"-- Name: [^\n]*; Type: FK CONSTRAINT; Schema: ")
_COPY, _COPIED = re.compile(rb"COPY .* FROM stdin;\n"), b"\\.\n"


def commands(script: Iterable[bytes]) -> bytes:
    """The whole script without what is psql's, and without limits."""
    return _FOREIGN.sub(b"", b"".join(script))


def for_roles(script: bytes, roles: Collection[str]) -> bytes:
    """The script without owners and privileges of other roles than these, which are all that there are."""
    known = {spelling.encode() for role in (*roles, "PUBLIC") for spelling in (role, quote(role))}

    def kept(found: re.Match[bytes]) -> bytes:
        return found[0] if known.issuperset(filter(None, found.groups())) else b""

    return _OF_ROLES.sub(kept, script)


def with_keys_apart(script: bytes) -> Iterator[tuple[bool, bytes]]:
    """The script in order: whether it is a foreign key, of which each comes alone, and the SQL."""
    starts = [0, *(found.start() for found in _ENTRY.finditer(script)), len(script)]
    waiting = b""
    for first, last in itertools.pairwise(starts):
        entry = script[first:last]
        if not _KEY.match(entry):
            waiting += entry
            continue
        yield False, waiting
        yield True, entry
        waiting = b""
    yield False, waiting


@dataclass(frozen=True)
class Part:
    """A statement with its rows, or statements without any."""

    sql: bytes
    rows: Iterator[bytes] | None = None  # of COPY; to be used up before the next part


def parts(script: Iterable[bytes]) -> Iterator[Part]:
    """The parts of a script of rows, as they come; it holds nothing but COPY, setval() and settings."""
    lines = io.BufferedReader(_Raw(script), BLOCK)
    waiting: list[bytes] = []
    while line := lines.readline():
        if _COPY.fullmatch(line):
            yield Part(commands(waiting))
            yield Part(line.rstrip()[:-1], _rows(lines))
            waiting = []
        else:
            waiting.append(line)
    yield Part(commands(waiting))


def _rows(lines: io.BufferedReader[_Raw]) -> Iterator[bytes]:
    """The rows of one COPY, many at once, without the mark at their end."""
    waiting, size = [], 0
    while (line := lines.readline()) and line != _COPIED:
        waiting.append(line)
        size += len(line)
        if size > BLOCK:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


class _Raw(io.RawIOBase):
    """Chunks as a raw stream."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill the buffer with what the next chunk has."""
        view = memoryview(buffer)  # type: ignore[arg-type]  # a buffer, which has no type before Python 3.12
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        number = min(len(view), len(self._rest))
        view[:number] = self._rest[:number]
        self._rest = self._rest[number:]
        return number
