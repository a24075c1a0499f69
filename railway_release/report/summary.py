"""The end of every command in words: its result, then why it failed, what to type next, and the verdict."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator

from railway_release.errors import Exit
from railway_release.report.line import Level, Line
from railway_release.report.report import Report

# What ends another run, too, until somebody has dealt with it.
_LASTING = frozenset({Exit.UNEXPECTED, Exit.PREFLIGHT, Exit.BACKUP, Exit.DATABASE_LOST})


def lines(report: Report) -> Iterator[Line]:
    """All lines, the most important last, where a reader looks first."""
    result, causes = report.result, report.causes
    yield from result.lines()
    answered = set(causes) == {Exit.PENDING} and Exit.PENDING in result.answers
    level: Level = "error" if causes and not answered else "info"
    for text in causes.values():
        yield Line(level, "plan.answered" if answered else "release.failed", text)
    called = dataclasses.replace(report.called, held_up=not _LASTING.isdisjoint(causes))
    yield from result.next_commands(called)
    yield Line(level, f"{report.command}.finished", _verdict(report))


def _verdict(report: Report) -> str:
    """How the command ended, after how long, and what it came to: what is read if only one line is read."""
    code, seconds = report.exit_code, f"{time.monotonic() - report.started:.1f} s"
    number = f" (exit {int(code)})" if code else ""
    if code in (Exit.DONE, *report.result.answers):
        ended = f"done{number} in {seconds}"
    else:
        stopped = code in (Exit.INTERRUPTED, Exit.TERMINATED)
        ended = f"{'STOPPED' if stopped else 'FAILED'}{number} after {seconds}"
    tally = ", ".join(report.result.tally())
    return f"{report.command} {ended}" + (f": {tally}" if tally else "")
