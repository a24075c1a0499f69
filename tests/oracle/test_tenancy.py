"""Histories and settings that treat schemas differently, by both engines."""

import shutil
from itertools import zip_longest

import django
import pytest

from tests.oracle.apps.leftovers.kinds import LEAVE
from tests.oracle.conftest import APPS, PUBLIC, USERS, names
from tests.support.levels import BASE, Level, build

# Failures that come from what a tenant holds, and the newest migration before each.
FAILURES = {
    "raises": ("0001_initial", ""),
    "has column": ("0002_raise", "ALTER TABLE failing_thing ADD COLUMN once integer"),
    "duplicates": ("0002_raise", "UPDATE failing_thing SET owner = 1"),
    "orphans": ("0004_unique", "UPDATE failing_thing SET owner = 4711 WHERE id = 1"),
    "torn": ("0004_unique", "UPDATE failing_thing SET name = 'zero'"),
}

SQUASH = "squashed/migrations/0001_squashed_0003_c.py"
SQUASH_RECORDED = (
    "INSERT INTO django_migrations (app, name, applied) VALUES ('squashed', '0001_squashed_0003_c', now())"
)

TYPES = """
HAS_MULTI_TYPE_TENANTS = True
MULTI_TYPE_DATABASE_FIELD = "type"
TENANT_TYPES = {
    "public": {"APPS": SHARED_APPS, "URLCONF": ROOT_URLCONF},
    "full": {"APPS": TENANT_APPS, "URLCONF": ROOT_URLCONF},
    "plain": {"APPS": ["django.contrib.contenttypes", "renames"], "URLCONF": ROOT_URLCONF},
    "bare": {"APPS": ["indexes"], "URLCONF": ROOT_URLCONF},
}
"""

ROUTER = """
from django.db import connections


class Router:
    def allow_migrate(self, db, app_label, model_name=None, only=None, **hints):
        schema = connections[db].schema_name
        if only is not None and schema not in only:
            return False
        if app_label == "renames" and schema.startswith("level"):
            return False
        if model_name == "passing" and connections[db].tenant.schema_name == "zero_a":
            return False
        return None
"""


def test_tenants_that_fail_between_others(topic, oracle):
    project = topic("failing")
    well = [Level(f"well {name}", (("failing", name),), others=True) for name in names("failing")]
    ill = [
        Level(f"{why} {number}", (("failing", at),), others=True, sql=sql)
        for why, (at, sql) in FAILURES.items()
        for number in (1, 2)
    ]
    mixed = [
        level
        for pair in zip_longest(ill, [Level("a", BASE), *well, Level("b", BASE)])
        for level in pair
        if level
    ]
    build(project, [PUBLIC, *mixed])
    comparison = oracle(project, jobs=(1, 2))

    failed = {schema for schema, state in comparison.stock.states.items() if state == "failed"}
    assert (comparison.stock.code, failed) == (7, {level.schema for level in ill})
    assert comparison.equal, comparison.text


def test_what_a_migration_leaves_in_its_session_never_reaches_the_next_schema(topic, oracle):
    project = topic("leftovers")
    # Each looks at what the one before it has left, and leaves something else.
    levels = [Level(schema, (*BASE, ("leftovers", "0001_initial"))) for schema in (*LEAVE, "after all")]
    build(project, [PUBLIC, *levels])
    comparison = oracle(project)

    assert comparison.stock.code == 0, comparison.stock.text
    assert comparison.equal, comparison.text


@pytest.fixture
def squashing(topic):
    """Tenants at every level of migrations that are squashed now, with and without a record of the squash."""
    project = topic("squashed")
    (project.folder / SQUASH).unlink()
    at = {
        name: Level(name, (*BASE, ("squashed", name)))
        for name in names("squashed")
        if "_squashed_" not in name
    }
    recorded = Level("recorded", at["0003_c"].targets, sql=SQUASH_RECORDED)
    build(project, [PUBLIC, Level("zero", BASE), *at.values(), recorded])
    shutil.copy(APPS / SQUASH, project.folder / SQUASH)
    return project


def test_a_squash_that_is_applied_recorded_partial_or_new(squashing, oracle):
    comparison = oracle(squashing, jobs=(2,))

    assert comparison.stock.code == 0, comparison.stock.text
    assert comparison.equal, comparison.text


def test_a_squash_whose_replaced_files_are_gone(squashing, oracle):
    for name in ("0001_initial", "0002_b"):
        squashing.database.sql(
            f"DROP SCHEMA \"{name}\" CASCADE; DELETE FROM tenants_client WHERE schema_name = '{name}'"
        )
    for name in ("0001_initial", "0002_b", "0003_c"):
        (squashing.folder / "squashed" / "migrations" / f"{name}.py").unlink()
    later = squashing.folder / "squashed" / "migrations" / "0004_d.py"
    later.write_text(later.read_text().replace("0003_c", "0001_squashed_0003_c"))
    comparison = oracle(squashing)

    assert comparison.stock.code == 0, comparison.stock.text
    assert comparison.equal, comparison.text


