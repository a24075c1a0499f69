"""The project's own code misbehaves in one tenant; the others are migrated all the same."""

import pytest

from tests.support.release import Project, Run
from tests.support.running import only_in, run_sql
from tests.support.schemas import copy_tenant
from tests.support.unwell import borrowed

LAST = "0003_announcement_pinned"
OTHERS = {"public": "migrated", "athena": "migrated", "piraeus": "migrated"}
BROKEN = {
    "sys.exit": "sys.exit()",
    "sys.exit with success": "sys.exit(0)",
    "sys.exit with a code": "sys.exit(3)",
    "sys.exit with words": "sys.exit('the import failed')",
    "MemoryError": "raise MemoryError",
    "RecursionError": "broken(apps, editor)",
    "AssertionError": "assert False",
    "CommandError": "from django.core.management import CommandError; raise CommandError('no')",
    "an exception without words": "raise Exception",
    "an exception whose text fails": "raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})",
    "aborted transaction": "__import__('contextlib').suppress(Exception).__enter__(); swallow(editor)",
}
CODE = """import sys


def swallow(editor):
    try:
        editor.execute('SELECT 1/0')
    except Exception:
        pass


def broken(apps, editor):
    if editor.connection.schema_name == 'kypseli':
        {}
"""


def tenant(way: str) -> str:
    """The tenant in which something breaks in this way."""
    return way.replace(".", "_")


@pytest.fixture(scope="module")
def broken(server, template, tmp_path_factory) -> Run:
    """A release of a tenant for each way, and after each a tenant in which nothing breaks."""
    with borrowed(server, template("athena"), tmp_path_factory.mktemp("broken")) as project:
        for way in BROKEN:
            copy_tenant(project.database, "athena", tenant(way), f"{tenant(way)}, then well")
        ways = "".join(
            f"    if schema == {tenant(way)!r}:\n        {statement}\n" for way, statement in BROKEN.items()
        )
        code = CODE.partition("    if editor")[0] + f"    schema = editor.connection.schema_name\n{ways}"
        project.migration("announcements", "0004_broken", LAST, "migrations.RunPython(broken)", code)
        return project.run("--no-collectstatic")


@pytest.mark.xdist_group("broken")
@pytest.mark.parametrize("way", BROKEN)
def test_a_migration_that_breaks_in_one_tenant_leaves_the_others_alone(broken: Run, way: str):
    outcome = broken.outcome(tenant(way))

    assert (broken.code, outcome["state"], outcome["attempts"]) == (7, "failed", 1), broken.text
    assert outcome["failed_at"] == "announcements.0004_broken"
    assert broken.states[f"{tenant(way)}, then well"] == "migrated"
    assert {broken.states[name] for name in ("public", "athena")} == {"migrated"}


@pytest.mark.parametrize("name", ["KeyboardInterrupt", "GeneratorExit"])
def test_a_migration_that_raises_what_is_no_error_does_not_take_the_summary_away(past: Project, begin, name):
    code = CODE.format(f"raise {name}")
    past.migration("announcements", "0004_broken", LAST, "migrations.RunPython(broken)", code)
    run = begin(past).finish()

    assert run.code != 0
    assert (run.events[-1]["event"], run.stderr) == ("release.finished", "")
    assert (run.states["athena"], run.states["kypseli"] in ("failed", "not reached")) == ("migrated", True)


def test_a_migration_that_closes_its_connection_fails_alone(past: Project, begin):
    code = CODE.format("editor.connection.close(); editor.execute('SELECT 1')")
    past.migration("announcements", "0004_broken", LAST, "migrations.RunPython(broken)", code)
    run = begin(past, "--retry-for", "1").finish()

    assert (run.code, run.states) == (7, {**OTHERS, "kypseli": "failed"}), run.text


def test_a_migration_that_exits_in_the_shared_schema_ends_the_release_with_6(past: Project, begin):
    code = (
        "import sys\n\n\n"
        "def leave(apps, editor):\n"
        "    if editor.connection.schema_name == 'public':\n"
        "        sys.exit(0)\n"
    )
    past.migration("users", "0003_leave", "0002_user_phone", "migrations.RunPython(leave)", code)
    run = begin(past).finish()

    assert (run.code, run.states["public"], run.states["athena"]) == (6, "failed", "not reached")


SIGNALS = {
    "schema_pre_migration": "django_tenants.signals",
    "schema_migrated": "django_tenants.signals",
    "pre_migrate": "django.db.models.signals",
    "post_migrate": "django.db.models.signals",
}


