"""The backup hook: called before the first write, and nothing is written when it fails."""

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import TENANTS
from tests.support.binaries import bin_dir, environment
from tests.support.release import Database, Project
from tests.support.unwell import borrowed

SCHEMAS = ("public", "athena", "kypseli", "piraeus")
BAD_HOOKS = {
    "exception": "raise ValueError('bucket is full')",
    "database error": "from django.db import connection as c; c.cursor().execute('SELECT * FROM nowhere')",
    "SystemExit": "raise SystemExit(1)",
    "SystemExit without an error": "raise SystemExit(0)",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
}


def python(script: str) -> str:
    """A command that runs this Python."""
    return shlex.join([sys.executable, "-c", script])


def hook(project: Project, body: str) -> str:
    """A callable with this body; returns its path."""
    project.write("hooks.py", f"import json, pathlib, time\n\n\ndef back_up(context):\n    {body}\n")
    return "hooks.back_up"


def levels(project: Project) -> str:
    """The migration records and tables of everything."""
    records = ", ".join(f"(SELECT count(*) FROM {schema}.django_migrations)" for schema in SCHEMAS)
    tables = "(SELECT string_agg(oid::text, ',' ORDER BY oid) FROM pg_class)"
    return project.database.sql(f"SELECT {records}, {tables}")


@pytest.fixture(scope="module")
def shared(server, template, tmp_path_factory) -> Iterator[tuple[Database, str]]:
    """A database that is two releases behind, to which nothing is written here, and what is in it."""
    with borrowed(server, template(*TENANTS), tmp_path_factory.mktemp("shared")) as project:
        yield project.database, levels(project)


@pytest.fixture
def unwritten(shared, tmp_path) -> Iterator[Project]:
    """The project with that database; the test fails if anything was written to it."""
    database, before = shared
    project = Project(tmp_path / "project", database)
    yield project
    assert levels(project) == before


COUNT = "SELECT count(*) FROM athena.django_migrations"
# Notes everything that a backup command can know.
TELLING = f"""
import json, os, pathlib, subprocess, sys
told = {{
    "environment": {{name: value for name, value in os.environ.items() if name.startswith("PG")}},
    "processes": subprocess.getoutput(f"ps -ww -o args= -p {{os.getpid()}} -p {{os.getppid()}}"),
    "records": subprocess.check_output({[str(bin_dir() / "psql"), "-XAtc", COUNT]}, text=True).strip(),
    "words": sys.argv[1:],
}}
with pathlib.Path("told.json").open("a") as file: print(json.dumps(told), file=file)
"""


@dataclass(frozen=True)
class Told:
    """What the backup command of a release noted, each time that it was called."""

    project: Project
    records_before: str
    calls: list[dict[str, Any]]


@pytest.fixture(scope="module")
def told(server, template, tmp_path_factory) -> Iterator[Told]:
    """The release of a new interpreter: a forked one has other arguments than those that it was given."""
    with borrowed(server, template(*TENANTS), tmp_path_factory.mktemp("told")) as project:
        before = project.database.sql(COUNT)
        command = f"{python(TELLING)} 'two words' $HOME '*' \"it's\" ';' '' &"
        run = project.run("--no-collectstatic", RELEASE_BACKUP_COMMAND=command, TEST_COLD="1")
        assert run.code == 0, run.text
        lines = (project.folder / "told.json").read_text().splitlines()
        yield Told(project, before, [json.loads(line) for line in lines])


@pytest.mark.xdist_group("told")
def test_the_command_finds_the_database_in_its_environment(told: Told):
    url = urlsplit(told.project.database.url)

    assert told.calls[0]["environment"] == {
        "PGHOST": url.hostname,
        "PGPORT": str(url.port),
        "PGDATABASE": url.path[1:],
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
    }


@pytest.mark.xdist_group("told")
def test_no_password_is_in_any_argument(told: Told):
    processes = told.calls[0]["processes"]

    assert "run_migrations.py" in processes
    assert urlsplit(told.project.database.url).password not in processes


@pytest.mark.xdist_group("told")
def test_the_backup_sees_the_database_as_it_was(told: Told):
    assert told.calls[0]["records"] == told.records_before != told.project.database.sql(COUNT)


@pytest.mark.xdist_group("told")
def test_the_backup_runs_once(told: Told):
    assert len(told.calls) == 1


@pytest.mark.xdist_group("told")
def test_words_are_taken_as_they_are_without_a_shell(told: Told):
    assert told.calls[0]["words"] == ["two words", "$HOME", "*", "it's", ";", "", "&"]


