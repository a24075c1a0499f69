"""The results of the commands about backups."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from railway_release.backup.manifest import Manifest
from railway_release.backup.restore_plan import SchemaRestore
from railway_release.report import backups as backup_lines
from railway_release.report.command_line import CommandLine
from railway_release.report.line import Line
from railway_release.report.result import Result
from railway_release.runtime.text import count, schema_flag


@dataclass(frozen=True)
class BackupResult(Result):
    """A backup that was taken."""


@dataclass(frozen=True)
class BackupsResult(Result):
    """The backups that there are."""

    where: str = ""
    backups: tuple[Manifest, ...] = ()  # oldest first
    broken: tuple[str, ...] = ()  # of each that cannot be used: its name, and why
    now: datetime = datetime.min  # noqa: DTZ901 - replaced by the time of the look
    database: str = ""  # the project's

    def tally(self) -> list[str]:
        """How many there are."""
        broken = [f"{len(self.broken)} that cannot be used"] if self.broken else []
        return [f"{count(len(self.backups), 'backup')} in {self.where}", *broken] if self.where else []

    def lines(self) -> Iterator[Line]:
        """A line for each."""
        for one in self.backups:
            yield Line("info", "backup.listed", backup_lines.in_words(one, self.now))
        for text in self.broken:
            yield Line("warning", "backup.broken", text)

    def next_commands(self, called: CommandLine) -> Iterator[Line]:
        """What shows how the newest of the project's database is restored."""
        if any(one.database == self.database for one in self.backups):
            # Only restore asks the database which of its name it is.
            command = called.of_backups("restore", "latest")
            text = f"To see what the newest of the database {self.database} would bring back: {command}"
            yield Line("info", "restore.hinted", text)

    def document(self) -> dict[str, Any]:
        """The common part, `backups` and `broken`."""
        found = [backup_lines.as_dict(one) for one in self.backups]
        return super().document() | {"backups": found, "broken": list(self.broken)}


@dataclass(frozen=True)
class RestoreResult(Result):
    """What would be brought back, and with --apply what became of it."""

    restores: tuple[SchemaRestore, ...] = ()
    taken_at: datetime | None = None  # when the backup was taken
    discards: tuple[tuple[str, str], ...] = ()  # schemas that were put aside, with what they were
    nothing: str = ""  # in words, that there is nothing to drop
    drill: bool = False  # whether it is another database that is restored into

    def tally(self) -> list[str]:
        """Without --apply, how many schemas can be restored."""
        if self.nothing:
            return [self.nothing]
        if self.outcomes or not (self.restores or self.discards):
            return super().tally()
        if self.discards:
            return [f"{count(len(self.discards), 'schema')} to drop", "nothing was written"]
        able = [one for one in self.restores if not one.refusals]
        return [
            f"{count(len(able), 'schema')} can be restored from {self.backup_name}",
            "nothing was written",
        ]

    def lines(self) -> Iterator[Line]:
        """What is to be done, or was; then what was found in it."""
        yield from backup_lines.restore_lines(self.restores, done=bool(self.outcomes))
        if not self.outcomes:
            yield from backup_lines.discard_lines(self.discards)
        yield from super().lines()
        restored = [one.schema for one in self.outcomes if one.state == "restored"]
        if restored and self.taken_at and any(one.aside and not one.into for one in self.restores):
            yield from backup_lines.level_lines(restored, self.taken_at)

    def next_commands(self, called: CommandLine) -> Iterator[Line]:
        """The same command with --apply; what drops the schemas that were put aside."""
        possible = self.discards or any(not one.refusals for one in self.restores)
        if possible and not self.outcomes:
            text = f"To do it: {self._again(called, called.schemas, '--apply')}"
            yield Line("info", "restore.hinted", text)
        if left := [one.schema for one in self.outcomes if one.state == "not reached"]:
            # What was put aside has other names than those that are typed.
            again = self._again(called, called.schemas if self.discards else left)
            yield Line("info", "restore.hinted", f"To go on with what was not reached: {again}")
        restored = {one.schema for one in self.outcomes if one.state == "restored"}
        if any(one.aside or one.into for one in self.restores if one.schema in restored):
            named = map(schema_flag, called.schemas)
            command = called.of_backups("restore", self.backup_name, *named, "--discard")
            text = f"Once you no longer need what was put aside, or the copy: {command}"
            yield Line("info", "restore.hinted", text)

    def _again(self, called: CommandLine, schemas: Iterable[str], *more: str) -> str:
        """The same command for these schemas and this backup: by then, another one may be the latest."""
        each = zip(("", *called.words), called.words, strict=False)
        words = [
            self.backup_name if word == "latest" and before != "--into" else word for before, word in each
        ]
        command = dataclasses.replace(called, words=tuple(words)).to_type(schemas, *more)
        if self.drill and not any(word.startswith("--into-database") for word in words):
            # Without that variable, the command would restore here.
            return f'RELEASE_INTO_DATABASE="$RELEASE_INTO_DATABASE" {command}'
        return command

    def document(self) -> dict[str, Any]:
        """The common part, `restores` and `discards`."""
        return super().document() | {
            "restores": [dataclasses.asdict(one) for one in self.restores],
            "discards": [{"schema": schema, "comment": words} for schema, words in self.discards],
        }
