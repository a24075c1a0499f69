"""How a command was called, and how it is suggested to be called next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from railway_release.migrations.outcome import Outcome
from railway_release.runtime.program import PROGRAM
from railway_release.runtime.text import schema_flag

_MOST_SCHEMAS = 5  # to be named in a command


@dataclass(frozen=True)
class CommandLine:
    """The words of the command line, quoted for a shell."""

    words: tuple[str, ...] = ()  # without --schema
    schemas: tuple[str, ...] = ()  # those of --schema
    backups: tuple[str, ...] = ()  # of the words, those that lead to backups
    reaching: tuple[str, ...] = ()  # of the words, those without which another command finds something else

    def of_backups(self, *command: str) -> str:
        """Another command about the same backups."""
        return self.other(*command, *self.backups)

    def to_type(self, schemas: Iterable[str], *more: str) -> str:
        """The same command for these schemas, with `more` words."""
        return " ".join([PROGRAM, *self.words, *map(schema_flag, schemas), *more])

    def other(self, *command: str) -> str:
        """Another command for the same project and database."""
        return " ".join([PROGRAM, *command, *self.reaching])

    def again(self, outcomes: Sequence[Outcome]) -> str:
        """The command for what was not migrated, or nothing."""
        # What failed without an attempt would be left alone again; its outcome says what is to be done first.
        left = [one.schema for one in outcomes if one.state == "not reached" or _was_tried(one)]
        if not left:
            return ""
        started = any(one.attempts or one.state == "failed" for one in outcomes)
        nameable = started and len(left) <= _MOST_SCHEMAS and "--shared-only" not in self.words
        return self.to_type(left if nameable else self.schemas)


def _was_tried(one: Outcome) -> bool:
    return one.state == "failed" and bool(one.attempts)
