"""Report: everything a command found out, as one value; as JSON; and the exit code that follows."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from railway_release import __version__
from railway_release.diagnosis import causes as diagnosed
from railway_release.diagnosis.causes import Cause
from railway_release.diagnosis.explanation import Explanation
from railway_release.errors import Exit, first
from railway_release.migrations.outcome import Key, Outcome
from railway_release.migrations.status import Status
from railway_release.repairs.repair_plan import PlannedRepair
from railway_release.runtime.redact import redact
from railway_release.runtime.text import count
from railway_release.runtime.visible import json_for_terminals
from railway_release.verification.findings import Finding


@dataclass(frozen=True)
class Pending:
    """Schemas that wait for the same migrations."""

    migrations: tuple[Key, ...]
    schemas: tuple[str, ...]


@dataclass
class Report:
    """Grows through the phases of one command."""

    command: str
    run_id: str
    shared_schema: str = ""
    pending: tuple[Pending, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    findings: tuple[Finding, ...] = ()
    remedies: tuple[PlannedRepair, ...] = ()  # of repair
    status: Status | None = None  # of the command of that name
    each_schema: bool = False  # whether the summary has a line for each schema of the status
    phases: dict[str, float] = field(default_factory=dict)  # seconds
    causes: dict[Exit, str] = field(default_factory=dict)  # why the exit code is not 0
    backup: str = ""
    error_id: str = ""  # of the error that ended the command
    path: str = ""  # where to write it
    words: tuple[str, ...] = ()  # the command line without --schema, quoted for a shell
    schemas_asked_for: tuple[str, ...] = ()
    areas: dict[str, str] = field(default_factory=dict)  # what doctor looked at, and how it fared
    diagnosis: tuple[Cause, ...] = ()  # what doctor found, in order
    explanations: tuple[Explanation, ...] = ()  # of the errors that doctor was asked about

    def fail(self, code: Exit, text: str, error_id: str = "") -> None:
        """Note a cause for an exit code other than 0; the first text for a code stays."""
        self.causes.setdefault(code, text)
        self.error_id = self.error_id or error_id

    def conclude(self) -> None:
        """Fail if a cause that was found is an error."""
        found = [*self.diagnosis, *(one for answer in self.explanations for one in answer.causes)]
        if wrong := diagnosed.errors(found):
            self.fail(Exit.VERIFICATION, f"{count(len(wrong), 'cause')} found that must be mended.")

    @property
    def exit_code(self) -> Exit:
        """The first of the causes in the order that the README gives."""
        return first(set(self.causes))

    @property
    def counts(self) -> Counter[str]:
        """Schemas by outcome."""
        return Counter(outcome.state for outcome in self.outcomes)

    @property
    def wrote(self) -> bool:
        """Whether anything may have changed in the database."""
        return any(outcome.attempts for outcome in self.outcomes)

    @property
    def failed_tenants(self) -> list[Outcome]:
        """The tenants that failed."""
        return [o for o in self.outcomes if o.state == "failed" and o.schema != self.shared_schema]

    @property
    def errors(self) -> list[Finding]:
        """The findings that fail a release."""
        return [finding for finding in self.findings if finding.severity == "error"]

    def as_dict(self) -> dict[str, Any]:
        """Plain values without secrets; the keys are part of the interface."""
        document: dict[str, Any] = {
            "version": __version__,
            "command": self.command,
            "run_id": self.run_id,
            "exit_code": int(self.exit_code),
            "error": self.error_id,
            "causes": [
                {"exit_code": int(code), "name": code.name.lower(), "message": text}
                for code, text in self.causes.items()
            ],
            "phases": {name: round(seconds, 3) for name, seconds in self.phases.items()},
            "backup": self.backup,
            "counts": dict(self.counts),
            "pending": [_pending(group) for group in self.pending],
            "schemas": [_outcome(outcome) for outcome in self.outcomes],
            "findings": [{**dataclasses.asdict(finding), "hint": finding.hint} for finding in self.findings],
        }
        if self.status:
            document["status"] = self.status.as_dict()
        if self.command == "repair":
            document["remedies"] = [_remedy(one) for one in self.remedies]
        if self.command == "doctor":
            document["areas"] = self.areas
            document["diagnosis"] = [dataclasses.asdict(one) for one in self.diagnosis]
            document["explanations"] = [dataclasses.asdict(one) for one in self.explanations]
        return redact(document)  # type: ignore[no-any-return]  # a mapping in, a mapping out

    def as_json(self) -> str:
        """One document."""
        return json_for_terminals(json.dumps(self.as_dict(), indent=2, ensure_ascii=False))

    def write(self) -> None:
        """To the file that was asked for, if any; raises OSError."""
        if self.path:
            Path(self.path).write_text(self.as_json() + "\n", encoding="utf-8")


def _pending(group: Pending) -> dict[str, Any]:
    return {"migrations": [".".join(step) for step in group.migrations], "schemas": list(group.schemas)}


def _remedy(one: PlannedRepair) -> dict[str, Any]:
    records = [".".join(key) for key in one.remedy.records]
    return {"schemas": list(one.schemas), **dataclasses.asdict(one.remedy), "records": records}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        **dataclasses.asdict(outcome),
        "applied": [".".join(step) for step in outcome.applied],
        "duration": round(outcome.duration, 3),
    }
