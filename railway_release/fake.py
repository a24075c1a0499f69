"""fake: record that a migration is applied, or with --unfake that it is not, where that is proven."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from railway_release.backup.once import Backup
from railway_release.engines.bounds import bounded_waits
from railway_release.engines.choose import turns_of
from railway_release.engines.guard import OwnGuard
from railway_release.engines.statements import forget, record
from railway_release.engines.turn import Turns
from railway_release.errors import Exit, InvalidConfiguration
from railway_release.interrupts import Interrupts
from railway_release.log import Screen
from railway_release.migrations.outcome import Key, Outcome, dotted
from railway_release.migrations.plan import Planner, SchemaPlan
from railway_release.phases import locked, phase, preflight_to_write
from railway_release.postgres.sweep import Sweep
from railway_release.preflight.target import Target
from railway_release.repairs import verdict
from railway_release.repairs.proof import Prover
from railway_release.report import Report
from railway_release.survey import Survey, look, reading
from railway_release.topology import tenant_connection
from railway_release.verification.levels import levels
from railway_release.words import count

Judged = list[tuple[SchemaPlan, str]]  # each schema, and why its record stays as it is


def fake(target: Target, report: Report, screen: Screen, interrupts: Interrupts) -> None:
    """Fill the report with an outcome for each schema that was named."""
    if not target.config.schema:
        raise InvalidConfiguration("fake needs to know where.", "Name each schema: --schema NAME.")
    preflight_to_write(target, report, screen)
    with locked(target, report, interrupts) as watch:
        planner = Planner()
        key = planner.resolve(*target.config.app)
        with phase(report, "proof"):
            survey = look(target, planner)
            report.shared_schema = survey.plan.shared.schema.name
            judged = reading(target, lambda sweep: list(_judged(target, planner, survey, sweep, key)))
        _settle(target, report, judged, key, OwnGuard(interrupts, watch))
    refused = sum(one.state in ("refused", "failed") for one in report.outcomes)
    if refused:
        report.fail(Exit.VERIFICATION, f"{dotted(key)}: left as it was in {count(refused, 'schema')}.")


def _judged(
    target: Target, planner: Planner, survey: Survey, sweep: Sweep, key: Key
) -> Iterator[tuple[SchemaPlan, str]]:
    config = target.config
    prover = Prover(sweep, levels(survey.plan, planner, config), survey.history)
    for one in survey.plan.schemas:
        if one.within(config):
            yield one, _why_not(target, planner, prover, one, key)


def _why_not(target: Target, planner: Planner, prover: Prover, one: SchemaPlan, key: Key) -> str:
    config, graph = target.config, planner.graph_of(one.cohort)
    if strange := verdict.unknown(key, graph):
        return strange
    if (key in one.cohort.applied) is not config.unfake:
        return _AS_ASKED
    if config.unfake and (dependent := verdict.built_on(key, graph, one.cohort.applied)):
        return dependent
    proof = prover.prove(one.schema.name, [key])
    if config.unfake:
        return verdict.against_forgetting(key, graph, proof, data_is_done=config.data_is_done)
    return verdict.against_recording(key, graph, proof, data_is_done=config.data_is_done)


_AS_ASKED = "as it is to be"


def _settle(target: Target, report: Report, judged: Judged, key: Key, guard: OwnGuard) -> None:
    """What is proven is written, after the backup; the rest is said."""
    report.outcomes = tuple(
        Outcome(one.schema.name, "current")
        if why == _AS_ASKED
        else Outcome(one.schema.name, "refused", message=why)
        for one, why in judged
        if why
    )
    proven = [one for one, why in judged if not why]
    backup = Backup(target, guard.interrupts)
    with phase(report, "backup"):
        backup.before_changing(tuple(one.schema.name for one in proven), (key,))
        report.backup = backup.result
    turns = turns_of(target, guard)
    with phase(report, "records"), bounded_waits(turns.terms):
        for one in proven:
            guard.check()
            report.outcomes += (_write(turns, one, key, unfake=target.config.unfake),)


def _write(turns: Turns, one: SchemaPlan, key: Key, *, unfake: bool) -> Outcome:
    name = one.schema.name
    statement, words = (forget(name, key), "forgot") if unfake else (record(name, [key]), "recorded")
    outcome = turns.take(one, partial(_send, turns, statement))
    if outcome.state != "migrated":
        return replace(outcome, failed_at="")
    return replace(outcome, state="repaired", repairs=(f"{words} {dotted(key)}",))


def _send(turns: Turns, statement: str) -> None:
    tenant_connection().ensure_connection()
    turns.hand.send(statement)
    tenant_connection().connection.cursor().execute(statement)
