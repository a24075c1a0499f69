"""What surrounds the migrations of a schema: signals, content types and permissions."""

import re

import pytest

from tests.support.release import Project

from .test_engine import TENANTS, change

pytestmark = pytest.mark.versions

# Writes every signal of the migrations into a file, with what comes with it.
LISTENING = """
import time
from pathlib import Path

from django.apps import AppConfig
from django.db import connection
from django.db.models.signals import post_migrate, pre_migrate
from django_tenants.signals import schema_migrated, schema_pre_migration

HEARD = Path(__file__).with_name("heard.txt")


def note(*words):
    with HEARD.open("a") as file:
        print(*words, file=file)


def hear(name, pause=0.0):
    def receiver(sender, plan=(), using="", schema_name="", apps=None, **_):
        steps = [(str(migration), backwards) for migration, backwards in plan]
        models = sorted(model._meta.label for model in apps.get_models()) if apps else []
        note(name, schema_name or connection.schema_name, getattr(sender, "label", ""), using, steps, models)
        time.sleep(pause)

    return receiver


class BuildingsConfig(AppConfig):
    name = "buildings"

    def ready(self):
        self.receivers = {
            "schema_pre_migration": (schema_pre_migration, hear("schema_pre_migration", 0.05)),
            "pre_migrate": (pre_migrate, hear("pre_migrate")),
            "post_migrate": (post_migrate, hear("post_migrate")),
            "schema_migrated": (schema_migrated, hear("schema_migrated", 0.05)),
        }
        for signal, receiver in self.receivers.values():
            signal.connect(receiver)
        CHANGES
"""


def listen(project: Project, changes: str = "pass") -> None:
    """Connect receivers in the project; `changes` is what else happens there."""
    project.write("buildings/apps.py", LISTENING.replace("CHANGES", changes))


def heard(project: Project) -> list[str]:
    """What the receivers were told since the last time."""
    path = project.folder / "buildings" / "heard.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


# Signals.


@pytest.mark.parametrize("words", [(), ("--app", "buildings", "0005"), ("--tenants-only",)])
def test_both_engines_send_the_same_signals(past, new_database, template, words):
    listen(past)
    stock = past.run("--no-collectstatic", "--engine", "stock", *words)
    expected = heard(past)
    past.database = new_database(template(*TENANTS))
    run = past.run("--no-collectstatic", *words)

    assert (stock.code, run.code) == (0, 0), run.text
    assert {line.split()[0] for line in expected} == {
        "schema_pre_migration",
        "pre_migrate",
        "post_migrate",
        "schema_migrated",
    }
    assert heard(past) == expected


def test_the_time_that_receivers_take_is_in_the_report(past):
    listen(past)
    run = past.run("--no-collectstatic")

    for schema in TENANTS:
        outcome = run.outcome(schema)
        assert 100 <= outcome["receivers_ms"] <= outcome["duration_ms"] + 1


CHANGES = {
    "adds an operation": "plan[0][0].operations.append(migrations.RunSQL('SELECT 1'))",
    "replaces the operations": "plan[0][0].operations = []",
    "takes out a migration": "del plan[0]",
}


@pytest.mark.parametrize("change_of_plan", CHANGES)
def test_a_receiver_that_changes_the_plan_is_an_error_that_names_the_way_out(current, change_of_plan):
    change(current, "migrations.RunSQL('SELECT 1')")
    meddle = (
        "from django.db import migrations\n"
        "        def meddle(plan, **_):\n"
        f"            {CHANGES[change_of_plan]}\n"
        "        pre_migrate.connect(meddle, sender=self, weak=False)\n"
    )
    listen(current, meddle)
    outcome = current.run("--no-collectstatic", "--tenants-only").outcome("athena")

    assert (outcome["state"], outcome["applied"]) == ("failed", [])
    assert "--engine stock" in outcome["message"]


# django-tenants' own signals.

OBSERVER = """
from pathlib import Path

from django.apps import AppConfig
from django_tenants.signals import schema_migrated, schema_pre_migration

SEEN = Path(__file__).with_name("seen")


def note(word):
    def receiver(schema_name, **_):
        with SEEN.open("a", encoding="utf-8") as file:
            file.write(f"{word} {schema_name}\\n")

    return receiver


before, after = note("before"), note("after")


class Config(AppConfig):
    name = "observer"

    def ready(self):
        schema_pre_migration.connect(before)
        schema_migrated.connect(after)
"""


@pytest.fixture
def observed(past: Project) -> Project:
    """An app notes django-tenants' signals in observer/seen."""
    past.write("observer/__init__.py", "")
    past.write("observer/apps.py", OBSERVER)
    past.settings(
        "SHARED_APPS = [*SHARED_APPS, 'observer']\nINSTALLED_APPS = [*INSTALLED_APPS, 'observer']\n"
        "TENANT_MIGRATION_ORDER = ['schema_name']"
    )
    return past


def seen(project: Project) -> list[str]:
    """The signals so far."""
    return (project.folder / "observer" / "seen").read_text(encoding="utf-8").splitlines()


