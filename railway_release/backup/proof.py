"""The proof that a backup can be read: its bytes are read back, and what is in them.

The list of an archive proves next to nothing, and the format has no checksum: of archives with one flipped
bit pg_restore restores most without a word. So the bytes are compared by SHA-256 first of all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field

from railway_release.backup.archive import Tools, decrypted, listing, read_through
from railway_release.backup.destination import Destination
from railway_release.backup.manifest import Manifest, Piece, TableContents
from railway_release.backup.streams import close
from railway_release.backup.toc import as_listed, entries
from railway_release.errors import BackupFailed

# Of pg_class.relkind, as a list names it; sequences are left out, since some have no entry of their own.
_KINDS = {"r": "TABLE", "p": "TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW", "f": "FOREIGN TABLE"}
_WITH_ROWS = "r"


@dataclass
class Measured:
    """Chunks that pass through, and what they come to."""

    chunks: Iterable[bytes]
    size: int = 0  # bytes
    broken: bool = False  # whether the chunks themselves have ended with an error
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def __iter__(self) -> Iterator[bytes]:
        """Each chunk that is left, once it is counted."""
        return self.passing()

    def passing(self) -> Generator[bytes, None, None]:
        """The same; to close it leaves the chunks themselves open."""
        try:
            for chunk in self.chunks:
                self.size += len(chunk)
                self._hash.update(chunk)
                yield chunk
        except Exception:
            self.broken = True
            raise

    def use_up(self) -> None:
        """Take in what is left: a program may end before it has read everything."""
        for _ in self:
            pass

    @property
    def sha256(self) -> str:
        """The hash of all chunks so far."""
        return self._hash.hexdigest()


def prove_reading(destination: Destination, manifest: Manifest, tools: Tools) -> None:
    """Read every piece back; raises BackupFailed if it is not what was written, or lacks something."""
    for piece in manifest.pieces:
        stored = Measured(destination.read(piece.name))
        try:
            if manifest.is_readable_with(tools.decrypt):
                _check_archive(stored, piece, manifest, tools)
        except BackupFailed:
            if not stored.broken:
                check_bytes(destination, piece, stored)  # other bytes explain whatever else was seen
            raise
        check_bytes(destination, piece, stored)
        if manifest.is_readable_with(tools.decrypt):
            check_list(destination, piece, manifest, tools)


def _check_archive(stored: Measured, piece: Piece, manifest: Manifest, tools: Tools) -> None:
    """Raise BackupFailed unless pg_restore can read this, and it is what pg_dump wrote."""
    archive = decrypted(tools, stored.passing(), encrypted=manifest.encrypted)
    try:
        plain = Measured(archive)
        read_through(tools, plain)
        plain.use_up()
    finally:
        close(archive)
    if plain.sha256 != piece.archive_sha256:
        raise BackupFailed(f"What is encrypted in {piece.name} is not what pg_dump wrote.")


def check_stored(destination: Destination, piece: Piece) -> None:
    """Read a piece; raises BackupFailed unless it is what was written."""
    check_bytes(destination, piece, Measured(destination.read(piece.name)))


def check_bytes(destination: Destination, piece: Piece, stored: Measured) -> None:
    """Raise BackupFailed unless all that is stored is what was written."""
    stored.use_up()
    if (stored.size, stored.sha256) != (piece.size, piece.sha256):
        raise BackupFailed(
            f"{piece.name} in {destination.where} is not what was written: {stored.size} bytes with the "
            f"SHA-256 {stored.sha256}, not {piece.size} with {piece.sha256}."
        )


def check_list(destination: Destination, piece: Piece, manifest: Manifest, tools: Tools) -> None:
    """Raise BackupFailed unless the archive names every table with its rows, and each sequence's value."""
    archive = decrypted(tools, destination.read(piece.name), encrypted=manifest.encrypted)
    listed = entries(listing(tools, archive), piece.schemas)
    found = {(one.kind, one.schema, one.rest) for one in listed}
    missing = sorted(set(piece.schemas) - {one.schema for one in listed if one.kind == "SCHEMA"})
    missing += sorted(
        f"the value of {schema}.{rest}"
        for kind, schema, rest in found
        if kind == "SEQUENCE" and ("SEQUENCE SET", schema, rest) not in found
    )
    missing += [
        f"{schema}.{table}"
        for schema in piece.schemas
        for table, contents in manifest.contents[schema].items()
        if not found.issuperset(_expected(schema, table, contents))
    ]
    if missing:
        raise BackupFailed(f"{piece.name} lacks {', '.join(missing[:5])}, which the database has.")


def _expected(schema: str, table: str, contents: TableContents) -> set[tuple[str, str, str]]:
    kinds = [_KINDS[contents.kind], *(["TABLE DATA"] if contents.kind == _WITH_ROWS else [])]
    return {(kind, schema, as_listed(table, contents.owner)) for kind in kinds}
