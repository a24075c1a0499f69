"""doctor: what is wrong, why, and what fixes it; or what the text of an error means. It writes nothing."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from railway_release.commands.inspect import pending_of
from railway_release.commands.phases import phase, preflight
from railway_release.diagnosis import (
    causes,
    conflicting_rows,
    deletion,
    early,
    extensions,
    files,
    gaps,
    ghosts,
    half_applied,
    leftovers,
    pipe,
    schemas,
    sequences,
    server,
    settings,
    subjects,
)
from railway_release.diagnosis.advice import NEVER_RAN, Obstacles, advisable
from railway_release.diagnosis.causes import Cause, Severity, cause
from railway_release.diagnosis.context import DiagnosisContext
from railway_release.diagnosis.errortext import from_a_deletion, may_name, missing_in, named_in
from railway_release.diagnosis.explain import explain
from railway_release.diagnosis.explanation import Explanation
from railway_release.errors import (
    DatabaseLost,
    KeysUnreachable,
    NothingToExplain,
    PoolerFound,
    PreflightError,
    ReleaseError,
    ServerReadOnly,
    SettingsFailed,
)
from railway_release.migrations.plan import Planner
from railway_release.preflight import checks, database, references
from railway_release.preflight.read_pool import prepare
from railway_release.preflight.target import Target
from railway_release.repairs import foresight
from railway_release.repairs.foresight import foreseen
from railway_release.report.report import Report
from railway_release.report.results import DoctorResult
from railway_release.runtime.log import get_logger
from railway_release.runtime.plain import plain_traceback
from railway_release.runtime.text import some
from railway_release.runtime.waiting import told
from railway_release.snapshot import Snapshot, take_snapshot
from railway_release.topology import tenant_connection
from railway_release.verification import blocking
from railway_release.verification.findings import GHOST, INCONSISTENT, MASKED

_STDIN = 0
_MOST_ERRORS = 20  # of one log; a person reads no more


def doctor(target: Target, report: Report) -> None:
    """Diagnose the project and its schemas, or explain the errors in a text."""
    _explain(target, report) if target.config.explain else _examine(target, report)


def _examine(target: Target, report: Report) -> None:
    """Diagnose area by area; an error that ends this is reported as a cause itself."""
    found, result = {"working tree": tuple(files.causes(target.project.folder))}, DoctorResult()
    with _ending_in_a_cause(found, report):
        preflight(target, report)
        found["server"] = _of_the_server(target)
        refused, found["release"] = _of_the_release(target)
        with _context(target, report) as (context, snapshot):
            result = _seen(context)
            found |= _of_the_database(context, refused=refused)
            found["settings"] = tuple(settings.causes(keys=()))  # those are told with what fails
        plans = foresight.plans_of(itertools.chain(*found.values()), target, snapshot)
        found = {area: tuple(foreseen(one, plans) for one in ones) for area, ones in found.items()}
    if "settings" not in found and settings.are_loaded():
        found["settings"] = tuple(settings.causes())
    report.result = replace(
        result,
        areas={area: _in_words(ones) for area, ones in found.items()},
        shows_all=target.config.all,
        diagnosis=causes.ranked(one for ones in found.values() for one in ones),
    ).judged()


def _seen(context: DiagnosisContext) -> DoctorResult:
    pending = pending_of(context.plan, context.config)
    held_up = blocking.held_up(context.plan, context.findings)
    return DoctorResult(context.plan.shared.schema.name, pending, held_up=held_up, findings=context.findings)


@contextlib.contextmanager
def _ending_in_a_cause(found: dict[str, tuple[Cause, ...]], report: Report) -> Iterator[None]:
    try:
        yield
    except (PreflightError, SettingsFailed, DatabaseLost) as error:
        found["database"] = (early.ended(error),)
        report.error_id = error.id
    except ReleaseError:
        raise  # the command itself was wrong
    except Exception as error:  # noqa: BLE001 - a privilege may be missing anywhere, and that is an answer
        get_logger().debug("doctor.ended", message=plain_traceback(error))
        found["database"] = (early.failed(error),)


def _of_the_server(target: Target) -> tuple[Cause, ...]:
    return target.read_pool.read(lambda connection: tuple(server.causes(connection, target)))


def _of_the_release(target: Target) -> tuple[bool, tuple[Cause, ...]]:
    """Whether a release would end before its first write, and why; a pooler is told with the server."""
    _let_django_only_read()
    try:
        checks.check_writable(target)
    except PoolerFound:
        return False, ()  # the connection is to be changed first, and a release then helps
    except KeysUnreachable:
        keys = [one for one in references.unreachable() if one.home.role == "shared"]
        unmade = target.read_pool.read(lambda connection: references.unmade(connection, keys))
        return True, tuple(settings.unreachable_keys(unmade))
    except PreflightError as error:
        # Who looks through a standby knows that it is one.
        severity: Severity = "warning" if isinstance(error, ServerReadOnly) else "error"
        seen = f"{error.id}: {error.message}"
        return True, (cause("release.refused", seen, error.hint, severity=severity),)
    return False, ()


def _let_django_only_read() -> None:
    """The project's own system checks run on Django's connection, and a diagnosis never writes."""
    tenant_connection().ensure_connection()
    prepare(tenant_connection().connection)


def _of_the_database(context: DiagnosisContext, *, refused: bool) -> dict[str, tuple[Cause, ...]]:
    """The causes that were found, by the name of the area."""
    areas: dict[str, Iterable[Cause]] = {
        "migrations": _of_migrations(context, refused=refused),
        "tables": itertools.chain(extensions.causes(context), ghosts.causes(context)),
        "shared schema": _of_the_shared_schema(context),
        "tenants and records": itertools.chain(
            gaps.causes(context), schemas.of_findings(context, but=(GHOST, MASKED, INCONSISTENT))
        ),
    }
    if context.config.sequences:
        areas["sequences"] = sequences.causes(context)
    return {area: tuple(found) for area, found in areas.items()}


def _of_migrations(context: DiagnosisContext, *, refused: bool) -> Iterator[Cause]:
    """Where migrations fail, and where a release would help; nowhere if it is refused."""
    failing = (*half_applied.causes(context), *_failing(context))
    yield from failing
    every = {one.schema.name for one in context.schemas}
    names = every if refused else {name for one in causes.errors(failing) for name in one.schemas}
    yield from schemas.never_ran(context, names)


def _failing(context: DiagnosisContext) -> tuple[Cause, ...]:
    """Why pending migrations fail in some tenants."""
    keys = [one for one in references.unreachable() if one.home.role != "shared"]
    yet_to_make = references.unmade(context.connection, keys)
    rows = conflicting_rows.causes(conflicting_rows.find(context))
    return (*settings.unreachable_keys(yet_to_make, context), *rows)


def _of_the_shared_schema(context: DiagnosisContext) -> Iterator[Cause]:
    yield from leftovers.causes(context, {one.object for one in context.found(MASKED)})
    yield from deletion.causes(context)
    yield from deletion.locks(context)


def _in_words(found: Sequence[Cause]) -> str:
    """What is wrong in an area; what is only worth knowing is told elsewhere."""
    return some([one.id for one in found if one.severity != "info"]) or "fine"


def _explain(target: Target, report: Report) -> None:
    text = _read() if target.config.explain == "-" else target.config.explain
    errors = missing_in(text)
    if not errors and not may_name(text):
        raise _nothing_to_explain()
    preflight(target, report)
    # In another language than English, only the names of tables are understood.
    errors = errors or named_in(text, subjects.all_tables())
    if not errors:
        raise _nothing_to_explain()
    if left_out := errors[_MOST_ERRORS:]:
        message = (
            f"the first {_MOST_ERRORS} errors are explained; left out: {some([str(e) for e in left_out])}"
        )
        get_logger().warning("errors.left_out", message=message)
    with _context(target, report) as (context, snapshot):
        answers = explain(errors[:_MOST_ERRORS], context, deleting=from_a_deletion(text))
        if any(one.id == NEVER_RAN for answer in answers for one in answer.causes):
            failing = causes.errors((*half_applied.causes(context), *_failing(context)))
            obstacles = Obstacles(*_of_the_release(target), tuple(failing))
            answers = [_advisable(answer, obstacles) for answer in answers]
    plans = foresight.plans_of((one for answer in answers for one in answer.causes), target, snapshot)
    answers = [replace(one, causes=tuple(foreseen(each, plans) for each in one.causes)) for one in answers]
    report.result = replace(_seen(context), explanations=tuple(answers)).judged()


def _advisable(answer: Explanation, obstacles: Obstacles) -> Explanation:
    return replace(answer, causes=tuple(advisable(answer.causes, obstacles)))


def _nothing_to_explain() -> NothingToExplain:
    return NothingToExplain(
        "The text names no table and no column that does not exist.",
        'Give the line with: relation "..." does not exist. Without --explain, everything is looked at.',
    )


def _read() -> str:
    if os.isatty(_STDIN):
        get_logger().info("text.awaited", message="paste the error, then press Ctrl-D on a line of its own")
    with told("waiting for text on standard input"):
        return pipe.read(_STDIN, missing_in)


@contextlib.contextmanager
def _context(target: Target, report: Report) -> Iterator[tuple[DiagnosisContext, Snapshot]]:
    """Take a snapshot of everything; while entered, a connection is open for what causes read beyond it."""
    with phase(report, "plan"):
        planner = Planner()
        snapshot = take_snapshot(target, planner, depth="everything")
    with (
        phase(report, "doctor"),
        database.read_only(target.connector("doctor", own_session=False)) as connection,
        told("the causes are being looked for"),
    ):
        yield DiagnosisContext(connection, snapshot.plan, target.config, snapshot.findings), snapshot
