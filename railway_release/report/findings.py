"""Findings as lines of the summary: equal ones of several schemas are one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from railway_release.report.line import Level, Line
from railway_release.runtime.text import schemas_in_words
from railway_release.verification.findings import Finding


def finding_lines(findings: Iterable[Finding]) -> Iterator[Line]:
    """A line for each group of findings that differ in nothing but their schemas."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for one in findings:
        key = (one.id, one.severity, one.object, one.found, one.expected, one.known, one.reason)
        groups.setdefault(key, []).append(one)
    for group in groups.values():
        one = group[0]
        level: Level = {"error": "error", "warning": "warning"}.get(one.severity, "info")  # type: ignore[assignment]
        subject = "" if one.object == "schema" else f" {one.object}"
        schemas = schemas_in_words([each.schema for each in group])
        yield Line(level, "finding.reported", f"{one.id}{subject} in {schemas}{_noted(one)}. {one.hint}")


def _noted(one: Finding) -> str:
    noted = " (known before this release)" if one.known and one.severity == "error" else ""
    if one.reason:
        noted += f" (accepted: {one.reason})" if one.severity == "accepted" else f" ({one.reason})"
    words = [f"{one.expected} expected" if one.expected else ""]
    words += [f"{one.found} found" if one.found and one.expected else one.found]
    told = ", ".join(filter(None, words))
    return noted + (f": {told}" if told else "")
