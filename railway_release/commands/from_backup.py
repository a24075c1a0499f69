"""What restore and its drill have in common: one backup."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from railway_release.backup.archive import Tools
from railway_release.backup.pg_dump import tools_for
from railway_release.backup.places import open_destination
from railway_release.backup.proof import check_stored
from railway_release.backup.restore_plan import SchemaRestore, chosen_schemas
from railway_release.backup.restoring import ArchivedSchema, Restored
from railway_release.backup.stored import find_backup, stored_backups
from railway_release.commands.in_turn import InTurn
from railway_release.errors import BackupFailed, Exit, InvalidConfiguration, UnknownName
from railway_release.migrations.outcome import Outcome, State
from railway_release.postgres.server import system_identifier
from railway_release.postgres.session import Connection, clip, fetch
from railway_release.preflight.target import Target
from railway_release.report.backup_results import RestoreResult
from railway_release.report.report import Report
from railway_release.runtime.program import PROGRAM
from railway_release.runtime.text import count
from railway_release.runtime.waiting import told

_OTHERS = f"Restore another one: `{PROGRAM} backups` lists those that can be used."


class FromBackup(InTurn):
    """Work from one backup."""

    def __init__(self, target: Target, report: Report) -> None:
        super().__init__(target, report)
        if not self.config.backup_to:
            raise InvalidConfiguration("restore needs to know where backups are.", "Set RELEASE_BACKUP_TO.")
        self.destination = open_destination(self.config.backup_to, os.environ)
        server, database = target.read_pool.read(_whose)
        self.manifest = find_backup(
            self.destination, self.config.run, lambda one: one.is_of(server, database)
        )
        if self.manifest.encrypted:
            self._check_decrypt()
        self.is_of_here = self.manifest.is_of(server, database)
        self._read: set[str] = set()  # pieces whose bytes are those that were written

    def _check_decrypt(self) -> None:
        if not self.config.backup_decrypt:
            raise InvalidConfiguration(
                f"The backup {self.manifest.name} is encrypted.",
                "RELEASE_BACKUP_DECRYPT names the command that decrypts it.",
            )
        self.hint = "If it was encrypted with another key, RELEASE_BACKUP_DECRYPT has to use that one."

    def archived(self, name: str) -> ArchivedSchema:
        """A schema of the backup, whose archive is read once to see that it is as it was written."""
        piece = self.manifest.piece_of(name)
        if piece.name not in self._read:
            with told(f"{piece.name} is being read"), _naming_others():
                check_stored(self.destination, piece)
            self._read.add(piece.name)
        return ArchivedSchema(self.destination, self._tools, self.manifest, name)

    @property
    def _tools(self) -> Tools:
        version = self.manifest.client_version
        return tools_for(self.target, self.manifest.major, f"the backup was made by {version}")

    def chosen(self) -> tuple[str, ...]:
        """The schemas to restore; raises UnknownName, with a backup that holds what this one does not."""
        try:
            return chosen_schemas(self.manifest, self.config)
        except UnknownName as error:
            wanted = set(map(clip, self.config.schema))
            stored = [one.manifest for one in stored_backups(self.destination).backups]
            same = [one for one in stored if one.is_beside(self.manifest) and wanted.issubset(one.schemas)]
            hint = f"{same[-1].name} does. {error.hint}" if same else error.hint
            raise UnknownName(error.message, hint) from error

    def _as_stored(self, one: SchemaRestore, sizes: Mapping[str, int]) -> SchemaRestore:
        """The same, refused if its archive cannot be whole."""
        piece = self.manifest.piece_of(one.schema)
        if sizes.get(piece.name) == piece.size:
            return one
        text = f"{piece.name} is missing, or has another size: restore another backup"
        return replace(one, refusals=(*one.refusals, text))

    def start(self, result: RestoreResult) -> None:
        """Let this be the result so far."""
        names = {"backup_name": self.manifest.name, "taken_at": self.manifest.taken_at}
        self.report.result = replace(result, shared_schema=self.manifest.shared_schema, **names)  # type: ignore[arg-type]  # by name

    def propose(self, planned: Sequence[SchemaRestore]) -> list[SchemaRestore]:
        """Let this be what is to be done; returns what is not refused."""
        sizes = self.destination.sizes(f"{self.manifest.name}/")
        planned = [self._as_stored(one, sizes) for one in planned]
        result = RestoreResult(restores=tuple(planned), drill=bool(self.config.into_database))
        if refused := [one for one in planned if one.refusals]:
            text = f"{count(len(refused), 'schema')} cannot be restored like that; see above why."
            result = result.failing(Exit.VERIFICATION, text)
        self.start(result)
        return [one for one in planned if not one.refusals]


@contextlib.contextmanager
def _naming_others() -> Iterator[None]:
    try:
        yield
    except BackupFailed as error:
        raise BackupFailed(error.message, error.hint or _OTHERS) from error


def _whose(connection: Connection) -> tuple[str, str]:
    """The identifier of the server, and the name of the database."""
    ((database,),) = fetch(connection, "SELECT current_database()::text")
    return system_identifier(connection), str(database)


def restored_outcome(name: str, place: str, restored: Restored, state: State = "restored") -> Outcome:
    """The outcome of a schema that was restored; `place` says where to."""
    return Outcome(name, state, repairs=tuple(_in_words(place, restored)), attempts=1)


def _in_words(place: str, restored: Restored) -> Iterator[str]:
    what = f"{count(restored.tables, 'table')}, {count(restored.rows, 'row')} compared"
    yield f"restored ({what}){place}"
    for orphans in restored.not_valid:
        yield f"NOT VALID: {orphans}"
