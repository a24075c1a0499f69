"""How a command was called, and how it is suggested to be called next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
    held_up: bool = False  # whether the same would end again in the same error, until that is dealt with

    def of_backups(self, *command: str) -> str:
        """Another command about the same backups."""
        return self.other(*command, *self.backups)

    def to_type(self, schemas: Iterable[str], *more: str) -> str:
        """The same command for these schemas, with `more` words."""
        return " ".join([PROGRAM, *self.words, *map(schema_flag, schemas), *more])

    def other(self, *command: str) -> str:
        """Another command for the same project and database."""
        return " ".join([PROGRAM, *command, *self.reaching])

    def again(self, outcomes: Sequence[Outcome], shared: str = "") -> Iterator[str]:
        """What to type for what was not migrated, and before that what another run waits for.

        If that is about the `shared` schema, or the whole run is held up, everything waits for it.
        """
        # What failed without an attempt would be left alone again; its outcome says what is to be done first.
        left = [one for one in outcomes if one.state == "not reached" or _was_tried(one)]
        waits = [one for one in left if one.first]
        later = left if self.held_up or any(one.schema == shared for one in waits) else waits
        now = [one for one in left if one not in later]
        if now:
            yield f"Run again with: {self._again(now, outcomes)}"
        yield from self._first(waits)
        if later:
            yield f"Once that is put right, run again with: {self._again(later, outcomes)}"

    def _first(self, waits: Iterable[Outcome]) -> Iterator[str]:
        """The commands that record what is there already."""
        groups: dict[tuple[str, str], list[str]] = {}
        for one in waits:
            at = one.failed_at if one.first == "fake" else ""
            groups.setdefault((one.first, at), []).append(one.schema)
        for (first, at), names in groups.items():
            flags = map(schema_flag, names)
            if first == "repair":
                command = self.other("repair", *(flags if len(names) <= _MOST_SCHEMAS else ()))
                yield f"To see what is there already: {command}  # --apply records it if all is there"
            elif first == "fake":
                command = self.other("fake", *at.split(".", 1), *flags, "--data-is-done")
                yield f"If all that {at} does is done there: {command}  # else undo what is there by hand"

    def _again(self, left: Sequence[Outcome], outcomes: Iterable[Outcome]) -> str:
        started = any(one.attempts or one.state == "failed" for one in outcomes)
        nameable = started and len(left) <= _MOST_SCHEMAS and "--shared-only" not in self.words
        return self.to_type([one.schema for one in left] if nameable else self.schemas)


def _was_tried(one: Outcome) -> bool:
    return one.state == "failed" and bool(one.attempts)
