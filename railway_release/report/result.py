"""What every command's result has: values, lines for the summary, and its part of the JSON document."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from railway_release.errors import Exit
from railway_release.migrations.outcome import MOST_MIGRATIONS, Key, Outcome, in_words
from railway_release.report.command_line import CommandLine
from railway_release.report.findings import finding_lines
from railway_release.report.line import Level, Line
from railway_release.report.outcomes import outcome_lines, repaired_lines
from railway_release.runtime.text import count, schemas_in_words
from railway_release.verification.findings import Finding


@dataclass(frozen=True)
class Pending:
    """Schemas that wait for the same migrations."""

    migrations: tuple[Key, ...]
    schemas: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """What a command has found out and done so far; each command has a subclass of its own."""

    pending_level: ClassVar[Level | None] = None  # of the lines about pending migrations, if there are any

    shared_schema: str = ""
    pending: tuple[Pending, ...] = ()
    held_up: frozenset[str] = frozenset()  # of those with pending migrations, which no release touches
    outcomes: tuple[Outcome, ...] = ()
    findings: tuple[Finding, ...] = ()
    compared: int = 0  # schemas, by verification
    every: bool = False  # whether each schema and migration is named
    backup: str = ""  # what became of it, in words
    backup_name: str = ""  # by which `restore` knows it
    failures: Mapping[Exit, str] = field(default_factory=dict)  # why the exit code is not 0

    @property
    def answers(self) -> frozenset[Exit]:
        """The exit codes that answer what was asked, and are no failure."""
        return frozenset()

    def failing(self, code: Exit, text: str) -> Self:
        """The same with a reason for an exit code other than 0; the first text for a code stays."""
        return dataclasses.replace(self, failures={**self.failures, code: self.failures.get(code, text)})

    def failing_for_tenants(self, tolerated: int) -> Self:
        """The same, failing if more tenants have failed than are tolerated."""
        number = len(self.failed_tenants)
        if number <= tolerated:
            return self
        return self.failing(Exit.TENANTS_FAILED, f"{count(number, 'tenant schema')} failed.")

    def tally(self) -> list[str]:
        """What the last line says of the result: numbers with words."""
        found = self.counts
        return [f"{found[state]} {state}" for state in _ORDER if found[state]]

    @property
    def counts(self) -> Counter[str]:
        """The number of schemas with each state."""
        return Counter(outcome.state for outcome in self.outcomes)

    @property
    def wrote(self) -> bool:
        """Whether anything may have changed in the database."""
        return any(outcome.attempts for outcome in self.outcomes)

    @property
    def failed_tenants(self) -> list[Outcome]:
        """The outcomes of the tenants that failed."""
        return [one for one in self.outcomes if one.state == "failed" and one.schema != self.shared_schema]

    @property
    def errors(self) -> list[Finding]:
        """The findings that fail a release."""
        return [finding for finding in self.findings if finding.severity == "error"]

    def lines(self) -> Iterator[Line]:
        """The summary but for the verdict, with what is most important last."""
        yield from self.pending_lines()
        yield from finding_lines(self.findings)
        yield from repaired_lines(self.outcomes)
        yield from outcome_lines(self.outcomes)

    def pending_lines(self) -> Iterator[Line]:
        """A line for each group of schemas that wait for the same migrations."""
        if self.pending_level and not self.outcomes:
            for group in self.pending:
                number, most = len(group.migrations), len(group.migrations) if self.every else MOST_MIGRATIONS
                schemas = ", ".join(group.schemas) if self.every else schemas_in_words(group.schemas)
                text = f"{schemas}: {number} pending ({in_words(group.migrations, most)})"
                yield Line(self.pending_level, "migrations.pending", text)

    def next_commands(self, called: CommandLine) -> Iterator[Line]:
        """What to type next."""
        for text in called.again(self.outcomes, self.shared_schema):
            yield Line("info", "release.hinted", text)

    def document(self) -> dict[str, Any]:
        """What it adds to the JSON document; the keys are part of the interface."""
        return {
            "backup": self.backup,
            "backup_name": self.backup_name,
            "counts": dict(self.counts),
            "pending": [_pending(group) for group in self.pending],
            "schemas": [_outcome(outcome) for outcome in self.outcomes],
            "findings": [{**dataclasses.asdict(finding), "hint": finding.hint} for finding in self.findings],
        }


# What went well comes first.
_ORDER = (
    "migrated",
    "repaired",
    "restored",
    "dropped",
    "current",
    "skipped",
    "refused",
    "failed",
    "not reached",
)


def _pending(group: Pending) -> dict[str, Any]:
    return {"migrations": [".".join(step) for step in group.migrations], "schemas": list(group.schemas)}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    document = dataclasses.asdict(outcome)
    for name in ("duration", "receivers"):
        document[f"{name}_ms"] = round(document.pop(name) * 1000)
    return {**document, "applied": [".".join(step) for step in outcome.applied]}
