"""Findings as lines of the summary: equal ones of several schemas are one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from railway_release.report.line import Level, Line
from railway_release.runtime.text import schemas_in_words, some
from railway_release.verification.findings import BY_MIGRATIONS, Finding

_MOST = 5  # of one line; the JSON report has them all


def finding_lines(findings: Iterable[Finding]) -> Iterator[Line]:
    """A line for each group of findings that differ in nothing but their schemas; one for all information."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    everything = list(findings)
    yield from _information([one for one in everything if one.severity == "information"])
    for one in (one for one in everything if one.severity != "information"):
        key = (one.id, one.severity, one.object, one.found, one.expected, one.known, one.reason)
        groups.setdefault(key, []).append(one)
    for group in groups.values():
        one = group[0]
        level: Level = {"error": "error", "warning": "warning"}.get(one.severity, "info")  # type: ignore[assignment]
        subject = "" if one.object == "schema" else f" {one.object}"
        schemas = schemas_in_words([each.schema for each in group])
        yield Line(level, "finding.reported", f"{one.id}{subject} in {schemas}{_noted(one)}. {one.hint}")


def _information(found: Sequence[Finding]) -> Iterator[Line]:
    if found:
        texts = [f"{one.id} {one.object}{_noted(one)}" for one in found]
        yield Line("info", "finding.reported", f"{BY_MIGRATIONS}: {some(texts, _MOST)}")


def _noted(one: Finding) -> str:
    noted = " (known before this release)" if one.known and one.severity == "error" else ""
    if one.reason and one.reason != BY_MIGRATIONS:
        noted += f" (accepted: {one.reason})" if one.severity == "accepted" else f" ({one.reason})"
    words = [f"{one.expected} expected" if one.expected else ""]
    words += [f"{one.found} found" if one.found and one.expected else one.found]
    told = ", ".join(filter(None, words))
    return noted + (f": {told}" if told else "")
