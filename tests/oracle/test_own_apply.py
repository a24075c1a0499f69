"""Migrations whose class overrides what Django calls to apply it."""

import pytest

from tests.conftest import TENANTS
from tests.support.release import Project

BASE = '''
import contextlib

from django.db import migrations

state = {"signals": True}


@contextlib.contextmanager
def quiet():
    state["signals"] = False
    try:
        yield
    finally:
        state["signals"] = True


class QuietMigration(migrations.Migration):
    def apply(self, project_state, schema_editor, collect_sql=False):
        with quiet():
            return super().apply(project_state, schema_editor, collect_sql)


class ForAnnouncements(migrations.Migration):
    """Changes the models of another app, as those do that are kept outside of a library's folder."""

    def _elsewhere(self, call, *arguments):
        own, self.app_label = self.app_label, "announcements"
        try:
            return call(*arguments)
        finally:
            self.app_label = own

    def mutate_state(self, project_state, preserve=True):
        return self._elsewhere(super().mutate_state, project_state, preserve)

    def apply(self, project_state, schema_editor, collect_sql=False):
        return self._elsewhere(super().apply, project_state, schema_editor, collect_sql)
'''
MIGRATIONS = {
    "0007_quiet": """
def fill(apps, schema_editor):
    apps.get_model("buildings", "Building").objects.update(address=str(state["signals"]))


class Migration(QuietMigration):
    dependencies = [("buildings", "0006_fill_slugs")]
    operations = [
        migrations.AddField("building", "floors", models.IntegerField(default=1)),
        migrations.RunPython(fill),
    ]
""",
    "0008_index": """
class Migration(migrations.Migration):
    dependencies = [("buildings", "0007_quiet")]
    operations = []

    def apply(self, project_state, schema_editor, collect_sql=False):
        if schema_editor.connection.schema_name != "public":
            schema_editor.execute("CREATE INDEX own ON buildings_building (name)")
        return super().apply(project_state, schema_editor, collect_sql)
""",
    "0009_other_app": """
class Migration(ForAnnouncements):
    dependencies = [("buildings", "0008_index"), ("announcements", "0003_announcement_pinned")]
    operations = [migrations.AddField("announcement", "urgent", models.BooleanField(default=False))]
""",
    "0010_renamed": """
class Migration(QuietMigration):
    atomic = False
    dependencies = [("buildings", "0009_other_app")]
    operations = [
        migrations.RenameModel("Building", "House"),
        migrations.RenameField("House", "floors", "storeys"),
    ]
""",
    "0011_after": """
class Migration(migrations.Migration):
    dependencies = [("buildings", "0010_renamed")]
    operations = [
        migrations.AddField("house", "lifts", models.IntegerField(null=True)),
        migrations.AddField("buildingmembership", "since", models.IntegerField(null=True)),
    ]
""",
    "0012_other_label": """
class Migration(migrations.Migration):
    dependencies = [("buildings", "0011_after")]
    replaces = [("announcements", "0012_other_label")]
    operations = [migrations.AddField("announcement", "colour", models.IntegerField(null=True))]

    def __init__(self, name, app_label):
        super().__init__(name, "announcements")
""",
}


@pytest.fixture
def project(past: Project) -> Project:
    """Migrations that apply themselves, the last ones of their app."""
    past.write("buildings/own.py", BASE)
    for name, text in MIGRATIONS.items():
        head = "from django.db import migrations, models\n"
        head += "from buildings.own import ForAnnouncements, QuietMigration, state\n"
        past.write(f"buildings/migrations/{name}.py", head + text)
    past.database.sql(
        "".join(f"INSERT INTO {one}.buildings_building (name, address) VALUES ('a', '');" for one in TENANTS)
    )
    return past


def test_what_a_migration_does_by_itself_is_done_as_by_django(project, oracle):
    comparison = oracle(project, jobs=(1, 2))

    assert comparison.equal, comparison.text
    assert comparison.stock.code == 0, comparison.stock.text


def test_all_that_looks_knows_what_such_a_migration_makes(project):
    run = project.run("--no-collectstatic", RELEASE_JOBS="2")
    assert run.code == 0, run.text
    said = {word: project.run(word) for word in ("plan", "check", "verify", "doctor", "status", "repair")}
    assert {word: one.code for word, one in said.items()} == dict.fromkeys(said, 0), said["check"].text
    assert project.database.lines("SELECT DISTINCT address FROM athena.buildings_house") == ["False"]

    project.database.sql("ALTER TABLE athena.announcements_announcement DROP COLUMN urgent")
    found = project.run("verify").findings("column.missing")
    assert found == [("athena", "announcements_announcement.urgent")]
