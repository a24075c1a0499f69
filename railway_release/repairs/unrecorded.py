"""Unrecorded migrations: pending ones whose work is in the schema already, proven object by object."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from railway_release.config.config import Config
from railway_release.diagnosis import half_applied
from railway_release.diagnosis.context import DiagnosisContext
from railway_release.migrations.disk import Graph
from railway_release.migrations.operations import opaque
from railway_release.migrations.outcome import Key, dotted
from railway_release.migrations.plan import Planner, SchemaPlan
from railway_release.postgres.batch_reader import BatchReader
from railway_release.repairs.proof import Proof, Prover
from railway_release.repairs.repair_plan import Refusal
from railway_release.runtime.program import PROGRAM
from railway_release.runtime.text import some
from railway_release.snapshot import Snapshot
from railway_release.verification.levels import Levels

ID = half_applied.UNRECORDED
Found = tuple[str, tuple[Key, ...], tuple[Refusal, ...]]  # schema, migrations to record, and those refused


def find(
    config: Config, planner: Planner, snapshot: Snapshot, levels: Levels, reader: BatchReader
) -> Iterator[Found]:
    """Each schema that has something of a pending migration."""
    context = DiagnosisContext(reader.connection, snapshot.plan, planner, config, snapshot.findings)
    begun: dict[SchemaPlan, list[Key]] = defaultdict(list)
    for one, step, _, _ in half_applied.begun(context):
        begun[one].append(step.key)
    prover = Prover(reader, levels, snapshot.history)
    for one, keys in begun.items():
        yield _proven(one, keys, prover, planner.graph_of(one.cohort))


def apps(keys: Iterable[Key], refusals: Iterable[Refusal]) -> set[str]:
    """The apps of these migrations."""
    return {app for app, _ in keys} | {one.object.partition(".")[0] for one in refusals}


def _proven(one: SchemaPlan, begun: Iterable[Key], prover: Prover, graph: Graph) -> Found:
    """Prove each with all that it depends on: later ones may have changed what the first have created."""
    proven: dict[Key, None] = {}
    refused: dict[Key, str] = {}
    for key in begun:
        steps = [step for step in graph.graph.forwards_plan(key) if step in one.cohort.steps]
        keys = proven | dict.fromkeys(record for step in steps for record in graph.records_of(step))
        if why := _why_not(steps, graph, prover.prove(one.schema.name, [*keys])):
            refused[key] = why
        else:
            proven = keys
    refusals = (Refusal(ID, dotted(key), why) for key, why in refused.items() if key not in proven)
    return one.schema.name, tuple(proven), tuple(refusals)


def _why_not(steps: Iterable[Key], graph: Graph, proof: Proof) -> str:
    if proof.inconsistent:
        return proof.inconsistent
    if proof.missing:
        found = some(proof.missing, 3)
        return f"Only a part of it is there; missing: {found}. Undo that part, or complete it."
    for key in steps:
        if operations := opaque(graph.graph.nodes[key]):
            return _unseen(key, ", ".join(dict.fromkeys(operations)))
    return ""


def _unseen(key: Key, operations: str) -> str:
    fake = f"{PROGRAM} fake {key[0]} {key[1]} --data-is-done --schema …"
    return f"Its tables are there, but nobody can see what {operations} did; if that is done: {fake}"
