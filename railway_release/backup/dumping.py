"""Dumps schemas as they are at one instant into as few archives as the server's locks allow."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from railway_release.backup.archive import Tools, dump
from railway_release.backup.batches import batches
from railway_release.backup.counting import Contents, counted_beside
from railway_release.backup.destination import Destination
from railway_release.backup.manifest import Extension, Piece
from railway_release.backup.progress import DumpProgress
from railway_release.backup.proof import Measured
from railway_release.errors import BackupFailed
from railway_release.postgres import slots
from railway_release.postgres.exported_snapshot import ExportedSnapshot, exported_snapshot
from railway_release.postgres.failures import sqlstate
from railway_release.postgres.table_contents import Relation, existing, extensions, relations
from railway_release.preflight.target import Target
from railway_release.runtime.log import get_logger
from railway_release.runtime.waiting import told

_TRIES = 3  # a table that is dropped meanwhile is missing in the next snapshot
_LOCK_WAIT_SECONDS = 30.0  # for a table that somebody alters
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


@dataclass(frozen=True)
class Dumping:
    """What is dumped, with what, and where to; `name` makes the folder of the archives."""

    target: Target
    destination: Destination
    tools: Tools
    folder: str

    def run(self, schemas: Collection[str]) -> Dumped:
        """Dump those of the schemas that exist. Raises BackupFailed."""
        for left in reversed(range(_TRIES)):
            seen: list[Relation] = []
            try:
                return self._once(schemas, seen)
            except Exception as error:
                if not (isinstance(error, BackupFailed) or sqlstate(error) in _GONE):
                    raise
                if not left or not self._gone(seen):
                    raise
                text = "a table was dropped meanwhile; the backup begins again"
                get_logger().warning("backup.repeated", message=text)
        raise AssertionError  # the last try returns or raises

    def _gone(self, seen: Sequence[Relation]) -> bool:
        """Whether one of the relations that were to be dumped is no longer there."""
        with contextlib.closing(self.target.connector("backup")()) as connection:
            there = relations(connection, {one.schema for one in seen})
        left = {(one.schema, one.name) for one in there}
        return any((one.schema, one.name) not in left for one in seen)

    def _once(self, schemas: Collection[str], seen: list[Relation]) -> Dumped:
        connect, limit = self.target.connector("backup"), self.target.config.backup_count_limit * _MEGABYTE
        with exported_snapshot(connect) as snapshot:
            there = existing(snapshot.connection, schemas)
            seen += relations(snapshot.connection, there)
            with counted_beside(connect, snapshot.id, seen, limit) as contents:
                pieces = tuple(self._pieces(snapshot, there, seen))
                found = tuple(Extension(*one) for one in extensions(snapshot.connection))
                empty: Contents = {name: {} for name in there}
                return Dumped(snapshot.taken_at, pieces, empty | contents(), found)

    def _pieces(
        self, snapshot: ExportedSnapshot, schemas: Sequence[str], seen: Sequence[Relation]
    ) -> Iterator[Piece]:
        locks = dict.fromkeys(schemas, 0)
        for one in seen:
            locks[one.schema] += one.kind in _LOCKED
        progress = DumpProgress({f"{one.schema}.{one.name}": one.size for one in seen})
        divided = batches(locks, slots.read(snapshot.connection).free)
        with told(progress.in_words):
            for number, several in enumerate(divided, start=1):
                file = f"{self.folder}/{number:03}.dump"
                archive = dump(self.tools, several, snapshot.id, _LOCK_WAIT_SECONDS, progress.begun)
                chunks = Measured(archive)
                self.destination.write(file, chunks, progress.total // len(divided))
                yield Piece(file, several, chunks.size, chunks.sha256)
