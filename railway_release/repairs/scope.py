"""Scope: which findings a repair is about. Without a choice, errors; warnings where they are named."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from railway_release.config.config import Config
from railway_release.diagnosis.half_applied import HALF_APPLIED, UNRECORDED
from railway_release.errors import UnknownName
from railway_release.verification import findings
from railway_release.verification.findings import HINTS, Finding

# What `repair` tells of a warning that it has repaired.
_EFFECTS = {
    findings.INDEX_MISSING: "queries may use it; while it is built, nobody can write to the table",
    findings.FOREIGN_KEY_RULES: "that is what happens when a row is deleted or changed that others point to, "
    "and when it is checked",
    findings.CONSTRAINT_UNCHECKED: "the rows that are there are checked, and must not break the rule",
}


def check_names(config: Config) -> None:
    """Raise UnknownName for a --finding that is the id of none."""
    known = {*HINTS, UNRECORDED, HALF_APPLIED}
    for id in config.finding:
        if id not in known:
            close = difflib.get_close_matches(id, known, n=1)
            meant = f"Did you mean {close[0]}?" if close else "docs/reference/findings.md lists all."
            raise UnknownName(f"There is no finding {id!r}.", meant)


def includes(config: Config, id: str, severity: str) -> bool:
    """Whether the repair is about a finding of this id and severity."""
    if severity not in ("error", "warning"):
        return False
    if config.finding or id in findings.EARLY:  # where its migration is there, that is recorded
        return id in config.finding
    return severity == "error" or config.warnings


def effect(finding: Finding) -> str:
    """What changes in behaviour when this warning is repaired, in words."""
    change = f"{finding.found or 'nothing'} becomes {finding.expected}" if finding.expected else finding.found
    told = ": ".join(filter(None, (change, _EFFECTS.get(finding.id, finding.hint))))
    return f"{finding.id} {finding.object}: {told}"


def left_out(config: Config, found: Iterable[Finding]) -> Iterator[Finding]:
    """The warnings that the repair is not about, of those that it could repair or tell the choices of."""
    for one in found:
        if one.severity == "warning" and one.id in REPAIRABLE and not includes(config, one.id, one.severity):
            yield one


# Findings that are no differences of a table, and that no repair changes: a release does, or a person.
NO_DEVIATIONS = frozenset(
    {
        findings.NO_ROW,
        findings.AHEAD,
        findings.UNMIGRATED,
        findings.INCOMPLETE,
        findings.UNFINISHED,
        findings.ODD_ONE_OUT,
    }
)
REPAIRABLE = frozenset(HINTS) - NO_DEVIATIONS - {findings.HALF_CREATED} - findings.EARLY
