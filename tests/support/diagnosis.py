"""The causes that doctor found, but for what is true of the healthy example, too."""

import shlex

from .release import PROGRAM, Run

USUAL = "deletion.shared"  # true of every project whose tenants point at shared objects
TREE = "procfile.ignored"  # the example has such a line, and says so
HEALTHY = (USUAL, TREE, "contenttypes.in_both")


def ids(run: Run) -> list[str]:
    """The causes in their order, but for those that the healthy example has, too."""
    return [one["id"] for one in run.report["diagnosis"] if one["id"] not in HEALTHY]


def the(run: Run, id: str) -> dict[str, object]:
    """The one cause of this id."""
    found: list[dict[str, object]] = [one for one in run.report["diagnosis"] if one["id"] == id]
    assert len(found) == 1, f"{len(found)} causes {id!r} in:\n{run.text}"
    return found[0]


def repair(cause: dict[str, object]) -> list[str]:
    """The words with which the cause's command is done."""
    program, _, words = str(cause["command"]).partition(" repair ")
    assert program == PROGRAM
    return ["repair", *shlex.split(words, comments=True), "--apply"]
