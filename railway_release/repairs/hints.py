"""Hints: what a person can do after the server has refused a repair, which was then rolled back."""

from __future__ import annotations

from railway_release.migrations.outcome import Outcome

_ROWS = (
    "Rows that are there break the rule, and nobody knows what they should be: correct them, or delete those "
    "that nobody needs, then repair again."
)
_HINTS = {
    "23502": _ROWS,  # not_null_violation
    "23503": _ROWS,  # foreign_key_violation
    "23505": _ROWS,  # unique_violation
    "23514": _ROWS,  # check_violation
    "23P01": _ROWS,  # exclusion_violation
}


def needs_decision(outcome: Outcome) -> bool:
    """Whether the same repair would fail again until a person has done something."""
    return bool(outcome.first)


def hint_of(outcome: Outcome) -> str:
    """The hint for a failed repair: by its SQLSTATE, or else the one that the outcome has."""
    return _HINTS.get(outcome.sqlstate, outcome.hint)