def test_tenants_of_several_types(topic, oracle):
    project = topic("renames", "indexes")
    add_types(project)
    levels = [
        Level(f"{type} {number}", (("renames", names("renames")[number]), *more), type=type)
        for type, more in (("full", BASE), ("plain", BASE[:1]), ("bare", (("indexes", "0001_initial"),)))
        for number in range(2)
    ]
    zero = [Level(f"zero {type}", type=type) for type in ("full", "plain", "bare")]
    build(project, [PUBLIC, *levels, *zero])
    comparison = oracle(project, jobs=(2,))

    assert comparison.stock.code == 0, comparison.stock.text
    assert comparison.equal, comparison.text


def add_types(project):
    """The tenants' model gets the field that tells them apart."""
    project.settings(TYPES)
    path = project.folder / "tenants" / "models.py"
    line = "    created_at = models.DateTimeField(auto_now_add=True)\n"
    field = "models.CharField(max_length=20, default='full')"
    path.write_text(path.read_text().replace(line, f"{line}    type = {field}\n"))
    project.migration(
        "tenants", "0002_type", "0001_initial", f"migrations.AddField('client', 'type', {field})"
    )


def test_a_model_of_a_shared_app_is_renamed(topic, oracle):
    project = topic("indexes")
    key = "[('id', models.BigAutoField(primary_key=True))]"
    project.migration("users", "0003_badge", "0002_user_phone", f"migrations.CreateModel('Badge', {key})")
    build(project, [PUBLIC, Level("begun", (*BASE, ("users", "0003_badge"))), Level("zero", BASE)])
    project.migration("users", "0004_sign", "0003_badge", "migrations.RenameModel('Badge', 'Sign')")
    comparison = oracle(project)

    assert comparison.stock.code == 0, comparison.stock.text
    assert comparison.equal, comparison.text


def test_a_permission_of_a_renamed_model_that_is_there_already(topic, oracle):
    project = topic("indexes")
    permission = (
        "INSERT INTO auth_permission (name, content_type_id, codename)"
        " SELECT 'By hand', id, 'view_item' FROM django_content_type WHERE model = 'entry'"
    )
    begun = (*BASE, ("indexes", "0002_add"))
    build(project, [PUBLIC, Level("free", begun), Level("taken", begun, sql=permission)])
    comparison = oracle(project)

    # From Django 6.1 on, which renames permissions with their models, this is an error.
    assert comparison.stock.states["taken"] == ("failed" if django.VERSION >= (6, 1) else "migrated")
    assert comparison.equal, comparison.text


def test_a_router_that_answers_otherwise_in_some_schemas(topic, oracle):
    project = topic("tables", "renames")
    project.write("routing.py", ROUTER)
    project.settings('DATABASE_ROUTERS = ["routing.Router", *DATABASE_ROUTERS]')
    project.migration(
        "renames",
        "0005_hinted",
        names("renames")[-1],
        "migrations.RunSQL('CREATE TABLE hinted (id int)', hints={'only': ['zero_a', 'well']}),"
        "migrations.RunPython(migrations.RunPython.noop, hints={'only': []})",
    )
    levels = [Level(f"level {name}", (*BASE, ("renames", name))) for name in names("renames")[:2]]
    build(
        project,
        [
            PUBLIC,
            *levels,
            Level("zero_a", BASE),
            Level("zero_b", BASE),
            Level("well", (*BASE, ("tables", "0001_initial"))),
        ],
    )
    comparison = oracle(project, jobs=(2,))

    assert "failed" not in comparison.stock.states.values(), comparison.stock.text
    assert comparison.equal, comparison.text


def test_extensions_that_the_release_itself_creates(topic, oracle):
    project = topic("extras")
    shared = (
        *BASE,
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("users", "0002_user_phone"),
        ("tenants", "0001_initial"),
    )
    build(project, [Level("public", shared, sql=USERS), Level("zero_a", BASE), Level("zero_b", BASE)])
    comparison = oracle(project)

    assert comparison.stock.code == 0, comparison.stock.text
    assert comparison.equal, comparison.text


def test_everything_in_one_project(topic, oracle):
    # Not with the one that creates permissions in the middle of others' renames: Django 6.1 refuses those.
    labels = sorted(path.parent.name for path in APPS.glob("*/migrations") if path.parent.name != "records")
    project = topic(*labels)
    half = tuple((label, names(label)[len(names(label)) // 2]) for label in labels if label != "squashed")
    build(project, [PUBLIC, Level("zero_a"), Level("half", half), Level("zero_b")])
    comparison = oracle(project, jobs=(2,))

    assert comparison.stock.code == 0, comparison.stock.text
    assert comparison.equal, comparison.text
