"""The example project from every level of its history, by both engines."""

import os

import pytest

from tests.oracle.conftest import PUBLIC
from tests.support.levels import Level, build, history
from tests.support.release import Project
from tests.support.unwell import borrowed

EVERY_LEVEL = bool(os.environ.get("ORACLE_EVERY_LEVEL"))
ALIKE = ("0003_alter_user_email_max_length", "0009_alter_user_last_name_max_length")
LAST_OF_SHARED = ("users", "0002_user_phone")

# What a tenant's rows hold, and the migration of `buildings` since when there is a place for it.
VALUES = {"name": (1, "'House ' || n"), "address": (3, "'Street 5%'"), "slug": (5, "''")}


@pytest.fixture
def project(new_database, tmp_path):
    """The example project with an empty database."""
    return Project(tmp_path / "project", new_database())


def rows(done):
    """A statement that fills the tables of a tenant with these migrations."""
    number = sum(app == "buildings" for app, _ in done)
    values = {column: value for column, (since, value) in VALUES.items() if since <= number}
    if not values:
        return ""
    into = f"buildings_building ({', '.join(values)})"
    return f"INSERT INTO {into} SELECT {', '.join(values.values())} FROM generate_series(1, {number}) n"


def before_the_last(plan):
    """The shared schema, with something left to do."""
    assert plan[-1] == LAST_OF_SHARED
    return Level("public", tuple(plan[:-1]))


def tenant(done):
    """A tenant that has these migrations, the first ones of the history."""
    return Level(f"level {len(done)}", tuple(done), sql=rows(done))


def among_alike(plan):
    """Levels that end with one of those of Django's migrations that each alter a field of the user."""
    first, last = (plan.index(("auth", name)) for name in ALIKE)
    return range(first + 1, last + 2)


def test_tenants_at_every_level_of_the_history(project, oracle):
    plan = history(project)
    numbers = [number for number in range(len(plan) + 1) if EVERY_LEVEL or number not in among_alike(plan)]
    levels = [tenant(plan[:number]) for number in numbers]
    build(project, [PUBLIC, *levels, Level("zero"), Level("twin", tuple(plan[:22]))])
    comparison = oracle(project, jobs=(2,))

    assert (comparison.stock.code, len(comparison.stock.states)) == (0, len(numbers) + 3)
    assert comparison.equal, comparison.text


@pytest.mark.parametrize("number", range(29) if EVERY_LEVEL else (0, 1, 15))
def test_the_shared_schema_at_a_level_before_there_were_tenants(project, oracle, number):
    build(project, [Level("public", tuple(history(project)[:number]))])
    comparison = oracle(project)

    assert (comparison.stock.code, comparison.stock.states["public"]) == (0, "migrated")
    assert comparison.equal, comparison.text


def test_the_shared_schema_and_tenants_at_other_levels(project, oracle):
    plan = history(project)
    build(project, [before_the_last(plan), Level("zero"), *map(tenant, (plan[:19], plan[:25]))])
    comparison = oracle(project, jobs=(2,))

    assert comparison.stock.code == 0
    assert set(comparison.stock.states.values()) == {"migrated"}
    assert comparison.equal, comparison.text


@pytest.fixture(scope="module")
def begun(server, tmp_path_factory):
    """Tenants at three levels, and something left to do in the shared schema; copies of it are released."""
    with borrowed(server, "template0", tmp_path_factory.mktemp("begun")) as project:
        plan = history(project)
        build(project, [before_the_last(plan), Level("zero"), *map(tenant, (plan[:24], plan))])
        yield project


@pytest.mark.xdist_group("begun")
@pytest.mark.parametrize(
    "words",
    [
        ("--app", "buildings", "0004"),
        ("--schema", "level 24", "--schema", "zero"),
        ("--post-migrate",),
    ],
    ids=" ".join,
)
def test_a_part_of_the_release(begun, oracle, words):
    comparison = oracle(begun, *words, jobs=(2,))

    assert comparison.stock.code == 0, comparison.stock.text
    assert comparison.equal, comparison.text


def test_a_difference_between_the_engines_is_told(project, oracle):
    project.migration(
        "buildings",
        "0007_by_engine",
        "0006_fill_slugs",
        "migrations.RunPython(write)",
        "import sys\n\n\ndef write(apps, schema_editor):\n"
        "    if 'compiled' in sys.argv:\n"
        "        schema_editor.execute('CREATE INDEX seeded ON buildings_building (name)')\n",
    )
    build(project, [PUBLIC, Level("zero"), tenant(history(project)[:24])])
    comparison = oracle(project)

    index = "+CREATE INDEX seeded ON {0}.buildings_building USING btree (name);"
    assert comparison.text.splitlines() == [
        f"jobs 1: definitions of {schema}: {index.format(quoted)}"
        for schema, quoted in (("level 24", '"level 24"'), ("zero", "zero"))
    ]
