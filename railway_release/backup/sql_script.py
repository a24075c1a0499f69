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
_TAIL = rb"(?:(?:SET default_[^\n]*|--)?\n)*\Z"
_AT_ITS_END = re.compile(rb"^" + _TAIL, re.MULTILINE)
_OWNER = re.compile(rb"^ALTER [^\n]* OWNER TO " + _NAME + rb";\n(?=" + _TAIL + rb")", re.MULTILINE)
_SPACE = re.compile(rb"^SET default_tablespace = " + _NAME + rb";\n(?=" + _TAIL + rb")", re.MULTILINE)
_USUAL_SPACE = b"SET default_tablespace = '';\n"
_WORD = rb"(?:\"(?:[^\"]|\"\")+\"|[^\s\".,;]+)"
_POLICY = re.compile(
    rb"\A((?:(?:--[^\n]*)?\n)*CREATE POLICY "
    + _WORD
    + rb" ON "
    + _WORD
    + rb"\."
    + _WORD
    + rb"(?: AS RESTRICTIVE)?(?: FOR [A-Z]+)?) TO ("
    + _WORD
    + rb"(?:, "
    + _WORD
    + rb")*)"
)
# The statements about privileges, which name one role each, or two; or three, if not the owner has granted.
_GRANT = rb"(?:GRANT|REVOKE)[^\n]* (?:TO|FROM) " + _NAME + rb"(?: WITH GRANT OPTION)?;\n"
_PRIVILEGES = re.compile(
    rb"^(?:SET SESSION AUTHORIZATION " + _NAME + rb";\n" + _GRANT + rb"RESET SESSION AUTHORIZATION;\n"
    rb"|(?:ALTER DEFAULT PRIVILEGES FOR ROLE " + _NAME + rb" [^\n]*)?" + _GRANT + rb")",
    re.MULTILINE,
)
_ACL, _POLICIES = ("ACL", "DEFAULT ACL"), "POLICY"
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
        """The same without owners, privileges and policies of other roles than these, which are all."""
        known = _spelled((*roles, "PUBLIC"))

        def kept(found: re.Match[bytes]) -> bytes:
            return found[0] if known.issuperset(filter(None, found.groups())) else b""

        sql = _for_roles(self.sql, known) if self.kind == _POLICIES else self.sql
        return replace(self, sql=(_PRIVILEGES if self.kind in _ACL else _OWNER).sub(kept, sql))

    def for_spaces(self, spaces: Collection[str]) -> Definition:
        """The same with the usual table space for what was in another than these, which are all."""
        known = _spelled(spaces)
        sql = _SPACE.sub(lambda found: found[0] if found[1] in known else _USUAL_SPACE, self.sql)
        return replace(self, sql=sql)


def _spelled(names: Iterable[str]) -> set[bytes]:
    return {spelling.encode() for name in names for spelling in (name, quote(name))}


def _for_roles(sql: bytes, known: Collection[bytes]) -> bytes:
    """A policy for those of its roles that are known; none without any, as DROP OWNED has it.

    https://www.postgresql.org/docs/current/sql-drop-owned.html
    """
    if not (found := _POLICY.match(sql)):
        return sql  # for everybody
    beginning, roles = found.groups()
    if kept := [role for role in re.findall(_WORD, roles) if role in known]:
        return beginning + b" TO " + b", ".join(kept) + sql[found.end() :]
    end = _AT_ITS_END.search(sql)
    return end[0] if end else b""


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
