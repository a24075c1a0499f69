"""Archives of pg_dump in its custom format: made as a stream, read as a stream."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from railway_release.backup import streams
from railway_release.backup.clients import Clients
from railway_release.backup.streams import Program, through
from railway_release.backup.toc import Entry

_COPIES = 'dumping contents of table "'


@dataclass(frozen=True)
class Tools:
    """The programs, the environment that leads them to the database, and when their time is over."""

    clients: Clients
    environ: Mapping[str, str]
    deadline: float  # time.monotonic()
    encrypt: str = ""  # commands that turn their input into their output
    decrypt: str = ""
    role: str = ""  # that the connection assumes

    def program(self, *arguments: str) -> Program:
        """A program with these arguments."""
        return Program(arguments, self.environ, self.deadline)


def dump(
    tools: Tools, schemas: Sequence[str], snapshot: str, lock_wait: float, on_table: Callable[[str], None]
) -> Generator[bytes, None, None]:
    """The archive of these schemas as the snapshot has them.

    `lock_wait` is in seconds; `on_table` is called with ``schema.table`` when its rows are dumped.
    """
    program = tools.program(
        tools.clients.pg_dump,
        "--format=custom",
        "--verbose",
        "--no-password",
        "--encoding=UTF8",  # whatever the database has: lists and scripts are read as that
        f"--snapshot={snapshot}",
        f"--lock-wait-timeout={round(lock_wait * 1000)}",
        *([f"--role={tools.role}"] if tools.role else []),
        "--strict-names",  # or it would leave out what it does not find
        *(f"--schema={pattern(name)}" for name in schemas),
    )

    def heard(line: str) -> None:
        _, found, table = line.partition(_COPIES)
        if found:
            on_table(table.removesuffix('"'))

    return through(replace(program, on_line=heard))


def pattern(schema: str) -> str:
    """The pattern that matches this schema alone: within double quotes nothing is special.

    https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-PATTERNS
    """
    return '"' + schema.replace('"', '""') + '"'


def encrypted(tools: Tools, archive: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    """What is stored of an archive: itself, unless there is a command that encrypts it."""
    if not tools.encrypt:
        return archive
    return through(tools.program(*streams.words(tools.encrypt)), archive, reads_all=True)


def decrypted(tools: Tools, chunks: Iterator[bytes], *, encrypted: bool) -> Iterator[bytes]:
    """The archive of what is stored."""
    if not encrypted:
        return chunks
    return through(tools.program(*streams.words(tools.decrypt)), chunks, reads_all=True)


def listing(tools: Tools, archive: Iterable[bytes]) -> str:
    """The archive's table of contents; the archive is not read further than that."""
    # pg_restore ends once it has read the table, and what feeds it is then told so.
    program = tools.program(tools.clients.pg_restore, "--list")
    return b"".join(through(program, archive)).decode(errors="surrogateescape")


def script(
    tools: Tools, archive: Iterable[bytes], entries: Iterable[Entry], *sections: str
) -> Iterator[bytes]:
    """The SQL of these entries that belongs to one of the sections: pre-data, data, post-data."""
    with _use_list(entries) as path:
        arguments = ("--file=-", f"--use-list={path}", *(f"--section={one}" for one in sections))
        yield from through(tools.program(tools.clients.pg_restore, *arguments), archive)


def read_through(tools: Tools, archive: Iterable[bytes]) -> None:
    """Let pg_restore read the whole archive, and decompress all of its rows; raises BackupFailed."""
    for _ in through(tools.program(tools.clients.pg_restore, f"--file={os.devnull}"), archive):
        pass


@contextlib.contextmanager
def _use_list(entries: Iterable[Entry]) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".list", errors="surrogateescape") as file:
        file.writelines(f"{entry.line}\n" for entry in entries)
        file.flush()
        yield file.name
