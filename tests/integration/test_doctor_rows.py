"""Where a migration fails on the rows of one tenant: which rows these are, and that a release cannot help."""

import shlex
from typing import Any

from tests.support.diagnosis import ids, the
from tests.support.release import Project, Run
from tests.support.schemas import everything

TABLE = "announcements_announcement"
UNIQUE = "migrations.AddConstraint('announcement', models.UniqueConstraint(fields=['title'], name='once'))"
# What is pending, and what of athena's rows breaks the rule that it adds.
RULES = {
    f"duplicates in {TABLE}(title)": UNIQUE,
    f"duplicates in {TABLE}(lower(title))": (
        f"migrations.RunSQL('CREATE UNIQUE INDEX anycase ON {TABLE} (lower(title))')"
    ),
    f"duplicates in {TABLE}(title, pinned)": (
        "migrations.AlterUniqueTogether('announcement', {('title', 'pinned')})"
    ),
    f'rows of {TABLE} that break CHECK ("pinned")': (
        "migrations.AddConstraint('announcement',"
        " models.CheckConstraint(condition=models.Q(pinned=True), name='pinned'))"
    ),
    f"several rows of {TABLE}, which would all have the same {TABLE}.code": (
        "migrations.AddField('announcement', 'code',"
        " models.CharField(max_length=9, default='a', unique=True))"
    ),
    f"rows of {TABLE} that would point to 7, which users_user does not have": (
        "migrations.AddField('announcement', 'by',"
        " models.ForeignKey('users.User', models.CASCADE, default=7))"
    ),
    f"values of {TABLE}(id) that buildings_building does not have": (
        f"migrations.RunSQL('ALTER TABLE {TABLE} ADD CONSTRAINT astray"
        " FOREIGN KEY (id) REFERENCES buildings_building (id)')"
    ),
    f"NULL in {TABLE}.body": f"migrations.RunSQL('ALTER TABLE {TABLE} ALTER COLUMN body SET NOT NULL')",
    f"values of {TABLE}.title that are longer than 5": (
        "migrations.AlterField('announcement', 'title', models.CharField(max_length=5))"
    ),
    f"values of {TABLE}.body that are no integer": (
        "migrations.AlterField('announcement', 'body', models.IntegerField())"
    ),
}
ROWS = """
INSERT INTO {0} (id, title, body, pinned, published_at) VALUES
    (901, 'longer', 'x', true, now()), (902, 'longer', NULL, true, now()), (903, 'Longer', '12', false, now())
"""
TWINS = """
INSERT INTO {0} (title, body, pinned, published_at) VALUES ('a', '', true, now()), ('a', '', true, now())
"""


def only_in_athena(project: Project, rows: str) -> None:
    """Announcements in athena and in no other tenant."""
    for schema in ("athena", "kypseli", "piraeus"):
        project.database.sql(f"TRUNCATE {schema}.{TABLE} CASCADE")
    project.database.sql(rows.format(f"athena.{TABLE}"))


def pending(project: Project, *operations: str) -> None:
    """A migration for each operation, one after the other."""
    before = "0003_announcement_pinned"
    for number, operation in enumerate(operations, 4):
        project.migration("announcements", f"{number:04}_rule", before, operation)
        before = f"{number:04}_rule"


def told(run: Run) -> dict[str, dict[str, Any]]:
    """What is in the way, by what it is."""
    found = [one for one in run.report["diagnosis"] if one["id"] == "rows.in_the_way"]
    return {str(one["seen"]).partition(": ")[2]: one for one in found}


def test_the_rows_that_a_pending_migration_forbids_are_named_with_the_query_that_lists_them(
    current: Project,
) -> None:
    current.database.sql(f"ALTER TABLE athena.{TABLE} ALTER body DROP NOT NULL")
    only_in_athena(current, ROWS)
    pending(current, *RULES.values())
    before = everything(current.database)
    run = current.run("doctor")
    causes = told(run)
    queries = {what: shlex.split(str(one["command"]))[-1] for what, one in causes.items()}

    assert sorted(causes) == sorted(RULES), run.text
    assert {tuple(one["schemas"]) for one in causes.values()} == {("athena",)}
    assert [what for what, query in queries.items() if not current.database.lines(query)] == []
    assert the(run, "release.never_ran")["schemas"] == ["public", "kypseli", "piraeus"]
    assert everything(current.database) == before

    only_in_athena(current, "TRUNCATE {0} CASCADE")
    assert told(current.run("doctor")) == {}
    assert current.run("--no-collectstatic").code == 0


