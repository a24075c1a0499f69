"""The result of a run for each schema: one value a schema, the same from either engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from railway_release.runtime.text import some

Key = tuple[str, str]  # app label and migration name

MOST_MIGRATIONS = 3  # to be named in one line

State = Literal[
    "migrated", "repaired", "restored", "dropped", "refused", "current", "failed", "skipped", "not reached"
]
# What has to be done before another run can help: nothing; `repair` or `fake`, since something is there
# already; or what the hint or the message asks of a person.
First = Literal["", "repair", "fake", "change"]


@dataclass(frozen=True)
class Outcome:
    """The result for one schema; all texts are redacted."""

    schema: str
    state: State
    applied: tuple[Key, ...] = ()
    repairs: tuple[str, ...] = ()  # what was repaired, in words
    failed_at: str = ""  # app.migration
    sqlstate: str = ""
    message: str = ""
    hint: str = ""
    first: First = ""
    statement: str = ""  # the one that failed, with placeholders where Django has values
    duration: float = 0.0  # seconds
    receivers: float = 0.0  # of these, seconds in signal receivers that are not Django's own
    attempts: int = 0
    statements: int = 0  # sent to the server


def dotted(key: Key) -> str:
    """``app.name``."""
    return ".".join(key)


def in_words(steps: tuple[Key, ...], most: int = MOST_MIGRATIONS) -> str:
    """``buildings.0003_x, buildings.0004_y and 5 more``."""
    return some([dotted(step) for step in steps], most)
