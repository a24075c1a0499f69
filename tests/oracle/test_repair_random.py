"""Whatever is done to a schema by hand is named exactly, and a repair makes it what it was.

Several tenants of one database are damaged at once, each in its own way, so that one run tells of all. What
should be said follows from what pg_catalog says before and after (tests/support/damages.py); what should be
there after a repair, from pg_dump. Left out of the comparison of dumps is what no repair promises:

- the order of columns;
- names that a history of changes has given (varied.NAMES), where a repair gives those of CREATE TABLE, and
  the digit of a name that PostgreSQL had to make unique;
- a name that only says that an index or a rule was renamed, since another one is as good;
- the names of NOT NULL constraints, and the casts in checks that PostgreSQL has read from its own words.

ORACLE_EXAMPLES draws so many, and other ones each time; a failure prints the damages.
"""

import os
import uuid
from collections import defaultdict
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, Phase, event, given, note, settings
from hypothesis import strategies as st

from tests.support import catalogue
from tests.support.damages import RENAMED, damages, explains, in_the_way, inflict, to_be_said
from tests.support.dumps import dumps
from tests.support.release import Database
from tests.support.schemas import clone_tenant, let_a_day_pass
from tests.support.server import create_database, psql
from tests.support.unwell import borrowed
from tests.support.varied import NAMES, describe_all

EXAMPLES = int(os.environ.get("ORACLE_EXAMPLES", "0"))

DAMAGED = tuple(f"damaged_{number}" for number in range(6))
# More than are damaged, or what the damaged ones have in common would be what is usual.
SOUND = tuple(f"sound_{number}" for number in range(7))

# Warnings that a repair leaves as they are, and says nothing more about.
IGNORED = {"column.extra", "column.collation", "schema.odd"}


@pytest.fixture(scope="module")
def varied(server, template, tmp_path_factory):
    """The project, and a database in which every tenant has all of its models and a few rows."""
    with borrowed(server, template("piraeus"), tmp_path_factory.mktemp("varied")) as project:
        describe_all(project)
        assert project.run("--no-collectstatic").code == 0
        clone_tenant(project.database, "piraeus", *DAMAGED, *SOUND)
        let_a_day_pass(project.database)
        yield project


class Schemas:
    """What every schema is made of, in two ways; no dataclass, whose values a failure would print."""

    def __init__(self, database):
        self.catalogues = catalogue.read(database)
        self.dumps = dumps(database, {**NAMES, RENAMED: ""})


@pytest.fixture(scope="module")
def sound(varied):
    """Before anything was done to them."""
    return Schemas(varied.database)


@contextmanager
def copied(server, project):
    """The project with a copy of its database that lasts for one example."""
    original, name = project.database, f"test_{uuid.uuid4().hex[:12]}"
    project.database = Database(create_database(server, name, original.url.rpartition("/")[2]))
    try:
        yield project
    finally:
        project.database = original
        psql(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def by_schema(findings):
    """Their ids and objects."""
    found = defaultdict(set)
    for one in findings:
        found[one["schema"]].add((one["id"], one["object"]))
    return found


def refusals_of(run):
    """Likewise, of what is left as it is."""
    return by_schema(
        {**refusal, "schema": schema}
        for one in run.report["remedies"]
        for schema in one["schemas"]
        for refusal in one["refusals"]
    )


# Which kind of damage, and which object of those that it can befall; the objects are known only later.
CHOICES = st.lists(st.tuples(st.integers(0, 999), st.integers(0, 999)), min_size=1, max_size=3)


def chosen(choices, of):
    """The damages to a schema: of every kind equally often, however many objects it can befall."""
    kinds = defaultdict(list)
    for one in damages(of):
        kinds[one.kind].append(one)
    several = (kinds[sorted(kinds)[kind % len(kinds)]] for kind, _ in choices)
    return [some[number % len(some)] for some, (_, number) in zip(several, choices, strict=True)]


@pytest.mark.timeout(300 + 30 * EXAMPLES)
@settings(
    max_examples=EXAMPLES or 4,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink) if EXAMPLES else (Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(choices=st.tuples(*[CHOICES] * len(DAMAGED)))
def test_any_damage_is_named_and_repaired(server, varied, sound, choices):
    pairs = zip(DAMAGED, choices, strict=True)
    done = {name: chosen(some, sound.catalogues[name]) for name, some in pairs}
    note("".join(f"{name}: {one.sql}\n" for name, several in done.items() for one in several))
    with copied(server, varied) as project:
        for schema, several in done.items():
            inflict(project.database, schema, several)
        damaged = Schemas(project.database)
        verified = project.run("verify")
        repaired = project.run("repair", "--apply", "--warnings")
        again = project.run("repair", "--warnings")
        after = Schemas(project.database).dumps

    named = {
        name: to_be_said(one, damaged.catalogues[name], sound.catalogues["public"])
        for name, one in sound.catalogues.items()
    }
    assert by_schema(verified.report["findings"]) == {name: said for name, said in named.items() if said}
    refused, left = refusals_of(repaired), by_schema(again.report["findings"])
    failed = {name for name, state in repaired.states.items() if state == "failed"}
    for name, before in sound.dumps.items():
        if name in failed:
            note(f"{name}: {repaired.outcome(name)}")
            assert repaired.outcome(name)["sqlstate"] in in_the_way(done[name])
            assert left[name] <= named[name], name
            assert [one for one in before ^ after[name] if not explains(left[name], one)] == [], name
            continue
        assert {one for one in left[name] if one[0] not in IGNORED} == {
            one for one in refused[name] if one[0] not in IGNORED
        }, name
        assert refused[name] <= named.get(name, set()), name
        assert [one for one in before ^ after[name] if not explains(left[name], one)] == [], name
    proposing = {name for one in again.report["remedies"] if one["statements"] for name in one["schemas"]}
    assert proposing <= failed
    for several in done.values():
        for one in several:
            event(one.kind)
    event(f"{len(failed)} undone")
