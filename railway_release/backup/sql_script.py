"""Scripts of pg_restore, made fit for a transaction of our own.

What a function, view or comment says may look like any line of a script, so that a script of definitions is
parted only where the list of the archive says that an entry begins, and only what pg_restore itself has
written around the entries is changed. https://www.postgresql.org/docs/current/app-pgrestore.html
"""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from railway_release.backup.streams import BLOCK
from railway_release.backup.toc import Entry
from railway_release.postgres.session import quote

# Limits stay ours, and a client may be newer than the server and set what that does not know. The commands
# of psql with which newer clients frame their scripts are for psql alone.
_FOREIGN = re.compile(rb"^(?:SET \w+_timeout = 0;|\\(?:un)?restrict .*)\n", re.MULTILINE)
_NAME = rb"(\S+|\"[^\n]+\")"
# What pg_restore writes after the definition of an entry; before a table it sets defaults.
_OWNER = re.compile(
    rb"^ALTER [^\n]* OWNER TO " + _NAME + rb";\n(?=(?:(?:SET default_[^\n]*|--)?\n)*\Z)", re.MULTILINE
)
# The statements about privileges, which name one role each, or two; or three, if not the owner has granted.
_GRANT = rb"(?:GRANT|REVOKE)[^\n]* (?:TO|FROM) " + _NAME + rb"(?: WITH GRANT OPTION)?;\n"
_PRIVILEGES = re.compile(
    rb"^(?:SET SESSION AUTHORIZATION " + _NAME + rb";\n" + _GRANT + rb"RESET SESSION AUTHORIZATION;\n"
    rb"|(?:ALTER DEFAULT PRIVILEGES FOR ROLE " + _NAME + rb" [^\n]*)?" + _GRANT + rb")",
    re.MULTILINE,
)
_ACL = ("ACL", "DEFAULT ACL")
_HEADER = re.compile(
    rb"^-- Name: (.*); Type: ([A-Z ]+); Schema: (.*); Owner: (.*?)(?:; Tablespace: .*)?\n--\n", re.MULTILINE
)
_END = b"\n--\n-- PostgreSQL database dump complete\n--\n"
_COPY, _STDIN, _COPIED = b"COPY ", b" FROM stdin;\n", b"\\.\n"


@dataclass(frozen=True)
class Definition:
    """The statements of one entry; what stands before all entries has none."""

    entry: Entry | None
    sql: bytes

    @property
    def kind(self) -> str:
        """The kind of the entry; empty without one."""
        return self.entry.kind if self.entry else ""

    def for_roles(self, roles: Collection[str]) -> Definition:
        """The same without owners and privileges of other roles than these, which are all that there are."""
        known = {spelling.encode() for role in (*roles, "PUBLIC") for spelling in (role, quote(role))}

        def kept(found: re.Match[bytes]) -> bytes:
            return found[0] if known.issuperset(filter(None, found.groups())) else b""

        return replace(self, sql=(_PRIVILEGES if self.kind in _ACL else _OWNER).sub(kept, self.sql))


def definitions(script: Iterable[bytes], entries: Iterable[Entry]) -> Iterator[Definition]:
    """The definitions of a script without rows, in order, first the settings; `entries` are those wanted."""
    text = b"".join(script)
    text = text[: text.rfind(_END)] if _END in text else text
    wanted: dict[str, deque[Entry]] = {}
    for one in entries:
        wanted.setdefault(one.line.split(" ", 3)[3], deque()).append(one)
    starts: list[tuple[int, Entry | None]] = [(0, None)]
    for found in _HEADER.finditer(text):
        name, kind, schema, owner = (one.decode(errors="surrogateescape") for one in found.groups())
        if several := wanted.get(f"{kind} {schema} {name} {owner}"):
            starts.append((found.start(), several.popleft()))
    ends = [*(start for start, _ in starts[1:]), len(text)]
    for (start, entry), end in zip(starts, ends, strict=True):
        sql = text[start:end]
        yield Definition(entry, sql if entry else _FOREIGN.sub(b"", sql))


def has_statements(sql: bytes) -> bool:
    """Whether there is more than comments, which psycopg2 refuses to run."""
    return any(line.strip() and not line.startswith(b"--") for line in sql.split(b"\n"))


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
        if line.startswith(_COPY):
            yield Part(_FOREIGN.sub(b"", b"".join(waiting)))
            # The name of a column may hold line breaks.
            while not line.endswith(_STDIN) and (more := lines.readline()):
                line += more
            yield Part(line.rstrip()[:-1], _rows(lines))
            waiting = []
        else:
            waiting.append(line)
    yield Part(_FOREIGN.sub(b"", b"".join(waiting)))


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
