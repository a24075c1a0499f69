"""fake: record that a migration is applied, or with --unfake that it is not, where that is proven."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from railway_release.backup.once import Backup
from railway_release.commands.phases import locked, phase, preflight_to_write
from railway_release.engine.bounds import bounded_waits
from railway_release.engine.choose import turns_of
from railway_release.engine.guard import OwnGuard
from railway_release.engine.statements import forget, record
from railway_release.engine.turn import Turns
from railway_release.errors import Exit, InvalidConfiguration
from railway_release.migrations.disk import Graph
from railway_release.migrations.outcome import Key, Outcome, dotted
from railway_release.migrations.plan import Planner, SchemaPlan
from railway_release.postgres.session import clip
from railway_release.postgres.sweep import Sweep
from railway_release.preflight.target import Target
from railway_release.repairs import verdict
from railway_release.repairs.proof import Prover
from railway_release.report.report import Report
from railway_release.runtime.log import Screen
from railway_release.runtime.signals import Interrupts
from railway_release.runtime.text import count
from railway_release.runtime.visible import visible
from railway_release.snapshot import Survey, look, reading
from railway_release.topology import tenant_connection
from railway_release.verification.levels import levels

Judged = list[tuple[SchemaPlan, str]]  # each schema, and why its record stays as it is


def fake(target: Target, report: Report, screen: Screen, interrupts: Interrupts) -> None:
    """Fill the report with an outcome for each schema that was named."""
    if not target.config.schema:
        raise InvalidConfiguration("fake needs to know where.", "Name each schema: --schema NAME.")
    preflight_to_write(target, report, screen)
    with locked(target, report, interrupts) as watch:
        planner = Planner()
        one = _Fake(target, report, planner, planner.resolve(*target.config.app))
        with phase(report, "proof"):
            judged = one.judge()
        one.settle(judged, OwnGuard(interrupts, watch))
    if left := [outcome for outcome in report.outcomes if outcome.state in ("refused", "failed")]:
        text = f"{dotted(one.key)}: left as it was in {count(len(left), 'schema')}."
        report.fail(Exit.VERIFICATION, text)


_AS_ASKED = "as it is to be"


@dataclass(frozen=True)
class _Fake:
    """One migration, to be recorded or forgotten in some schemas."""

    target: Target
    report: Report
    planner: Planner
    key: Key

    def judge(self) -> Judged:
        """Whether it is proven, schema by schema; the others have their outcomes."""
        survey = look(self.target, self.planner)
        self.report.shared_schema = survey.plan.shared.schema.name
        judged = reading(self.target, lambda sweep: list(self._judged(survey, sweep)))
        known = {spelling for one, _ in judged for spelling in (one.schema.name, visible(one.schema.name))}
        strange = {clip(name) for name in self.target.config.schema} - known
        self.report.outcomes = (
            *(_outcome(one.schema.name, why) for one, why in judged if why),
            *(Outcome(name, "refused", message=_STRANGE) for name in sorted(strange)),
        )
        return judged

    def settle(self, judged: Judged, guard: OwnGuard) -> None:
        """What is proven is written, after the backup."""
        proven = [one for one, why in judged if not why]
        backup = Backup(self.target, guard.interrupts)
        with phase(self.report, "backup"):
            backup.before_changing(tuple(one.schema.name for one in proven), (self.key,))
            self.report.backup = backup.result
        turns = turns_of(self.target, guard)
        with phase(self.report, "records"), bounded_waits(turns.terms):
            for one in proven:
                guard.check()
                self.report.outcomes += (self._written(one, turns),)

    def _judged(self, survey: Survey, sweep: Sweep) -> Iterator[tuple[SchemaPlan, str]]:
        prover = Prover(sweep, levels(survey.plan, self.planner, self.target.config), survey.history)
        for one in survey.plan.schemas:
            if one.within(self.target.config):
                yield one, self._why_not(one, prover)

    def _why_not(self, one: SchemaPlan, prover: Prover) -> str:
        config, graph, key = self.target.config, self.planner.graph_of(one.cohort), self.key
        if strange := verdict.unknown(key, graph):
            return strange
        if _is_recorded(key, graph, one) is not config.unfake:
            return _AS_ASKED
        if config.unfake and (dependent := verdict.built_on(key, graph, one.cohort.applied)):
            return dependent
        proof = prover.prove(one.schema.name, graph.records_of(key))
        judge = verdict.against_forgetting if config.unfake else verdict.against_recording
        return judge(key, graph, proof, data_is_done=config.data_is_done)

    def _written(self, one: SchemaPlan, turns: Turns) -> Outcome:
        verb = "forgot" if self.target.config.unfake else "recorded"
        outcome = turns.take(one, partial(_send, turns, self._statement(one)))
        if outcome.state != "migrated":
            return replace(outcome, failed_at="")
        return replace(outcome, state="repaired", repairs=(f"{verb} {dotted(self.key)}",))

    def _statement(self, one: SchemaPlan) -> str:
        keys = self.planner.graph_of(one.cohort).records_of(self.key)
        if self.target.config.unfake:
            return forget(one.schema.name, keys)
        return record(one.schema.name, [key for key in keys if key not in one.cohort.applied])


_STRANGE = "it has no schema, or its records cannot be read; see verify"


def _outcome(schema: str, why: str) -> Outcome:
    return Outcome(schema, "current") if why == _AS_ASKED else Outcome(schema, "refused", message=why)


def _is_recorded(key: Key, graph: Graph, one: SchemaPlan) -> bool:
    """As Django counts; a squash, too, of which all that it replaces is recorded."""
    *replaced, _ = graph.records_of(key)
    return key in graph.held or bool(replaced and one.cohort.applied.issuperset(replaced))


def _send(turns: Turns, statement: str) -> None:
    tenant_connection().ensure_connection()
    turns.hand.send(statement)
    tenant_connection().connection.cursor().execute(statement)
