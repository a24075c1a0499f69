"""Unrecorded migrations whose work is in the schema already, proven object by object.

They are pending, or a gap in the records: others that are built on them are recorded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from railway_release.config.config import Config
from railway_release.diagnosis import choices, commands, half_applied
from railway_release.diagnosis.choices import Choice
from railway_release.diagnosis.context import DiagnosisContext
from railway_release.migrations.disk import Graph
from railway_release.migrations.operations import opaque
from railway_release.migrations.outcome import Key, dotted, in_words
from railway_release.migrations.plan import SchemaPlan
from railway_release.postgres.batch_reader import BatchReader
from railway_release.repairs import statements
from railway_release.repairs.proof import Lack, Prover
from railway_release.repairs.repair_plan import Refusal
from railway_release.repairs.together import Holding, holding, records_of
from railway_release.runtime.program import PROGRAM
from railway_release.runtime.text import some
from railway_release.snapshot import Snapshot
from railway_release.topology import search_path, tenant_connection
from railway_release.verification.expectations import Expectations
from railway_release.verification.findings import CHANGE_EARLY, INCONSISTENT

ID = half_applied.UNRECORDED
IDS = frozenset(
    {ID, half_applied.HALF_APPLIED, INCONSISTENT, CHANGE_EARLY}
)  # of the findings that are repaired here
Found = tuple[str, tuple[Key, ...], tuple[Refusal, ...]]  # schema, migrations to record, and those refused


def find(
    config: Config, snapshot: Snapshot, expectations: Expectations, reader: BatchReader
) -> Iterator[Found]:
    """Each schema that has something of a pending migration, or a gap in its records."""
    context = DiagnosisContext(reader.connection, snapshot.plan, config, snapshot.findings)
    begun: dict[SchemaPlan, list[Key]] = defaultdict(list)
    for one, step, _, _ in half_applied.begun(context):
        begun[one].append(step.key)
    prover = Prover(reader, expectations, snapshot.history)
    shared = snapshot.plan.shared
    # A gap in the shared schema's records comes first: nobody knows all the tables that others point to.
    first = [shared] if shared.cohort.inconsistency else snapshot.plan.schemas
    for one in first:
        if one.cohort.inconsistency and one.is_chosen_by(config):
            yield _gap(one, prover, one.cohort.graph)
    early: dict[str, set[str]] = defaultdict(set)  # the apps with something that a pending migration changes
    for finding in snapshot.findings:
        if finding.id == CHANGE_EARLY:
            early[finding.schema].add(finding.app)
    for one in snapshot.plan.schemas if not shared.cohort.inconsistency else ():
        keys, changed = begun.get(one, []), early.get(one.schema.name, set())
        if keys or changed:
            more = _that_changed(changed, one, prover, one.cohort.graph)
            yield _pending(one, keys, [*more], prover, one.cohort.graph)


def apps(keys: Iterable[Key], refusals: Iterable[Refusal]) -> set[str]:
    """The apps of these migrations."""
    return {app for app, _ in keys} | {one.object.partition(".")[0] for one in refusals}


def _gap(one: SchemaPlan, prover: Prover, graph: Graph) -> Found:
    """What is missing below what is recorded: all of it, since no part makes the records consistent."""
    gap = graph.unrecorded_below(one.cohort.applied)
    found = holding(gap, one, prover, graph)
    left, hidden = [key for key in gap if key not in found.steps], _hidden(gap, graph)
    why, ways = found.inconsistent, tuple[Choice, ...]()
    if left and not why:
        missing = _least(left, found.given_up)[1]
        why, ways = _incomplete(missing), tuple(_completing(missing))
    elif hidden:
        why, ways = _unseen(hidden, gap[-1], graph), tuple(_about_unseen(gap[-1]))
    if gap and not why:
        return one.schema.name, _to_record(found, one, graph), ()
    text = f"{one.cohort.inconsistency}. {why}" if why != one.cohort.inconsistency else f"{why}."
    return one.schema.name, (), (Refusal(INCONSISTENT, "django_migrations", text.strip(), ways),)


def _that_changed(apps: Collection[str], one: SchemaPlan, prover: Prover, graph: Graph) -> Iterator[Key]:
    """The pending migrations of these apps of which something is there, if those before them have run."""
    before, there = [], 0
    for key in one.cohort.steps if apps else ():
        before.append(key)
        now = len(prover.prove(one.schema.name, records_of(before, one, graph)).there)
        if now > there and key[0] in apps:
            yield key
        there = now


def _pending(
    one: SchemaPlan, begun: Sequence[Key], changed: Sequence[Key], prover: Prover, graph: Graph
) -> Found:
    """The pending migrations of the apps that have begun, as far as their work is there and can be seen.

    Those that only `changed` something can be run again, so nothing is refused for them.
    """
    found = holding([*begun, *changed], one, prover, graph)
    keys, there = _to_record(found, one, graph), [key for key in begun if key in found.steps]
    refusals = [
        *_partly([key for key in begun if key in found.given_up], found.given_up),
        *_not_to_be_seen([key for key in there if key not in keys], _hidden(found.steps, graph), graph),
    ]
    return one.schema.name, keys, tuple(refusals)


def _to_record(found: Holding, one: SchemaPlan, graph: Graph) -> tuple[Key, ...]:
    """The records of what is there, but for code whose work nobody can see, and what is built on that."""
    hidden = _hidden(found.steps, graph)
    blocked = {other for key in hidden for other in graph.graph.backwards_plan(key)}
    return records_of([key for key in found.steps if key not in blocked], one, graph)


def _hidden(steps: Iterable[Key], graph: Graph) -> list[Key]:
    return [key for key in steps if opaque(graph.graph.nodes[key])]


def _partly(begun: Iterable[Key], given_up: Mapping[Key, tuple[Lack, ...]]) -> Iterator[Refusal]:
    """A refusal for each of these apps, at the migration of which the least is missing."""
    for app in dict.fromkeys(app for app, _ in begun):
        key, missing = _least([key for key in given_up if key[0] == app], given_up)
        yield Refusal(ID, dotted(key), _incomplete(missing), tuple(_completing(missing)))


def _least(keys: Iterable[Key], given_up: Mapping[Key, tuple[Lack, ...]]) -> tuple[Key, tuple[Lack, ...]]:
    """Of these migrations, the one of which the least was missing, and what that was.

    Of equal ones it is a later one; of those in a row that lack the same, the first.
    """
    latest_first = [key for key in given_up if key in {*keys}]
    least = min(latest_first, key=lambda key: (not given_up[key], len(given_up[key])))
    key = [key for key in latest_first if given_up[key] == given_up[least]][-1]
    return key, given_up[key]


def _not_to_be_seen(begun: Iterable[Key], hidden: Iterable[Key], graph: Graph) -> Iterator[Refusal]:
    """A refusal for each app, at its last migration that is there and built on code that nobody sees."""
    for key in dict(begun).items():
        leading = graph.graph.forwards_plan(key)
        why = _unseen([one for one in hidden if one in leading], key, graph)
        yield Refusal(ID, dotted(key), why, tuple(_about_unseen(key)))


def _incomplete(missing: Sequence[Lack]) -> str:
    if not missing:
        return "It is built on another migration of which only a part is there."
    words = some([one.words for one in missing], 3)
    return f"Only a part of it is there; missing: {words}. Undo that part, or complete it."


def _completing(missing: Sequence[Lack]) -> Iterator[Choice]:
    """To make what is missing, where Django's own statements do that for all of it."""
    tenant_connection().set_schema_to_public()  # its cursor quotes values
    lacks = [one.difference for one in missing if one.difference]
    made = [[*statements.of(one, tenant_connection(), ())] for one in lacks]
    if made and all(made) and len(made) == len(missing):
        ranked = sorted((each for one in made for each in one), key=lambda one: one[0])
        sql = choices.together(dict.fromkeys(sql for _, sql in ranked), search_path())
        yield Choice("To complete it", (sql, choices.repair_again()))


def _unseen(hidden: Sequence[Key], key: Key, graph: Graph) -> str:
    operations = ", ".join(dict.fromkeys(name for one in hidden for name in opaque(graph.graph.nodes[one])))
    where = f" in {in_words(tuple(hidden))}" if [*hidden] != [key] else ""
    return f"What can be seen of it is there, but nobody can see what {operations}{where} did."


def _about_unseen(key: Key) -> Iterator[Choice]:
    yield Choice("If that is done", (f"{commands.fake([key], [choices.PLACE])} --data-is-done",))
    release = f"{PROGRAM} {choices.FLAG}"
    yield Choice("If it is not, undo by hand what is there, then migrate the schema", (release,))