def receiver(project: Project, signal: str, body: str) -> None:
    """The project listens to a signal; the body runs for kypseli only."""
    project.write(
        "announcements/apps.py",
        "import sys\n\nfrom django.apps import AppConfig\n\n\n"
        "def receive(sender, schema_name='', **kwargs):\n"
        "    from django.db import connection\n\n"
        "    if 'kypseli' in (schema_name, connection.schema_name):\n"
        f"        {body}\n\n\n"
        "class AnnouncementsConfig(AppConfig):\n"
        "    name = 'announcements'\n\n"
        "    def ready(self):\n"
        f"        from {SIGNALS[signal]} import {signal}\n\n"
        f"        {signal}.connect(receive)\n",
    )


WAYS = ("raises", "exits")
RECEIVERS = f"""
import sys
from functools import partial
from importlib import import_module

from django.apps import AppConfig


def receive(which, sender, schema_name="", **kwargs):
    from django.db import connection

    schemas = (schema_name, connection.schema_name)
    if which + " raises" in schemas:
        raise RuntimeError("the receiver is broken")
    if which + " exits" in schemas:
        sys.exit(0)


class AnnouncementsConfig(AppConfig):
    name = "announcements"

    def ready(self):
        for signal, module in {SIGNALS}.items():
            getattr(import_module(module), signal).connect(partial(receive, signal), weak=False)
"""


@pytest.fixture(scope="module")
def unheard(server, template, tmp_path_factory) -> Run:
    """A release of a tenant for each signal and way, and after each a tenant in which nothing breaks."""
    with borrowed(server, template("athena"), tmp_path_factory.mktemp("unheard")) as project:
        for name in (f"{signal} {way}" for signal in SIGNALS for way in WAYS):
            copy_tenant(project.database, "athena", name, f"{name}, then well")
        project.write("announcements/apps.py", RECEIVERS)
        return project.run("--no-collectstatic")


@pytest.mark.xdist_group("broken")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("signal", SIGNALS)
def test_a_signal_receiver_that_breaks_in_one_tenant_leaves_the_others_alone(unheard: Run, signal, way):
    assert (unheard.code, unheard.states[f"{signal} {way}"]) == (7, "failed"), unheard.text
    assert unheard.states[f"{signal} {way}, then well"] == "migrated"
    assert {unheard.states[name] for name in ("public", "athena")} == {"migrated"}


def test_the_words_of_a_broken_receiver_are_told(past: Project, begin):
    receiver(past, "schema_migrated", "raise RuntimeError('the receiver is broken')")
    run = begin(past).finish()

    message = run.outcome("kypseli")["message"]
    assert message.startswith("the receiver is broken (RuntimeError in "), message


def test_what_was_applied_before_a_receiver_broke_is_told(past: Project, begin):
    receiver(past, "schema_migrated", "raise RuntimeError('the receiver is broken')")
    run = begin(past).finish()

    assert run.outcome("kypseli")["applied"] == run.outcome("athena")["applied"]
    again = begin(past, name="next").finish().outcome("kypseli")
    assert (again["state"], again["applied"]) == ("failed", [])  # the receiver is called again


@pytest.mark.parametrize(
    "statement",
    [
        "SET lock_timeout = 0",
        "SET search_path = public",
        "SET ROLE pg_monitor",
        "SET default_transaction_read_only = on",
        "SET standard_conforming_strings = off",
    ],
)
def test_what_a_migration_changes_in_its_session_does_not_reach_the_next_tenant(
    past: Project, begin, statement
):
    past.migration(
        "buildings", "0007_rude", "0006_fill_slugs", run_sql(statement) + "]\n    atomic = False\n    _ = ["
    )
    run = begin(past, "--tolerate-failed", "3", "--verify", "warn").finish()

    for schema in ("athena", "kypseli", "piraeus"):
        assert "0006_fill_slugs" in past.database.applied(schema, "buildings"), run.text


def test_the_others_are_migrated_when_one_tenant_makes_a_table_of_its_own_beforehand(past: Project, begin):
    past.database.sql("CREATE TABLE kypseli.announcements_announcement_audience (id int)")
    run = begin(past).finish()

    outcome = run.outcome("kypseli")
    assert (run.code, run.states) == (7, {**OTHERS, "kypseli": "failed"})
    assert (outcome["sqlstate"], outcome["failed_at"]) == (
        "42P07",
        "announcements.0002_announcement_audience",
    )


def test_a_tenant_that_failed_is_rolled_back_to_its_last_whole_migration(past: Project, begin):
    steps = [run_sql("CREATE TABLE made (id int)"), run_sql(only_in("kypseli", "RAISE EXCEPTION 'no';"))]
    past.migration("announcements", "0004_made", LAST, ", ".join(steps))
    begin(past).finish()

    assert ["made" in past.database.tables(s) for s in ("athena", "kypseli", "piraeus")] == [
        True,
        False,
        True,
    ]
