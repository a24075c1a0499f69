"""Causes: reasons why something is wrong, with their evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from railway_release.diagnosis.catalogue import KINDS

Severity = Literal["error", "warning", "info"]

_BY_SEVERITY = ("error", "warning", "info")


@dataclass(frozen=True)
class Cause:
    """A reason, with its evidence and the one thing to do next."""

    id: str
    severity: Severity
    seen: str  # the evidence, with schemas counted and only some of them named
    meaning: str
    command: str  # to type, or to do
    schemas: tuple[str, ...] = ()  # all of them


def cause(
    id: str, seen: str, command: str, schemas: Iterable[str] = (), severity: Severity | None = None
) -> Cause:
    """Make a cause from its entry in the catalogue; `severity` takes the place of the entry's."""
    kind = KINDS[id]
    return Cause(id, severity or kind.severity, seen, kind.meaning, command, tuple(schemas))


def ranked(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """The causes in order: the worst first, and of equally bad ones what has to be done before the others."""
    order = list(KINDS)

    def rank(one: Cause) -> tuple[int, int]:
        return badness(one), order.index(one.id) if one.id in KINDS else len(order)

    return tuple(sorted(causes, key=rank))


def badness(one: Cause) -> int:
    """A number for its severity: the smallest for the worst."""
    return _BY_SEVERITY.index(one.severity)


def worst(severities: Iterable[str]) -> Severity:
    """``error`` if there is one among them, else ``warning``."""
    return "error" if "error" in severities else "warning"


def errors(causes: Sequence[Cause]) -> list[Cause]:
    """The causes whose severity is error."""
    return [one for one in causes if one.severity == "error"]