def test_the_signals_are_sent_for_each_schema(observed: Project) -> None:
    observed.run("--no-collectstatic")

    expected = [f"{word} {name}" for name in ("public", *TENANTS) for word in ("before", "after")]
    assert seen(observed) == expected


def test_no_signal_is_sent_for_a_schema_with_nothing_to_do(observed: Project) -> None:
    observed.run("--no-collectstatic", "--schema", "athena")
    observed.run("--no-collectstatic", "--exclude", "piraeus", "--tenants-only")

    assert seen(observed) == ["before athena", "after athena", "before kypseli", "after kypseli"]


def test_a_schema_that_failed_is_not_signalled_as_migrated(observed: Project) -> None:
    observed.database.sql("ALTER TABLE kypseli.buildings_building ADD COLUMN slug text")
    observed.run("--no-collectstatic")

    assert [line for line in seen(observed) if "kypseli" in line] == ["before kypseli"]
    assert "after piraeus" in seen(observed)


# Content types and permissions.


def test_a_new_model_gets_its_content_type_in_every_tenant(current: Project) -> None:
    models = (current.folder / "buildings" / "models.py").read_text(encoding="utf-8")
    current.write("buildings/models.py", f"{models}\n\nclass Lift(models.Model):\n    pass\n")
    key = "('id', models.BigAutoField(primary_key=True))"
    lift = f"migrations.CreateModel('Lift', [{key}])"
    current.migration("buildings", "0007_lift", "0006_fill_slugs", lift)
    current.run("--no-collectstatic")

    select = "SELECT count(*) FROM {}.django_content_type WHERE app_label = 'buildings' AND model = 'lift'"
    assert [current.database.sql(select.format(name)) for name in TENANTS] == ["1", "1", "1"]


def test_a_new_shared_model_gets_its_permissions(current: Project) -> None:
    models = (current.folder / "users" / "models.py").read_text(encoding="utf-8")
    current.write("users/models.py", f"{models}\n\nclass Team(models.Model):\n    pass\n")
    team = "migrations.CreateModel('Team', [('id', models.BigAutoField(primary_key=True))])"
    current.migration("users", "0003_team", "0002_user_phone", team)
    current.run("--no-collectstatic")

    found = current.database.lines(
        "SELECT codename FROM auth_permission WHERE codename LIKE '%\\_team' ORDER BY 1"
    )
    assert found == ["add_team", "change_team", "delete_team", "view_team"]


@pytest.fixture
def incomplete(current):
    """A tenant without some content types, a shared schema without some permissions."""
    current.database.sql("DELETE FROM kypseli.django_content_type WHERE app_label = 'buildings'")
    current.database.sql("DELETE FROM public.auth_permission WHERE codename LIKE '%_client'")
    return current


def rows(project: Project, schema: str) -> tuple[str, str]:
    """How many content types of buildings, and how many permissions for clients, there are."""
    types = f"SELECT count(*) FROM {schema}.django_content_type WHERE app_label = 'buildings'"
    permissions = "SELECT count(*) FROM public.auth_permission WHERE codename LIKE '%_client'"
    return project.database.sql(types), project.database.sql(permissions)


def test_content_types_and_permissions_that_a_run_left_out_are_a_warning(incomplete):
    run = incomplete.run("verify")

    found = [
        (one["schema"], one["severity"]) for one in run.report["findings"] if one["id"] == "rows.missing"
    ]
    assert (run.code, sorted(found)) == (0, [("kypseli", "warning"), ("public", "warning")])


def test_content_types_and_permissions_that_a_run_left_out_are_added_with_nothing_pending(incomplete):
    run = incomplete.run("--no-collectstatic")

    assert (run.code, run.report["pending"], run.findings("rows.missing")) == (0, [], []), run.text
    assert rows(incomplete, "kypseli") == ("2", "4")


def test_schemas_that_lack_nothing_are_left_alone_when_others_are_completed(incomplete):
    run = incomplete.run("--no-collectstatic")

    assert [run.outcome(schema)["statements"] for schema in ("athena", "piraeus")] == [0, 0]


def test_a_release_after_that_has_nothing_to_do(incomplete):
    incomplete.run("--no-collectstatic")
    run = incomplete.run("--no-collectstatic")

    assert set(run.states.values()) == {"current"}


DELETING = "DELETE FROM django_content_type WHERE app_label = 'buildings'"


@pytest.mark.parametrize(
    "operation",
    [
        f"migrations.RunSQL({DELETING!r})",
        f"migrations.RunPython(lambda apps, editor: editor.execute({DELETING!r}))",
    ],
    ids=["SQL", "Python"],
)
def test_content_types_that_a_migration_deletes_come_back(current, operation):
    before = rows(current, "kypseli")
    change(current, operation)
    run = current.run("--no-collectstatic")

    assert (run.code, rows(current, "kypseli")) == (0, before), run.text


def test_post_migrate_can_be_asked_for_in_every_schema(current):
    listen(current)
    run = current.run("--no-collectstatic", "--post-migrate")

    told = [line.split()[1] for line in heard(current) if re.match("post_migrate .* buildings ", line)]
    assert run.code == 0, run.text
    assert told == ["public", *TENANTS]
