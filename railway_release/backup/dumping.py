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
from railway_release.errors import BackupFailed, ReleaseError
from railway_release.postgres import slots
from railway_release.postgres.blockers import blockers
from railway_release.postgres.exported_snapshot import ExportedSnapshot, exported_snapshot
from railway_release.postgres.failures import describe, is_loss, sqlstate
from railway_release.postgres.table_contents import Relation, existing, extensions, relations, rewritten
from railway_release.preflight import database
from railway_release.preflight.target import Target
from railway_release.runtime.log import get_logger
from railway_release.runtime.text import sentence, some
from railway_release.runtime.waiting import told

_TRIES = 3  # a table that is dropped meanwhile is missing in the next snapshot
_LOCK_WAIT_SECONDS = 30.0  # at most, for a table that somebody alters
_MEGABYTE = 1 << 20
_LOCKED = "rpfmvS"  # kinds of relations that pg_dump keeps a lock on
# undefined_table, undefined_object (of a lock that waited)
_GONE = {"42P01", "42704"}


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
                if is_loss(error):
                    raise
                if not left or not self._is_outdated(error, seen):
                    raise _told(error) from error
                text = "a table was dropped, truncated or rewritten meanwhile; the backup begins again"
                get_logger().warning("backup.repeated", message=text)
        raise AssertionError  # the last try returns or raises

    def _is_outdated(self, error: Exception, seen: Sequence[Relation]) -> bool:
        """Whether the error comes from what others have done to what was to be dumped."""
        if isinstance(error, _Outdated):
            return True
        if not (isinstance(error, BackupFailed) or sqlstate(error) in _GONE):
            return False
        with contextlib.closing(self.target.connector("backup")()) as connection:
            there = relations(connection, {one.schema for one in seen})
        left = {(one.schema, one.name) for one in there}
        return any((one.schema, one.name) not in left for one in seen)

    def _once(self, schemas: Collection[str], seen: list[Relation]) -> Dumped:
        connect, limit = self.target.connector("backup"), self.target.config.backup_count_limit * _MEGABYTE
        with exported_snapshot(connect) as snapshot:
            there = existing(snapshot.connection, schemas)
            seen += relations(snapshot.connection, there)
            with counted_beside(connect, snapshot.id, seen, limit) as counting:
                pieces = tuple(self._pieces(snapshot, there, seen))
                found = tuple(Extension(*one) for one in extensions(snapshot.connection))
                empty: Contents = {name: {} for name in there}
                contents = empty | self._counted(counting)
            return Dumped(snapshot.taken_at, pieces, contents, found)

    def _counted(self, counting: Future[Contents]) -> Contents:
        with told("the rows are being counted and hashed"):
            try:
                return counting.result(max(0.0, self.tools.deadline - time.monotonic()))
            except TimeoutError as error:
                text = "The rows could not be counted within the time for the backup."
                raise BackupFailed(
                    text, "--backup-timeout waits longer; --backup-count-limit counts less."
                ) from error

    def _pieces(
        self, snapshot: ExportedSnapshot, schemas: Sequence[str], seen: Sequence[Relation]
    ) -> Iterator[Piece]:
        locks = dict.fromkeys(schemas, 0)
        for one in seen:
            locks[one.schema] += one.kind in _LOCKED
        progress = DumpProgress({f"{one.schema}.{one.name}": one.size for one in seen})
        divided = batches(locks, slots.read(snapshot.connection).free)
        for number, several in enumerate(divided, start=1):
            tables = [one for one in seen if one.schema in several and one.has_rows]
            dumped = dump(self.tools, several, snapshot.id, self._lock_wait, progress.begun)
            archive = _up_to_date(dumped, snapshot, tables)
            plain, name = Measured(archive), piece_name(self.backup, number)
            # Whatever ends this ends pg_dump, too.
            with (
                self._watched(progress),
                contextlib.closing(archive),
                contextlib.closing(encrypted(self.tools, plain.passing())) as chunks,
            ):
                stored = Measured(chunks)
                self.destination.write(name, stored, progress.total // len(divided))
            yield Piece(name, several, stored.size, stored.sha256, plain.sha256)

    @property
    def _lock_wait(self) -> float:
        """Seconds; less than the time that is left for all, so that it is told what was waited for."""
        return min(_LOCK_WAIT_SECONDS, self.target.config.backup_timeout / 2)

    @contextlib.contextmanager
    def _watched(self, progress: DumpProgress) -> Iterator[None]:
        """While entered, lines say how far pg_dump is, and whom it waits for; an error says so, too."""
        blocking: list[str] = []

        def in_words() -> str:
            blocking[:] = [one] if (one := self._blockers()) else []
            return "; ".join([progress.in_words(), *(f"it waits for {one}" for one in blocking)])

        with told(in_words):
            try:
                yield
            except BackupFailed as error:
                if not blocking:
                    raise
                raise BackupFailed(
                    f"{sentence(error.message)} It waited for {blocking[0]}.", error.hint
                ) from error

    def _blockers(self) -> str:
        connect = database.connector(self.target.choice, f"{self.target.application} watch")
        with contextlib.suppress(Exception), contextlib.closing(connect()) as connection:
            return blockers(connection, f"{self.target.application} backup")
        return ""


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


def _told(error: Exception) -> Exception:
    """The error as one that ends the release before any write."""
    if isinstance(error, ReleaseError):
        return error
    return BackupFailed(f"The rows could not be counted and hashed: {describe(error)}")
