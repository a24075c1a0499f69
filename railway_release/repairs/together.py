"""Proving migrations without a record together, since later ones change what the first have made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from railway_release.migrations.disk import Graph
from railway_release.migrations.outcome import Key
from railway_release.migrations.plan import SchemaPlan
from railway_release.repairs.proof import Lack, Proof, Prover


@dataclass(frozen=True)
class Holding:
    """The migrations whose work is there, in order, and what was missing of each of the others."""

    steps: tuple[Key, ...]
    given_up: Mapping[Key, tuple[Lack, ...]] = field(default_factory=dict)  # in the tables of its app
    inconsistent: str = ""  # why none of them can be recorded


def holding(wanted: Collection[Key], one: SchemaPlan, prover: Prover, graph: Graph) -> Holding:
    """All unrecorded migrations of these apps, with those below them, as far as their work is there.

    They are proven at their end, then at each point before it: the apps with something missing give up their
    last migration, until nothing is missing.
    """
    labels = {app for app, _ in wanted}
    unrecorded = _unrecorded(one, graph)
    below = {key for step in unrecorded if step[0] in labels for key in graph.graph.forwards_plan(step)}
    steps = [step for step in unrecorded if step in below]
    given_up: dict[Key, tuple[Lack, ...]] = {}
    while steps:
        proof = _prove(steps, one, prover, graph)
        if proof.inconsistent:
            return Holding((), given_up, proof.inconsistent)
        if not proof.lacking:
            break
        dropped = _last_of(proof.apps, steps, graph)
        given_up |= {key: proof.missing_in(key[0]) for key in steps if key in dropped}
        steps = [key for key in steps if key not in dropped]
    return Holding(_traced(steps, wanted, one, prover, graph), given_up)


def _traced(
    steps: Sequence[Key], wanted: Collection[Key], one: SchemaPlan, prover: Prover, graph: Graph
) -> tuple[Key, ...]:
    """Without the last ones that were not asked for and have left no trace: nobody knows whether they ran."""
    kept = {key for step in steps if step in wanted for key in graph.graph.forwards_plan(step)}
    for step in reversed(steps):
        if step not in kept:
            fewer = [key for key in steps if key not in graph.graph.backwards_plan(step)]
            steps = steps if _prove(fewer, one, prover, graph).lacking else fewer
    return tuple(steps)


def proof_of(steps: Sequence[Key], one: SchemaPlan, prover: Prover, graph: Graph) -> Proof:
    """The proof of these migrations; complete as well where later ones have changed what they make."""
    proof = _prove(steps, one, prover, graph)
    if proof.lacking and set(steps) <= set(holding(steps, one, prover, graph).steps):
        return Proof(there=proof.there)
    return proof


def records_of(steps: Iterable[Key], one: SchemaPlan, graph: Graph) -> tuple[Key, ...]:
    """The records that the schema lacks of these migrations."""
    records = (key for step in steps for key in graph.records_of(step))
    return tuple(key for key in records if key not in one.cohort.applied)


def _unrecorded(one: SchemaPlan, graph: Graph) -> Sequence[Key]:
    """What is pending; where the records have a gap, that is not worked out."""
    return one.cohort.steps or graph.unrecorded_below(graph.in_order())


def _prove(steps: Iterable[Key], one: SchemaPlan, prover: Prover, graph: Graph) -> Proof:
    return prover.prove(one.schema.name, records_of(steps, one, graph))


def _last_of(apps: Collection[str], steps: Sequence[Key], graph: Graph) -> set[Key]:
    """The last steps of these apps, or of all if these have none, and what is built on them."""
    last = [*dict(steps).items()]  # of each app, since a key is a pair
    named = [key for key in last if key[0] in apps] or last
    return {other for key in named for other in graph.graph.backwards_plan(key)}
