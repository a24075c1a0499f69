"""The result of each command."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from railway_release.diagnosis.advice import NEVER_RAN
from railway_release.diagnosis.causes import Cause, Severity, errors
from railway_release.diagnosis.explanation import Explanation
from railway_release.errors import Exit
from railway_release.migrations.status import Status
from railway_release.report import status as status_lines
from railway_release.report.backup_results import BackupResult, BackupsResult, RestoreResult
from railway_release.report.command_line import CommandLine
from railway_release.report.diagnosis import area_lines, cause_lines, explanation_lines
from railway_release.report.line import Level, Line
from railway_release.report.repair_result import RepairResult
from railway_release.report.result import Result
from railway_release.runtime.text import count, schema_flag, some


@dataclass(frozen=True)
class ReleaseResult(Result):
    """What became of each schema, and what verification found afterwards."""

    # Tenants that this run has changed and that failed, by the name of the backup that holds them.
    restorable: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def next_commands(self, called: CommandLine) -> Iterator[Line]:
        """Run again for what was not migrated; `doctor` if there are errors."""
        yield from super().next_commands(called)
        yield from _to_explain(self, called)
        yield from self._to_restore(called)

    def _to_restore(self, called: CommandLine) -> Iterator[Line]:
        for name, schemas in self.restorable.items():
            command = called.of_backups("restore", name, *map(schema_flag, schemas))
            text = f"To see what would bring back {some(schemas)} as before: {command}"
            yield Line("info", "restore.hinted", text)

    def document(self) -> dict[str, Any]:
        """The common part and `restorable`."""
        found = [{"backup": name, "schemas": list(schemas)} for name, schemas in self.restorable.items()]
        return super().document() | {"restorable": found}


@dataclass(frozen=True)
class _Inspection(Result):
    """What is pending, and what verification found."""

    def tally(self) -> list[str]:
        """How many schemas were compared, and what was found in them."""
        return [f"{count(self.compared, 'schema')} compared", *self._found()] if self.compared else []

    def _found(self) -> Iterator[str]:
        found = Counter(one.severity for one in self.findings)
        for severity in ("error", "warning"):
            if found[severity]:
                yield count(found[severity], severity)
        if not (found["error"] or found["warning"]):
            yield "no differences"
        if waiting := sum(len(group.schemas) for group in self.pending):
            yield f"migrations pending in {count(waiting, 'schema')}"

    def next_commands(self, called: CommandLine) -> Iterator[Line]:
        """A release if something is pending; `doctor` if there are errors."""
        yield from super().next_commands(called)
        yield from _to_migrate(self, called)
        yield from _to_explain(self, called)


@dataclass(frozen=True)
class PlanResult(_Inspection):
    """What a release would do."""

    pending_level: ClassVar[Level | None] = "info"
    foreseen: str = ""  # how a release would end that meets the errors

    @property
    def answers(self) -> frozenset[Exit]:
        """What is pending."""
        return frozenset({Exit.PENDING})

    def lines(self) -> Iterator[Line]:
        """What is pending and what was found; where that is wrong, how a release would end."""
        yield from super().lines()
        if self.foreseen:
            yield Line("info", "release.foreseen", self.foreseen)

    def tally(self) -> list[str]:
        """How many schemas wait for migrations."""
        waiting = sum(len(group.schemas) for group in self.pending)
        if not self.compared:
            return []
        schemas = f"{waiting} of {count(self.compared, 'schema')}"
        pending = f"migrations pending in {schemas}" if waiting else "nothing pending"
        return [pending, *([count(len(self.errors), "error")] if self.errors else [])]


@dataclass(frozen=True)
class VerifyResult(_Inspection):
    """Whether every schema holds what its migrations say."""

    pending_level: ClassVar[Level | None] = "warning"


@dataclass(frozen=True)
class CheckResult(_Inspection):
    """Whether nothing is pending and nothing missing."""

    pending_level: ClassVar[Level | None] = "error"


@dataclass(frozen=True)
class StatusResult(Result):
    """How far each schema is."""

    status: Status | None = None
    each_schema: bool = False  # whether there is a line for each schema

    def lines(self) -> Iterator[Line]:
        """The schemas, then the migrations; findings are not part of a status."""
        if self.status:
            yield from status_lines.lines(self.status, each_schema=self.each_schema)

    def tally(self) -> list[str]:
        """How many schemas there are, and how many of them wait for migrations."""
        if not self.status:
            return []
        total = sum(len(group.schemas) for group in self.status.groups)
        waiting = sum(len(group.schemas) for group in self.pending)
        return [count(total, "schema"), f"migrations pending in {waiting}" if waiting else "nothing pending"]

    def next_commands(self, called: CommandLine) -> Iterator[Line]:
        """A release, if something is pending and one can begin."""
        yield from super().next_commands(called)
        if not (self.status and self.status.obstacle):
            yield from _to_migrate(self, called)

    def document(self) -> dict[str, Any]:
        """The common part and `status`."""
        return super().document() | ({"status": self.status.as_dict()} if self.status else {})


@dataclass(frozen=True)
class DoctorResult(Result):
    """Why something is wrong, or what an error's text means."""

    areas: Mapping[str, str] = field(default_factory=dict)  # what was examined, and what was found there
    diagnosis: tuple[Cause, ...] = ()  # in the order in which they are to be dealt with
    explanations: tuple[Explanation, ...] = ()  # of the errors that were asked about
    shows_all: bool = False  # also causes that are no faults, in lines; the document has them always

    @property
    def answers(self) -> frozenset[Exit]:
        """What is to be fixed."""
        return frozenset({Exit.VERIFICATION})

    def judged(self) -> Self:
        """The same, failing if one of the causes is an error; a release is hinted at where one advises it."""
        advised = {name for one in self._causes if one.id == NEVER_RAN for name in one.schemas}
        held_up = {name for group in self.pending for name in group.schemas if name not in advised}
        judged = dataclasses.replace(self, held_up=self.held_up | held_up)
        if not (wrong := errors(self._causes)):
            return judged
        return judged.failing(Exit.VERIFICATION, f"{count(len(wrong), 'cause')} found that must be fixed.")

    @property
    def _causes(self) -> list[Cause]:
        return [*self.diagnosis, *(one for answer in self.explanations for one in answer.causes)]

    def tally(self) -> list[str]:
        """How many causes there are, by how bad they are."""
        found = Counter(one.severity for one in self._causes)
        words: dict[Severity, str] = {"error": "to fix", "warning": "to look at"}
        told = [f"{found[severity]} {word}" for severity, word in words.items() if found[severity]]
        return [f"found {', '.join(told)}"] if told else ["found nothing to fix"] if self.areas else []

    def lines(self) -> Iterator[Line]:
        """Areas, causes and explanations; the findings that they were derived from are not repeated."""
        shown = (
            self.diagnosis if self.shows_all else [one for one in self.diagnosis if one.severity != "info"]
        )
        yield from area_lines(self.areas)
        yield from cause_lines(shown)
        if left := [one.id for one in self.diagnosis if one not in shown]:
            text = f"worth knowing, and no fault: {some(left)}; --all says more"
            yield Line("info", "causes.left_out", text)
        yield from explanation_lines(self.explanations)

    def next_commands(self, called: CommandLine) -> Iterator[Line]:
        """A release, if something is pending that it would touch."""
        yield from super().next_commands(called)
        yield from _to_migrate(self, called)

    def document(self) -> dict[str, Any]:
        """The common part, `areas`, `diagnosis` and `explanations`."""
        return super().document() | {
            "areas": dict(self.areas),
            "diagnosis": [dataclasses.asdict(one) for one in self.diagnosis],
            "explanations": [dataclasses.asdict(one) for one in self.explanations],
        }


@dataclass(frozen=True)
class FakeResult(Result):
    """In which schemas a record was made or taken away."""


EMPTY: Mapping[str, Result] = {
    "release": ReleaseResult(),
    "plan": PlanResult(),
    "verify": VerifyResult(),
    "status": StatusResult(),
    "check": CheckResult(),
    "doctor": DoctorResult(),
    "repair": RepairResult(),
    "fake": FakeResult(),
    "backup": BackupResult(),
    "backups": BackupsResult(),
    "restore": RestoreResult(),
}


def _to_migrate(result: Result, called: CommandLine) -> Iterator[Line]:
    if any(not result.held_up.issuperset(group.schemas) for group in result.pending):
        schemas = map(schema_flag, called.schemas)
        yield Line("info", "release.hinted", f"To migrate: {called.other(*schemas)}")


def _to_explain(result: Result, called: CommandLine) -> Iterator[Line]:
    if result.errors:
        yield Line("info", "doctor.hinted", f"Why, and what fixes it: {called.other('doctor')}")
