"""Recorded migrations that depend on unrecorded ones: which record is lacking, and how it is made."""

from __future__ import annotations

from collections.abc import Iterator

from railway_release.diagnosis import commands, half_applied
from railway_release.diagnosis.causes import Cause, cause
from railway_release.diagnosis.context import DiagnosisContext
from railway_release.migrations.disk import Graph
from railway_release.migrations.outcome import Key
from railway_release.migrations.plan import SchemaPlan
from railway_release.runtime.text import schemas_in_words, some


def causes(context: DiagnosisContext) -> Iterator[Cause]:
    """A cause for each set of schemas that lack the same records, and the same of what those would make."""
    accepted = {one.schema for one in context.found("records.inconsistent")}
    groups: dict[tuple[str, tuple[Key, ...], tuple[str, ...]], list[str]] = {}
    for one in context.schemas:
        if one.cohort.inconsistency and one.schema.name in accepted:
            key = (one.cohort.inconsistency, _to_record(context, one), _absent(context, one))
            groups.setdefault(key, []).append(one.schema.name)
    for (inconsistency, keys, absent), schemas in groups.items():
        yield _one_group(inconsistency, keys, absent, schemas)


def _one_group(
    inconsistency: str, keys: tuple[Key, ...], absent: tuple[str, ...], schemas: list[str]
) -> Cause:
    seen = f"{inconsistency}, in {schemas_in_words(schemas)}"
    if absent:
        seen += f"; what it makes is not there: {some(absent, 3)}"
        command = commands.make_and_fake(keys, schemas)
    else:
        command = commands.fake(keys, schemas) if keys else commands.verify(schemas[0])
    return cause("records.inconsistent", seen, command, schemas)


def _to_record(context: DiagnosisContext, one: SchemaPlan) -> tuple[Key, ...]:
    """The last of the lacking records: `fake` also makes those that lead to it."""
    graph = one.cohort.graph
    lacking = one.cohort.unrecorded or _begun_squashes(context.plan.graph, one.cohort.applied)
    inner = {
        key
        for other in lacking
        for key in graph.graph.forwards_plan(other)
        if key != other and key[0] == other[0]
    }
    return tuple(key for key in lacking if key not in inner)


def _begun_squashes(graph: Graph, applied: frozenset[Key]) -> tuple[Key, ...]:
    """Squashed migrations of which a part is recorded while the files of the others are gone."""
    return tuple(
        key
        for key, squash in graph.replacements.items()
        if applied & set(squash.replaces) and not applied.issuperset(squash.replaces)
    )


def _absent(context: DiagnosisContext, one: SchemaPlan) -> tuple[str, ...]:
    """What the unrecorded migrations make and the schema does not have."""
    graph = one.cohort.graph
    made = [
        made
        for key in one.cohort.unrecorded
        for made in half_applied.made_by(graph.graph.nodes[key], graph.last_state)
        if half_applied.belongs(made, one.schema)
    ]
    there = half_applied.present(context, made)
    return tuple(str(each) for each in made if (one.schema.name, each) not in there)
