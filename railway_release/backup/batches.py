"""Divides schemas among archives: as few as possible, since each run of pg_dump reads the whole catalog."""

from __future__ import annotations

from collections.abc import Mapping

from railway_release.backup.toc import are_confusable, may_be_confused

# pg_dump keeps a lock for each table and sequence until it ends, and all sessions share the slots.
_SHARE = 3


def batches(relations: Mapping[str, int], free_slots: int) -> list[tuple[str, ...]]:
    """Schemas in batches that each take at most a third of the free lock slots, or are one schema alone.

    `relations` has the number of tables and sequences of each schema, in the order that is kept.
    """
    most = max(1, free_slots // _SHARE)
    odd = {name for name in relations if may_be_confused(name)}
    made: list[list[str]] = []
    left = 0
    for name, number in relations.items():
        others = made[-1] if made else []
        doubtful = others if name in odd else odd.intersection(others)
        if not made or number > left or any(are_confusable(name, other) for other in doubtful):
            made.append([])
            left = most
        made[-1].append(name)
        left -= number
    return [tuple(one) for one in made]
