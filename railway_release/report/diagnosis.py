"""Causes and explanations as log lines: the evidence, what it means, and the command to type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from railway_release.diagnosis.causes import Cause
from railway_release.diagnosis.explanation import Explanation
from railway_release.report.line import Line
from railway_release.runtime.text import schemas_in_words


def area_lines(areas: Mapping[str, str]) -> Iterator[Line]:
    """One line for each area that was examined."""
    for area, words in areas.items():
        yield Line("info", "area.examined", f"{area}: {words}")


def cause_lines(causes: Iterable[Cause]) -> Iterator[Line]:
    """The likeliest first, each with its number."""
    for number, one in enumerate(causes, 1):
        text = "\n".join((f"{number}. {one.id}: {one.seen}", *_advice(one)))
        yield Line(one.severity, "cause.found", text)


def explanation_lines(explanations: Iterable[Explanation]) -> Iterator[Line]:
    """One line for each error, with its verdict, its schemas and its causes."""
    for one in explanations:
        worst = min((cause.severity for cause in one.causes), key=("error", "warning", "info").index)
        yield Line(worst, "error.explained", "\n".join(_explained(one)))


def _explained(one: Explanation) -> Iterator[str]:
    yield f"{one.error}: {one.verdict}"
    if one.about:
        yield f"   model: {one.about}"
    if one.there:
        yield f"   there: {schemas_in_words(one.there)}"
    if one.absent:
        yield f"   not there: {schemas_in_words(one.absent)}"
    for cause in one.causes:
        yield f"   {cause.id}: {cause.seen}"
        yield from _advice(cause)


def _advice(one: Cause) -> Iterator[str]:
    yield f"   {one.meaning}"
    yield f"   -> {one.command}"
