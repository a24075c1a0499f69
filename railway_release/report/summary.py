"""The end of every command in words: counts, then the names of what is not fine, then what to type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from railway_release.errors import Exit
from railway_release.migrations.outcome import Outcome, in_words
from railway_release.report import diagnosis as words
from railway_release.report import status as status_words
from railway_release.report.line import Level, Line
from railway_release.report.repairs import remedy_lines
from railway_release.report.report import Report
from railway_release.runtime.text import schema_flag, some
from railway_release.runtime.text import schemas_in_words as _schemas
from railway_release.verification.findings import Finding

# Output has to stay readable at ten thousand tenants; the report file names all.
_NAMES = 5
_SCRIPT = "python run_migrations.py"
_TOLD = ("failed", "refused", "not reached")


def lines(report: Report) -> Iterator[Line]:
    """The whole summary, most important last, where a reader's eye is."""
    if report.command == "doctor":
        yield from _diagnosis(report)
    else:
        yield from _pending(report)
        if report.status:
            yield from status_words.lines(report.status, each_schema=report.each_schema)
        if report.command == "repair":
            yield from remedy_lines(report.remedies, done=bool(report.outcomes))
        if report.command != "repair" or report.outcomes:
            yield from _findings(report.findings)
    yield from _repaired(report.outcomes)
    # The reasons of a repair's refusals were told with its remedies.
    yield from _outcomes(one for one in report.outcomes if not (report.remedies and one.state == "refused"))
    yield from _result(report)


def _diagnosis(report: Report) -> Iterator[Line]:
    """Causes stand for the pending migrations and findings that they were derived from."""
    yield from words.area_lines(report.areas)
    yield from words.cause_lines(report.diagnosis)
    yield from words.explanation_lines(report.explanations)


def _pending(report: Report) -> Iterator[Line]:
    if report.command in ("release", "status") or report.outcomes:
        return
    levels: dict[str, Level] = {"plan": "info", "repair": "info", "verify": "warning"}
    for group in report.pending:
        level = levels.get(report.command, "error")
        text = f"{_schemas(group.schemas)}: {len(group.migrations)} pending ({in_words(group.migrations)})"
        yield Line(level, "migrations.pending", text)


def _findings(findings: Iterable[Finding]) -> Iterator[Line]:
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for one in findings:
        key = (one.id, one.severity, one.object, one.found, one.expected, one.known, one.reason)
        groups.setdefault(key, []).append(one)
    for group in groups.values():
        one = group[0]
        level: Level = {"error": "error", "warning": "warning"}.get(one.severity, "info")  # type: ignore[assignment]
        subject = "" if one.object == "schema" else f" {one.object}"
        schemas = _schemas([each.schema for each in group])
        yield Line(level, "finding.reported", f"{one.id}{subject} in {schemas}{_noted(one)}. {one.hint}")


def _noted(one: Finding) -> str:
    noted = " (known before this release)" if one.known and one.severity == "error" else ""
    if one.reason:
        noted += f" (accepted: {one.reason})" if one.severity == "accepted" else f" ({one.reason})"
    words = [f"{one.expected} expected" if one.expected else ""]
    words += [f"{one.found} found" if one.found and one.expected else one.found]
    told = ", ".join(filter(None, words))
    return noted + (f": {told}" if told else "")


def _repaired(outcomes: Iterable[Outcome]) -> Iterator[Line]:
    groups: dict[tuple[str, ...], list[str]] = {}
    for one in outcomes:
        if one.repairs:
            groups.setdefault(one.repairs, []).append(one.schema)
    for repairs, names in groups.items():
        yield Line("info", "schemas.repaired", f"{_schemas(names)}: {some(repairs)}")


def _outcomes(outcomes: Iterable[Outcome]) -> Iterator[Line]:
    groups: dict[tuple[str, str, str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.state in _TOLD or (outcome.state == "skipped" and outcome.message):
            key = (outcome.state, outcome.failed_at, outcome.message, outcome.statement, outcome.hint)
            groups.setdefault(key, []).append(outcome)
    for (state, failed_at, message, statement, hint), group in groups.items():
        at = f" at {failed_at}" if failed_at else ""
        in_full = f"{message} (in: {statement})" if statement else message
        parts = [f"{_schemas([o.schema for o in group])} {state}{at}", in_full, hint]
        level: Level = "error" if state == "failed" else "warning"
        yield Line(level, f"schemas.{state.replace(' ', '_')}", ": ".join(part for part in parts if part))


def _result(report: Report) -> Iterator[Line]:
    counts = ", ".join(f"{n} {state}" for state, n in sorted(report.counts.items()))
    seconds = sum(report.phases.values())
    # What a plan is asked for is its answer, not its failure.
    answered = report.command in ("plan", "repair") and set(report.causes) == {Exit.PENDING}
    level: Level = "error" if report.causes and not answered else "info"
    for text in report.causes.values():
        yield Line(level, "plan.answered" if answered else "release.failed", text)
    yield from _next_command(report)
    verdict = f"exit code {int(report.exit_code)}" if report.causes else "done"
    text = f"{report.command} {verdict} in {seconds:.1f} s" + (f": {counts}" if counts else "")
    yield Line(level, f"{report.command}.finished", text)


def _next_command(report: Report) -> Iterator[Line]:
    if again := _again(report):
        yield Line("info", "release.hinted", f"Run again with: {again}")
    if report.command == "repair" and Exit.PENDING in report.causes:
        words = (_SCRIPT, *report.words, *map(schema_flag, report.schemas_asked_for), "--apply")
        yield Line("info", "repair.hinted", f"To do it: {' '.join(words)}")
    obstructed = report.status is not None and report.status.obstacle
    if report.command not in ("release", "repair") and report.pending and not obstructed:
        yield Line("info", "release.hinted", f"To migrate: {_SCRIPT}")
    if report.command not in ("doctor", "repair") and report.errors:
        yield Line("info", "doctor.hinted", f"Why, and what mends it: {_SCRIPT} doctor")


def _again(report: Report) -> str:
    """The command for what was not migrated, or nothing."""
    unwell = [o.schema for o in report.outcomes if o.state in ("failed", "not reached")]
    if not unwell:
        return ""
    # The same flags as before: a target stays a target, a backup a backup.
    started = any(outcome.attempts or outcome.state == "failed" for outcome in report.outcomes)
    nameable = started and len(unwell) <= _NAMES and "--shared-only" not in report.words
    schemas = unwell if nameable else report.schemas_asked_for
    return " ".join([_SCRIPT, *report.words, *map(schema_flag, schemas)])
