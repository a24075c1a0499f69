"""What is advised where a release alone would not help."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from railway_release.diagnosis.causes import Cause

NEVER_RAN = "release.never_ran"


@dataclass(frozen=True)
class Obstacles:
    """What is known to keep a release from running, or from migrating some schemas."""

    refused: bool
    refusal: tuple[Cause, ...]  # why
    failing: tuple[Cause, ...]  # each for the schemas in which a pending migration fails


def advisable(causes: Iterable[Cause], obstacles: Obstacles) -> Iterator[Cause]:
    """The causes, with the obstacles before one that advises a release, or in its place if that is vain."""
    for one in causes:
        if one.id != NEVER_RAN:
            yield one
            continue
        hits = _about(one.schemas, obstacles.failing)
        yield from (*obstacles.refusal, *hits)
        failing = {name for other in hits for name in other.schemas}
        if not obstacles.refused and not failing.issuperset(one.schemas):
            yield one


def _about(schemas: Sequence[str], causes: Iterable[Cause]) -> list[Cause]:
    return [one for one in causes if not {*one.schemas}.isdisjoint(schemas)]
