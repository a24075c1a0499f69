"""The end of every command in words: its result, then why it failed, what to type next, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from railway_release.errors import Exit
from railway_release.report.line import Level, Line
from railway_release.report.report import Report


def lines(report: Report) -> Iterator[Line]:
    """All lines, the most important last, where a reader looks first."""
    result, causes = report.result, report.causes
    yield from result.lines()
    answered = result.pending_is_an_answer and set(causes) == {Exit.PENDING}
    level: Level = "error" if causes and not answered else "info"
    for text in causes.values():
        yield Line(level, "plan.answered" if answered else "release.failed", text)
    yield from result.next_commands(report.called)
    yield Line(level, f"{report.command}.finished", _verdict(report))


def _verdict(report: Report) -> str:
    counts = ", ".join(f"{number} {state}" for state, number in sorted(report.result.counts.items()))
    ended = f"exit code {int(report.exit_code)}" if report.causes else "done"
    seconds = sum(report.phases.values())
    return f"{report.command} {ended} in {seconds:.1f} s" + (f": {counts}" if counts else "")
