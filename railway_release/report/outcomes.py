"""Outcomes as lines of the summary: what was repaired, and what was not migrated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from railway_release.migrations.outcome import Outcome
from railway_release.report.line import Level, Line
from railway_release.runtime.text import schemas_in_words, sentence, some

_TOLD = ("failed", "refused", "not reached")


def repaired_lines(outcomes: Iterable[Outcome]) -> Iterator[Line]:
    """A line for each group of schemas in which the same was repaired."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for one in outcomes:
        if one.repairs:
            groups.setdefault(one.repairs, []).append(one.schema)
    for repairs, names in groups.items():
        yield Line("info", "schemas.repaired", f"{schemas_in_words(names)}: {some(repairs)}")


def outcome_lines(outcomes: Iterable[Outcome]) -> Iterator[Line]:
    """A line for each group of schemas that failed, or were left alone, for the same reason."""
    groups: dict[tuple[str, str, str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.state in _TOLD or (outcome.state == "skipped" and outcome.message):
            key = (outcome.state, outcome.failed_at, outcome.message, outcome.statement, outcome.hint)
            groups.setdefault(key, []).append(outcome)
    for (state, failed_at, message, statement, hint), group in groups.items():
        at = f" at {failed_at}" if failed_at else ""
        what = f"{schemas_in_words([o.schema for o in group])} {state}{at}"
        what += f": {message}" if message else ""
        what += f" (in: {statement})" if statement else ""
        level: Level = "error" if state == "failed" else "warning"
        yield Line(level, f"schemas.{state.replace(' ', '_')}", f"{sentence(what)} {hint}" if hint else what)
