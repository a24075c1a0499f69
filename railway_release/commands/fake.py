"""fake: record that a migration and what leads to it are applied, or with --unfake that it is not.

Each only where that is proven.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from railway_release.backup.once import Backup
from railway_release.commands.phases import locked, phase, preflight_to_write
from railway_release.engine.attempt import SchemaRunner
from railway_release.engine.cancel_token import OwnCancelToken
from railway_release.engine.choose import runner_of
from railway_release.engine.limits import sessions_with_limits
from railway_release.engine.statements import delete_records, record
from railway_release.errors import Exit, InvalidConfiguration
from railway_release.migrations.disk import Graph
from railway_release.migrations.outcome import Key, Outcome, dotted
from railway_release.migrations.plan import Planner, SchemaPlan
from railway_release.postgres.batch_reader import BatchReader
from railway_release.postgres.session import clip
from railway_release.preflight.target import Target
from railway_release.repairs import verdict
from railway_release.repairs.apply import make_table_of_records
from railway_release.repairs.proof import Prover
from railway_release.repairs.together import proof_of, records_of
from railway_release.report.report import Report
from railway_release.report.results import FakeResult
from railway_release.runtime.text import count
from railway_release.runtime.visible import visible
from railway_release.snapshot import Snapshot, reading, take_snapshot
from railway_release.topology import tenant_connection
from railway_release.verification.expectations import Expectations
from railway_release.verification.levels import levels

Judged = list[tuple[SchemaPlan, str]]  # each schema, and why its record stays as it is


def fake(target: Target, report: Report) -> None:
    """Change the record in each schema that was named, where that is proven to be right."""
    if not target.config.schema:
        raise InvalidConfiguration("fake needs to know where.", "Name each schema: --schema NAME.")
    preflight_to_write(target, report)
    with locked(target, report) as token:
        planner = Planner(gap_allowed=True)
        one = _Fake(target, report, planner, planner.resolve(*target.config.app))
        with phase(report, "proof"):
            judged = one.judge()
        one.settle(judged, token)
    result = report.result
    if left := [outcome for outcome in result.outcomes if outcome.state in ("refused", "failed")]:
        text = f"{dotted(one.key)}: left as it was in {count(len(left), 'schema')}."
        report.result = result.failing(Exit.VERIFICATION, text)


_AS_ASKED = "as it is to be"


@dataclass(frozen=True)
class _Fake:
    """One migration, whose record is to be made or taken away in some schemas."""

    target: Target
    report: Report
    planner: Planner
    key: Key

    def judge(self) -> Judged:
        """Judge each schema; those whose record stays as it is have an outcome in the report."""
        snapshot = take_snapshot(self.target, self.planner)
        judged = reading(self.target, lambda reader: list(self._judged(snapshot, reader)))
        known = {spelling for one, _ in judged for spelling in (one.schema.name, visible(one.schema.name))}
        strange = {clip(name) for name in self.target.config.schema} - known
        outcomes = (
            *(_outcome(one.schema.name, why) for one, why in judged if why),
            *(Outcome(name, "refused", message=_STRANGE) for name in sorted(strange)),
        )
        self.report.result = FakeResult(snapshot.plan.shared.schema.name, outcomes=outcomes)
        return judged

    def settle(self, judged: Judged, token: OwnCancelToken) -> None:
        """Back up, then change the record in each schema in which that is proven to be right."""
        proven = [one for one, why in judged if not why]
        backup = Backup(self.target, self.report.result.shared_schema)
        with phase(self.report, "backup") as this:
            backup.before_changing(tuple(one.schema.name for one in proven), (self.key,))
            this.idle = not backup.ran
            result, name = self.report.result, backup.name
            self.report.result = replace(result, backup=backup.result, backup_name=name)
        runner = runner_of(self.target, token)
        with phase(self.report, "records") as this, sessions_with_limits(runner.limits):
            this.idle = not proven
            for one in proven:
                token.check()
                outcomes = (*self.report.result.outcomes, self._written(one, runner))
                self.report.result = replace(self.report.result, outcomes=outcomes)

    def _judged(self, snapshot: Snapshot, reader: BatchReader) -> Iterator[tuple[SchemaPlan, str]]:
        expectations = Expectations(levels(snapshot.plan, self.planner, self.target.config))
        prover = Prover(reader, expectations, snapshot.history)
        for one in snapshot.plan.schemas:
            if one.is_chosen_by(self.target.config):
                yield one, self._why_not(one, prover)

    def _why_not(self, one: SchemaPlan, prover: Prover) -> str:
        config, graph, key = self.target.config, one.cohort.graph, self.key
        if strange := verdict.unknown(key, graph):
            return strange
        if _is_recorded(key, graph, one) is not config.unfake:
            return _AS_ASKED
        if not config.unfake:
            steps = graph.unrecorded_below([key])
            proof = proof_of(steps, one, prover, graph)
            return verdict.against_recording(steps, graph, proof, data_is_done=config.data_is_done)
        if dependent := verdict.built_on(key, graph, one.cohort.applied):
            return dependent
        proof = prover.prove(one.schema.name, graph.records_of(key))
        return verdict.against_forgetting(key, graph, proof, data_is_done=config.data_is_done)

    def _written(self, one: SchemaPlan, runner: SchemaRunner) -> Outcome:
        graph, unfake = one.cohort.graph, self.target.config.unfake
        steps = [self.key] if unfake else graph.unrecorded_below([self.key])
        keys = graph.records_of(self.key) if unfake else records_of(steps, one, graph)
        statement = (delete_records if unfake else record)(one.schema.name, keys)
        outcome = runner.run(one, partial(_send, runner, one, statement))
        if outcome.state != "migrated":
            return replace(outcome, failed_at="")
        verb = "forgot" if unfake else "recorded"
        return replace(outcome, state="repaired", repairs=tuple(f"{verb} {dotted(step)}" for step in steps))


_STRANGE = "it has no schema, or one that cannot be worked in; see verify"


def _outcome(schema: str, why: str) -> Outcome:
    return Outcome(schema, "current") if why == _AS_ASKED else Outcome(schema, "refused", message=why)


def _is_recorded(key: Key, graph: Graph, one: SchemaPlan) -> bool:
    """Whether Django counts it as applied: recorded itself, or everything that it replaces."""
    *replaced, _ = graph.records_of(key)
    return key in graph.held or bool(replaced and one.cohort.applied.issuperset(replaced))


def _send(runner: SchemaRunner, one: SchemaPlan, statement: str) -> None:
    tenant_connection().ensure_connection()
    make_table_of_records(one)
    runner.execution.send(statement)
    tenant_connection().connection.cursor().execute(statement)
