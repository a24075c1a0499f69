"""The manifest: what a backup holds and how that was proven; written last, since without it there is none."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from railway_release.errors import BackupFailed
from railway_release.runtime.program import DEPLOYED

FILE = "manifest.json"
_FORMAT = 1
_TIME = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(\d{8}T\d{6}Z)-\w+(-\w+)?")
_PIECE = re.compile(r"\d{3,}\.dump")

Level = Literal["read", "restore", "bytes"]


@dataclass(frozen=True)
class Piece:
    """One archive of pg_dump, as it is stored."""

    name: str  # in the destination
    schemas: tuple[str, ...]
    size: int  # bytes
    sha256: str  # of what is stored
    archive_sha256: str  # of pg_dump's archive, which is the same unless that is encrypted


@dataclass(frozen=True)
class TableContents:
    """What a table held; None where its rows were not counted, since it is too large or holds none itself."""

    kind: str  # as pg_class.relkind
    owner: str
    rows: int | None = None
    digest: str | None = None  # the sum of a hash of each row's text


@dataclass(frozen=True)
class Extension:
    """An extension that the schemas may need."""

    name: str
    schema: str
    version: str


@dataclass(frozen=True)
class Proof:
    """How it was seen that the backup can be used."""

    level: Level  # bytes: it is encrypted, and could not be decrypted
    schemas: tuple[str, ...] = ()  # that were restored
    seconds: float = 0.0

    def __str__(self) -> str:
        if self.level == "bytes":
            return "the stored bytes were read back; without --backup-decrypt nobody has looked inside"
        if self.level == "read":
            return "read back whole"
        return f"read back whole, and restored in {len(self.schemas)} of its schemas"


@dataclass(frozen=True)
class Manifest:
    """A backup that was taken and proven."""

    name: str  # sorts by time; the folder of its pieces
    run_id: str
    commit: str
    database: str
    system_identifier: str  # of its server; empty if that was not to be known
    started: str  # ISO 8601, the server's time of the snapshot
    server_version: int  # as server_version_num
    client_version: str  # of pg_dump: an older pg_restore cannot read it
    shared_schema: str
    migrations: tuple[str, ...]  # that the run was to apply: app.name
    pieces: tuple[Piece, ...]
    contents: Mapping[str, Mapping[str, TableContents]]  # by schema and table
    extensions: tuple[Extension, ...] = ()
    encrypted: bool = False
    writes: bool = True  # whether the run was about to change what it holds
    proof: Proof = field(default_factory=lambda: Proof("read"))
    format: int = _FORMAT

    @property
    def schemas(self) -> tuple[str, ...]:
        """Every schema that it holds."""
        return tuple(name for piece in self.pieces for name in piece.schemas)

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return sum(piece.size for piece in self.pieces)

    @property
    def major(self) -> int:
        """The major version of the pg_dump that made it."""
        return int(self.client_version.partition(".")[0])

    @property
    def taken_at(self) -> datetime:
        """The time of its snapshot."""
        return datetime.fromisoformat(self.started)

    def is_beside(self, other: Manifest) -> bool:
        """Whether it is of the same database; those of several servers may have one name."""
        return (self.system_identifier, self.database) == (other.system_identifier, other.database)

    def is_of(self, server: str, database: str) -> bool:
        """Whether it is of this database, as far as the identifiers of both servers are known."""
        is_same = not (server and self.system_identifier) or server == self.system_identifier
        return is_same and database == self.database

    def is_readable_with(self, decrypt: str) -> bool:
        """Whether one can look inside with this command; empty if there is none."""
        return bool(decrypt) or not self.encrypted

    def piece_of(self, schema: str) -> Piece:
        """The archive that holds a schema; raises KeyError."""
        return next(iter(piece for piece in self.pieces if schema in piece.schemas), None) or _missing(schema)

    def as_json(self) -> str:
        """The manifest as it is stored; each table is a list, since there may be a million of them."""
        document = dataclasses.asdict(dataclasses.replace(self, contents={}))
        document["contents"] = {
            schema: {table: dataclasses.astuple(one) for table, one in tables.items()}
            for schema, tables in self.contents.items()
        }
        # For whoever finds this file and not the documents.
        document["restore"] = f"{DEPLOYED} restore {self.name}"
        return json.dumps(document, ensure_ascii=False) + "\n"


def backup_name(started: datetime, run_id: str, commit: str) -> str:
    """A name that sorts by time and carries the run and the commit."""
    short = re.sub(r"\W", "", commit)[:7]
    return "-".join(filter(None, (started.astimezone(UTC).strftime(_TIME), run_id, short)))


def piece_name(backup: str, number: int) -> str:
    """The name of the archive of this number, from 1 on."""
    return f"{backup}/{number:03}.dump"


def is_name(text: str) -> bool:
    """Whether a backup may be called that."""
    return _NAME.fullmatch(text) is not None


def is_piece(text: str) -> bool:
    """Whether an archive of a backup may be called that, without the backup's name."""
    return _PIECE.fullmatch(text) is not None


def time_of(name: str) -> datetime:
    """The time in the name of a backup."""
    return datetime.strptime(name.partition("-")[0], _TIME).replace(tzinfo=UTC)


def parse(text: str, where: str) -> Manifest:
    """The manifest of this text; raises BackupFailed, which says `where` it is from."""
    try:
        document = json.loads(text)
        if document["format"] != _FORMAT:
            raise BackupFailed(
                f"{where} has the format {document['format']}, and this version knows {_FORMAT}."
            )
        return _checked(_manifest(document))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupFailed(f"{where} is no manifest that can be read: {type(error).__name__}.") from error


def _manifest(document: dict[str, Any]) -> Manifest:
    proof = document.pop("proof")
    del document["restore"]
    contents = {
        schema: {table: TableContents(*one) for table, one in tables.items()}
        for schema, tables in document.pop("contents").items()
    }
    return Manifest(
        migrations=tuple(document.pop("migrations")),
        pieces=tuple(Piece(**{**one, "schemas": tuple(one["schemas"])}) for one in document.pop("pieces")),
        contents=contents,
        extensions=tuple(Extension(**one) for one in document.pop("extensions")),
        proof=Proof(**{**proof, "schemas": tuple(proof["schemas"])}),
        **document,
    )


def _checked(manifest: Manifest) -> Manifest:
    """The manifest; raises ValueError for what no backup writes, since people edit files."""
    pieces = [one.name.partition("/") for one in manifest.pieces]
    named = all(folder == manifest.name and is_piece(file) for folder, _, file in pieces)
    if not (named and manifest.contents.keys() >= set(manifest.schemas)):
        raise ValueError(manifest.name)
    texts = (manifest.database, manifest.shared_schema, manifest.run_id)
    rows = (one.rows for tables in manifest.contents.values() for one in tables.values())
    if not all(isinstance(one, str) for one in texts) or not all(isinstance(one, int | None) for one in rows):
        raise ValueError(manifest.name)
    if manifest.name.split("-")[1:2] != [manifest.run_id]:  # schemas that are put aside get its name
        raise ValueError(manifest.run_id)
    if not (manifest.major and manifest.taken_at.tzinfo):
        raise ValueError(manifest.started)
    return manifest


def _missing(schema: str) -> Piece:
    raise KeyError(schema)