def test_pg_dump_as_the_backup_command_leaves_a_dump_that_can_be_read(past: Project, begin):
    dump = past.folder / "before.dump"
    command = shlex.join([str(bin_dir() / "pg_dump"), "-Fc", "-f", str(dump)])
    run = begin(past, RELEASE_BACKUP_COMMAND=command).finish()

    listed = subprocess.run(
        [bin_dir() / "pg_restore", "--list", dump],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert run.code == 0, run.text
    assert re.search(r"TABLE DATA athena buildings_building ", listed)
    assert "membership_building_role" not in listed  # an index of a migration that came after


def test_the_command_runs_on_the_connection_of_the_release(past: Project, begin):
    url = urlsplit(past.database.url)._replace(query="sslmode=disable").geturl()
    command = "sh -c 'echo $PGDATABASE $PGSSLMODE > told'"
    run = begin(past, RELEASE_BACKUP_COMMAND=command, RELEASE_DATABASE_URL=url).finish()

    assert run.code == 0, run.text
    assert (past.folder / "told").read_text().split() == [urlsplit(url).path[1:], "disable"]


def test_a_callable_is_told_what_is_about_to_change(past: Project, begin):
    path = hook(
        past,
        "pathlib.Path('told.json').write_text(json.dumps("
        "[context.database, context.run_id, context.schemas, context.migrations]))",
    )
    run = begin(past, RELEASE_BACKUP_HOOK=path).finish()

    database, run_id, schemas, migrations = json.loads((past.folder / "told.json").read_text())
    assert (database, run_id) == (urlsplit(past.database.url).path[1:], run.report["run_id"])
    assert schemas == list(SCHEMAS)
    assert ["users", "0002_user_phone"] in migrations
    assert len(migrations) == len({tuple(step) for step in migrations})


def test_a_callable_can_be_named_in_the_settings(past: Project, begin):
    path = hook(past, "pathlib.Path('called').touch()")
    past.settings(f"RAILWAY_RELEASE = {{'BACKUP_HOOK': {path!r}}}")

    assert begin(past).finish().code == 0
    assert (past.folder / "called").exists()


def test_a_narrowed_release_tells_the_backup_only_what_it_will_change(past: Project, begin):
    path = hook(past, "pathlib.Path('told.json').write_text(json.dumps(context.schemas))")
    begin(past, "--schema", "athena", RELEASE_BACKUP_HOOK=path).finish()

    assert json.loads((past.folder / "told.json").read_text()) == ["athena"]


def test_without_pending_work_there_is_no_backup(current: Project, begin):
    run = begin(current, RELEASE_BACKUP_COMMAND="sh -c 'echo called >> told'").finish()

    assert (run.code, run.report["backup"], run.named("backup.finished")) == (0, "", [])
    assert not (current.folder / "told").exists()


def test_commands_that_only_look_make_no_backup(unwritten: Project):
    unwritten.run("plan", RELEASE_BACKUP_COMMAND="sh -c 'echo called >> told'")
    unwritten.run("--dry-run", RELEASE_BACKUP_COMMAND="sh -c 'echo called >> told'")

    assert not (unwritten.folder / "told").exists()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("false", "exit code 1"),
        ("sh -c 'exit 42'", "exit code 42"),
        ("sh -c 'kill -9 $$'", "signal SIGKILL"),
        ("no-such-program --now", "cannot be started"),
        ("./hooks", "cannot be started"),
    ],
)
def test_a_command_that_fails_ends_the_release_before_any_write(unwritten: Project, begin, command, words):
    run = begin(unwritten, RELEASE_BACKUP_COMMAND=command).finish()

    assert (run.code, run.report["error"]) == (5, "backup.failed")
    assert words in run.event("release.failed")["message"]


@pytest.mark.parametrize("body", BAD_HOOKS.values(), ids=BAD_HOOKS)
def test_a_callable_that_fails_ends_the_release_before_any_write(unwritten: Project, begin, body):
    run = begin(unwritten, RELEASE_BACKUP_HOOK=hook(unwritten, body)).finish()

    assert (run.code, run.report["error"]) == (5, "backup.failed"), run.text


def test_a_class_may_be_the_provider_and_says_what_it_has_done(past: Project, begin):
    past.write(
        "hooks.py",
        "from railway_release.backup.provider import BackedUp, BackupContext\n\n\n"
        "class Tape:\n"
        "    def back_up(self, context: BackupContext) -> BackedUp:\n"
        "        return BackedUp(f'{len(context.schemas)} schemas on tape 7')\n",
    )
    run = begin(past, RELEASE_BACKUP_HOOK="hooks.Tape").finish()

    assert run.code == 0, run.text
    assert "backed up 4 schemas on tape 7 in " in run.event("backup.finished")["message"]


def test_the_cause_of_a_failed_callable_is_told(unwritten: Project, begin):
    run = begin(unwritten, RELEASE_BACKUP_HOOK=hook(unwritten, BAD_HOOKS["exception"])).finish()

    assert "hooks.back_up failed: ValueError: bucket is full" in run.event("release.failed")["message"]


@pytest.mark.parametrize("kind", ["command", "hook"])
def test_a_backup_that_takes_too_long_ends_the_release_before_any_write(unwritten: Project, begin, kind):
    value = "sleep 600" if kind == "command" else hook(unwritten, "time.sleep(600)")
    run = begin(unwritten, "--backup-timeout", "1", **{f"RELEASE_BACKUP_{kind.upper()}": value}).finish(
        seconds=10
    )

    assert run.code == 5
    assert "did not end within 1 s" in run.event("release.failed")["message"]


