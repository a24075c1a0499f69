"""Recorded migrations that depend on unrecorded ones: which record is lacking, and how it is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from railway_release.diagnosis import commands, half_applied
from railway_release.diagnosis.causes import Cause, cause
from railway_release.diagnosis.context import DiagnosisContext
from railway_release.migrations.disk import Graph
from railway_release.migrations.operations import opaque
from railway_release.migrations.outcome import Key
from railway_release.migrations.plan import SchemaPlan
from railway_release.runtime.text import schemas_in_words, some

_MOST_GROUPS = 5


def causes(context: DiagnosisContext) -> Iterator[Cause]:
    """A cause for each set of schemas that lack the same records, and the same of what those would make."""
    accepted = {one.schema for one in context.found("records.inconsistent")}
    groups: dict[Gap, list[str]] = {}
    for one in context.schemas:
        if one.cohort.inconsistency and one.schema.name in accepted:
            groups.setdefault(_gap(context, one), []).append(one.schema.name)
    largest = sorted(groups, key=lambda gap: -len(groups[gap]))
    for gap in largest[:_MOST_GROUPS]:
        yield _one_group(gap, groups[gap], context.plan.shared.schema.name)
    if rest := [name for gap in largest[_MOST_GROUPS:] for name in groups[gap]]:
        seen = f"other records are lacking in {schemas_in_words(rest)}"
        yield cause("records.inconsistent", seen, commands.repair(rest), rest)


@dataclass(frozen=True)
class Gap:
    """What is lacking in the records of some schemas."""

    inconsistency: str  # in words
    keys: tuple[Key, ...]  # what `fake` is to be given
    absent: tuple[str, ...]  # what these make, and is not there
    hidden: tuple[Key, ...]  # of these and what leads to them, those whose work nobody can see


def _gap(context: DiagnosisContext, one: SchemaPlan) -> Gap:
    graph, keys = one.cohort.graph, _to_record(context, one)
    hidden = tuple(step for step in graph.unrecorded_below(keys) if opaque(graph.graph.nodes[step]))
    return Gap(one.cohort.inconsistency, keys, _absent(context, one), hidden)


def _one_group(gap: Gap, schemas: list[str], shared: str) -> Cause:
    seen = f"{gap.inconsistency}, in {schemas_in_words(schemas)}"
    if gap.absent:
        seen += f"; what it makes is not there: {some(gap.absent, 3)}"
        command = commands.make_and_fake(gap.keys, schemas, shared, data_is_done=bool(gap.hidden))
    elif gap.hidden:
        command = commands.fake_if_done(gap.keys, schemas, gap.hidden)
    else:
        command = commands.fake(gap.keys, schemas) if gap.keys else commands.verify(schemas[0])
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
