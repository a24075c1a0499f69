"""Report: one run of a command, from how it was called to its exit code; as JSON, too."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from railway_release import __version__
from railway_release.errors import Exit, first
from railway_release.report.command_line import CommandLine
from railway_release.report.result import Result
from railway_release.report.results import EMPTY
from railway_release.runtime.redact import redact
from railway_release.runtime.visible import json_for_terminals


@dataclass
class Report:
    """What a command has come to so far, however it ends: `result` is its latest."""

    command: str
    run_id: str
    called: CommandLine = field(default_factory=CommandLine)
    path: str = ""  # where to write it
    result: Result = field(init=False)
    phases: dict[str, float] = field(default_factory=dict)  # seconds
    started: float = field(default_factory=time.monotonic)
    error_id: str = ""  # of the error that ended the command
    _ends: dict[Exit, str] = field(default_factory=dict)  # what ended the command, by exit code

    def __post_init__(self) -> None:
        self.result = EMPTY[self.command]

    def end(self, code: Exit, text: str, error_id: str = "") -> None:
        """Note what ended the command before its time; the first text for a code stays."""
        self._ends.setdefault(code, text)
        self.error_id = self.error_id or error_id

    @property
    def causes(self) -> Mapping[Exit, str]:
        """Why the exit code is not 0."""
        texts = {**self._ends, **self.result.failures}
        return {code: texts[code] for code in (*self.result.failures, *self._ends)}

    @property
    def exit_code(self) -> Exit:
        """The cause that comes first in errors.PRECEDENCE, or 0."""
        return first(set(self.causes))

    def as_dict(self) -> dict[str, Any]:
        """The JSON document as plain values, without secrets; its keys are part of the interface."""
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
            "phases_ms": {name: round(seconds * 1000) for name, seconds in self.phases.items()},
            **self.result.document(),
        }
        return redact(document)  # type: ignore[no-any-return]  # a mapping in, a mapping out

    def as_json(self) -> str:
        """The document as JSON text."""
        return json_for_terminals(json.dumps(self.as_dict(), indent=2, ensure_ascii=False))

    def write(self) -> None:
        """Write the document to `path`, if there is one. Raises OSError."""
        if self.path:
            Path(self.path).write_text(self.as_json() + "\n", encoding="utf-8")
