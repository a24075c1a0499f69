"""Unrecorded: pending migrations whose work is in the schema already, proven object by object."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from railway_release.config import Config
from railway_release.diagnosis import halves
from railway_release.diagnosis.scene import Scene
from railway_release.migrations.opaque import opaque
from railway_release.migrations.outcome import Key, dotted
from railway_release.migrations.plan import Planner
from railway_release.postgres.sweep import Sweep
from railway_release.repairs.proof import Proof, Prover
from railway_release.repairs.remedy import Refusal
from railway_release.survey import Survey
from railway_release.verification.levels import Levels
from railway_release.words import some

ID = halves.UNRECORDED
Found = tuple[str, tuple[Key, ...], tuple[Refusal, ...]]  # schema, to be recorded, and what is not


def find(config: Config, planner: Planner, survey: Survey, levels: Levels, sweep: Sweep) -> Iterator[Found]:
    """Each schema in which something of a pending migration is there."""
    scene = Scene(sweep.connection, survey.plan, planner, config, survey.findings)
    begun: dict[str, list[halves.Step]] = defaultdict(list)
    for one, step, _, _ in halves.begun(scene):
        begun[one.schema.name].append(step)
    prover = Prover(sweep, levels, survey.history)
    for schema, steps in begun.items():
        yield _judged(schema, steps, prover)


def apps(keys: Iterable[Key], refusals: Iterable[Refusal]) -> set[str]:
    """The apps of which something is there that was not recorded."""
    return {app for app, _ in keys} | {one.object.partition(".")[0] for one in refusals}


def _judged(schema: str, steps: Sequence[halves.Step], prover: Prover) -> Found:
    """One after the other; several together where the later ones change what the first have made."""
    proven: list[Key] = []
    waiting: list[halves.Step] = []
    proof = Proof()
    for step in steps:
        waiting.append(step)
        keys = [*proven, *(key for one in waiting for key in (*one.migration.replaces, one.key))]
        proof = prover.prove(schema, keys)
        if not proof.missing and not proof.inconsistent and not any(opaque(one.migration) for one in waiting):
            proven, waiting = keys, []
    return schema, tuple(proven), tuple(_refusal(one, proof) for one in waiting)


def _refusal(step: halves.Step, proof: Proof) -> Refusal:
    return Refusal(ID, step.name, _why(step, proof))


def _why(step: halves.Step, proof: Proof) -> str:
    if proof.inconsistent:
        return proof.inconsistent
    if proof.missing:
        return (
            f"Only a part of it is there; missing: {some(proof.missing, 3)}. Undo that part, or complete it."
        )
    operations = ", ".join(dict.fromkeys(opaque(step.migration)))
    fake = f"python run_migrations.py fake {dotted(step.key).replace('.', ' ', 1)} --data-is-done --schema …"
    return f"Its tables are there, but nobody can see what {operations} did; if that is done: {fake}"