def test_no_tenant_is_reported_as_touched_when_the_backup_failed(unwritten: Project, begin):
    run = begin(unwritten, RELEASE_BACKUP_COMMAND="false").finish()

    assert set(run.states.values()) <= {"not reached"}
    assert "collectstatic" not in run.report["phases_ms"]


def test_what_the_command_prints_is_in_the_log(unwritten: Project, begin):
    run = begin(unwritten, RELEASE_BACKUP_COMMAND="sh -c 'echo one; echo two >&2; echo; exit 3'").finish()

    assert [event["message"] for event in run.named("backup.printed")] == ["one", "two"]


def test_output_that_is_no_text_does_not_harm(past: Project, begin):
    run = begin(
        past, RELEASE_BACKUP_COMMAND=python("import sys; sys.stdout.buffer.write(bytes(range(256)) * 9)")
    ).finish()

    assert run.code == 0, run.text


def test_a_child_that_keeps_the_output_open_is_not_waited_for(past: Project, begin):
    started = time.monotonic()
    run = begin(past, RELEASE_BACKUP_COMMAND="sh -c 'sleep 30 & echo started'").finish(seconds=20)

    assert run.code == 0
    assert time.monotonic() - started < 15
    assert run.event("backup.printed")["message"] == "started"


def test_a_shell_is_used_on_request(past: Project, begin):
    run = begin(
        past, "--backup-shell", RELEASE_BACKUP_COMMAND='test -n "$PGHOST" && echo "$PGDATABASE" > told'
    ).finish()

    assert run.code == 0, run.text
    assert (past.folder / "told").read_text().strip() == urlsplit(past.database.url).path[1:]


def test_a_failure_inside_a_shell_is_a_failure(unwritten: Project, begin):
    run = begin(unwritten, "--backup-shell", RELEASE_BACKUP_COMMAND="false; exit 9").finish()

    assert run.code == 5


def test_a_command_that_cannot_be_split_into_words_is_a_mistake_in_the_configuration(
    unwritten: Project, begin
):
    run = begin(unwritten, RELEASE_BACKUP_COMMAND="pg_dump 'no end").finish()

    assert (run.code, run.report["error"]) == (2, "configuration.invalid"), run.text


@pytest.mark.parametrize(
    "path", ["hooks.back_up", "config.settings.no_such_name", "config.settings.DEBUG", "nodots"]
)
def test_a_hook_that_is_not_there_is_a_mistake_in_the_configuration(unwritten: Project, begin, path):
    run = begin(unwritten, RELEASE_BACKUP_HOOK=path).finish()

    assert (run.code, run.report["error"]) == (2, "configuration.invalid"), run.text
    assert path in run.event("release.failed")["message"]


def test_a_hook_whose_module_raises_is_a_mistake_in_the_configuration(unwritten: Project, begin):
    unwritten.write("hooks.py", "raise RuntimeError('no bucket configured')\n")
    run = begin(unwritten, RELEASE_BACKUP_HOOK="hooks.back_up").finish()

    assert (run.code, "no bucket configured" in run.text) == (2, True), run.text


@pytest.mark.parametrize(
    ("environ", "warned"),
    [
        ({"RAILWAY_ENVIRONMENT_NAME": "production"}, 1),
        ({"RAILWAY_ENVIRONMENT_NAME": "production", "DEBUG": "1"}, 0),
        ({}, 0),
    ],
)
def test_production_without_a_backup_is_warned_about(past: Project, begin, environ, warned):
    run = begin(past, **environ).finish()

    assert (run.code, [event["level"] for event in run.named("backup.missing")]) == (0, ["warn"] * warned)


def test_a_release_without_pending_work_does_not_warn_of_a_missing_backup(current: Project, begin):
    run = begin(current, RAILWAY_ENVIRONMENT_NAME="production").finish()

    assert run.named("backup.missing") == []


def test_a_backup_can_be_required(unwritten: Project, begin):
    run = begin(unwritten, "--require-backup").finish()

    assert (run.code, run.report["error"]) == (5, "backup.failed")


def test_a_required_backup_that_works_is_enough(past: Project, begin):
    assert begin(past, "--require-backup", RELEASE_BACKUP_COMMAND="true").finish().code == 0


def test_a_skipped_backup_is_in_log_and_report(past: Project, begin):
    run = begin(past, "--skip-backup", RELEASE_BACKUP_COMMAND="sh -c 'echo called >> told; false'").finish()

    assert run.code == 0
    assert not (past.folder / "told").exists()
    assert "--skip-backup" in run.report["backup"]
    assert "--skip-backup" in run.event("backup.finished")["message"]


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        (["--skip-backup", "--require-backup"], {}),
        ([], {"RELEASE_BACKUP_COMMAND": "true", "RELEASE_BACKUP_HOOK": "hooks.back_up"}),
    ],
)
def test_options_that_contradict_each_other_are_refused(unwritten: Project, begin, words, environ):
    assert begin(unwritten, *words, **environ).finish().code == 2
