"""Dumps schemas as they are at one instant into as few archives as the server's locks allow."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime

from railway_release.backup.archive import Tools, dump, encrypted
from railway_release.backup.batches import batches
from railway_release.backup.counting import Contents, counted_beside
from railway_release.backup.destination import Destination
from railway_release.backup.manifest import Extension, Piece, piece_name
from railway_release.backup.progress import DumpProgress
from railway_release.backup.proof import Measured
from railway_release.backup.watch import Watch
from railway_release.errors import BackupFailed
from railway_release.postgres import slots
from railway_release.postgres.exported_snapshot import ExportedSnapshot, exported_snapshot
from railway_release.postgres.session import Connection
from railway_release.postgres.table_contents import (
    Relation,
    are_renamed_or_gone,
    existing,
    extensions,
    relations,
    rewritten,
)
from railway_release.preflight.target import Target
from railway_release.runtime.log import get_logger
from railway_release.runtime.text import some

_TRIES = 3  # a table that is dropped meanwhile is missing in the next snapshot
_LOCK_WAIT_SECONDS = 30.0  # at most, for a table that somebody alters
_MEGABYTE = 1 << 20
_LOCKED = "rpfmvS"  # kinds of relations that pg_dump keeps a lock on


@dataclass(frozen=True)
class Dumped:
    """The archives of one instant, and what the database held then."""

    taken_at: datetime
    pieces: tuple[Piece, ...]
    contents: Contents
    extensions: tuple[Extension, ...]


class _Outdated(BackupFailed):
    """The snapshot finds no rows in tables that were truncated, rewritten or dropped since."""


@dataclass(frozen=True)
class Dumping:
    """What is dumped, with what, and where to."""

    target: Target
    destination: Destination
    tools: Tools
    backup: str  # its name

    def run(self, schemas: Collection[str]) -> Dumped:
        """Dump those of the schemas that exist; without any, there are no pieces. Raises BackupFailed."""
        for left in reversed(range(_TRIES)):
            seen: list[Relation] = []
            try:
                return self._once(schemas, seen)
            except Exception as error:
                if not left or not self._is_outdated(error, seen):
                    raise
                text = "a table was dropped, truncated or rewritten meanwhile; the backup begins again"
                get_logger().warning("backup.repeated", message=text)
        raise AssertionError  # the last try returns or raises

    def _is_outdated(self, error: Exception, seen: Sequence[Relation]) -> bool:
        """Whether the error comes from what others have done to what was to be dumped."""
        if _Outdated in (type(error), type(error.__cause__)):
            return True
        if not isinstance(error, BackupFailed):
            return False
        with contextlib.closing(self._connect()) as connection:
            return are_renamed_or_gone(connection, seen)

    def _once(self, schemas: Collection[str], seen: list[Relation]) -> Dumped:
        watch, limit = Watch(self.target), self.target.config.backup_count_limit * _MEGABYTE
        with watch.running(), exported_snapshot(self._connect) as snapshot:
            there = existing(snapshot.connection, schemas)
            seen += relations(snapshot.connection, there)
            progress = DumpProgress({f"{one.schema}.{one.name}": one.oid for one in seen})
            beside = counted_beside(self._connect, snapshot.id, seen, limit, progress.learn)
            watch.what = progress.in_words
            with beside as counting:
                pieces = tuple(self._pieces(snapshot, there, seen, progress))
                found = tuple(Extension(*one) for one in extensions(snapshot.connection))
                watch.what = lambda: "the rows are being counted and hashed"
                empty: Contents = {name: {} for name in there}
                contents = empty | self._counted(counting)
            return Dumped(snapshot.taken_at, pieces, contents, found)

    def _connect(self) -> Connection:
        """A connection whose waits for locks end."""
        connection = self.target.connector("backup")()
        connection.cursor().execute(f"SET lock_timeout = {round(self._lock_wait * 1000)}")
        return connection

    @property
    def _lock_wait(self) -> float:
        """Seconds; less than the time for all, so that it is told what was waited for."""
        return min(_LOCK_WAIT_SECONDS, self.target.config.backup_timeout / 2)

    def _counted(self, counting: Future[Contents]) -> Contents:
        try:
            return counting.result(max(0.0, self.tools.deadline - time.monotonic()))
        except TimeoutError as error:
            text = "The rows could not be counted within the time for the backup."
            hint = "--backup-timeout waits longer; --backup-count-limit counts less."
            raise BackupFailed(text, hint) from error

    def _pieces(
        self,
        snapshot: ExportedSnapshot,
        schemas: Sequence[str],
        seen: Sequence[Relation],
        progress: DumpProgress,
    ) -> Iterator[Piece]:
        locks = dict.fromkeys(schemas, 0)
        for one in seen:
            locks[one.schema] += one.kind in _LOCKED
        divided = batches(locks, slots.read(snapshot.connection).free)
        for number, several in enumerate(divided, start=1):
            together = frozenset(several)
            tables = [one for one in seen if one.has_rows and one.schema in together]
            dumped = dump(self.tools, several, snapshot.id, self._lock_wait, progress.begun)
            archive = _up_to_date(dumped, snapshot, tables)
            plain, name = Measured(archive), piece_name(self.backup, number)
            # Whatever ends this ends pg_dump, too.
            with (
                contextlib.closing(archive),
                contextlib.closing(encrypted(self.tools, plain.passing())) as chunks,
            ):
                stored = Measured(chunks)
                self.destination.write(name, stored, sum(one.estimated_size for one in tables))
            yield Piece(name, several, stored.size, stored.sha256, plain.sha256)


def _up_to_date(
    archive: Generator[bytes, None, None], snapshot: ExportedSnapshot, tables: Sequence[Relation]
) -> Generator[bytes, None, None]:
    """The archive, unless pg_dump found no rows where the snapshot has some; raises _Outdated.

    With its first bytes pg_dump has all of its locks, and from then on nobody rewrites a table.
    """
    with contextlib.closing(archive):
        for number, chunk in enumerate(archive):
            if not number and (lost := rewritten(snapshot.connection, tables)):
                names = some([f"{one.schema}.{one.name}" for one in lost])
                raise _Outdated(
                    f"{names}: truncated, rewritten or dropped by others while the backup was taken.",
                    "Let what does so wait until the release is over.",
                )
            yield chunk