def test_a_failed_constraint_says_how_to_see_its_rows(current: Project) -> None:
    current.settings("PG_EXTRA_SEARCH_PATHS = ['my ext']")
    only_in_athena(current, TWINS)
    pending(current, UNIQUE)
    run = current.run("--no-collectstatic")
    words = shlex.split(run.outcome("athena")["hint"])

    assert (run.code, run.outcome("athena")["first"], words[0]) == (7, "change", "--show-values")
    options = words[words.index("rows:") + 1]
    assert options == 'PGOPTIONS=-c search_path=SCHEMA,public,"my\\ ext"'
    query = words[words.index("-c") + 1].removesuffix(".")
    assert current.database.lines(f"SET search_path = athena; {query}") == ["a|2"]
    assert ids(current.run("doctor")) == ["rows.in_the_way"]


def test_an_error_is_explained_by_the_rows_that_keep_its_migration_from_running(current: Project) -> None:
    only_in_athena(current, TWINS)
    column = "models.CharField(max_length=9, default='a', unique=True)"
    pending(current, f"migrations.AddField('announcement', 'code', {column})")
    models = (current.folder / "announcements/models.py").read_text(encoding="utf-8")
    line = "    body = models.TextField()\n"
    current.write("announcements/models.py", models.replace(line, f"{line}    code = {column}\n"))
    error = f"column {TABLE}.code does not exist"
    every = current.run("doctor", "--explain", error).report["explanations"][0]["causes"]
    athena = current.run("doctor", "--explain", error, "--schema", "athena").report["explanations"][0][
        "causes"
    ]

    assert [one["id"] for one in every] == ["rows.in_the_way", "release.never_ran"]
    assert [one["id"] for one in athena] == ["rows.in_the_way"]


def test_of_rows_that_code_may_change_before_it_is_said_that_nobody_knows(current: Project) -> None:
    only_in_athena(current, TWINS)
    tidy = f"migrations.RunSQL('DELETE FROM {TABLE}')"
    pending(current, "migrations.RunPython(lambda apps, editor: None)", UNIQUE)
    other = "migrations.AddConstraint('building', models.UniqueConstraint(fields=['name'], name='one'))"
    current.migration("buildings", "0007_one", "0006_fill_slugs", f"{tidy}, {other}")

    run = current.run("doctor")
    cause = the(run, "rows.in_the_way")
    assert ids(run)[:2] == ["release.never_ran", "rows.in_the_way"]
    assert the(run, "release.never_ran")["schemas"] == ["public", "athena", "kypseli", "piraeus"]
    assert (cause["severity"], cause["schemas"]) == ("warning", ["athena"])
    code = "unless code of announcements.0004_rule, which runs before, changes this: "
    assert f"{code}duplicates in {TABLE}(title)" in cause["seen"]
    only_in_athena(current, "TRUNCATE {0} CASCADE")
    assert told(current.run("doctor")) == {}


def test_what_django_itself_puts_in_the_place_of_null_is_no_conflict(current: Project) -> None:
    current.database.sql(f"ALTER TABLE athena.{TABLE} ALTER body DROP NOT NULL")
    only_in_athena(current, ROWS)
    operations = [
        "migrations.AlterField('announcement', 'body', models.TextField(null=True))",
        "migrations.AlterField('announcement', 'body', models.TextField(default='x'))",
    ]
    pending(current, *operations)

    assert told(current.run("doctor")) == {}


def test_a_release_that_is_refused_is_not_advised(past: Project) -> None:
    past.write(
        "announcements/checks.py",
        "from django.core.checks import Error, register\n\n\n"
        "@register()\ndef check(**_):\n    from django.db import connection\n"
        "    try:\n        connection.cursor().execute('CREATE TABLE written ()')\n"
        "    except Exception as error:\n        return [Error(str(error), id='announcements.E005')]\n"
        "    return []\n",
    )
    past.write(
        "announcements/apps.py",
        "from django.apps import AppConfig\n\n\nclass Config(AppConfig):\n    name = 'announcements'\n\n"
        "    def ready(self):\n        from announcements import checks\n",
    )
    run = past.run("doctor")

    assert (run.code, ids(run), run.named("release.hinted")) == (8, ["release.refused"], [])
    assert "announcements.E005" in str(the(run, "release.refused")["seen"])
    assert "read-only transaction" in str(the(run, "release.refused")["seen"])
