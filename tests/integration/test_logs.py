"""Log lines: one JSON object each for machines, readable ones for people, and nothing beside them."""

import json
import re
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import TENANTS
from tests.support.release import Project, Run
from tests.support.terminal import on_terminal
from tests.support.unwell import borrowed

pytestmark = pytest.mark.xdist_group("logs")  # releases at which several tests look are made once

RAILWAY = {
    "RAILWAY_DEPLOYMENT_ID": "d-1",
    "RAILWAY_SERVICE_NAME": "web",
    "RAILWAY_ENVIRONMENT_NAME": "production",
    "RAILWAY_GIT_COMMIT_SHA": "c0ffee",
}
LOGGING = """
LOGGING = {{
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {{"it": {handler}}},
    "root": {{"handlers": ["it"], "level": "INFO"}},
    "loggers": {{"buildings": {{"handlers": ["it"], "level": "INFO", "propagate": False}}}},
}}
"""


def lines(run: Run) -> list[dict[str, object]]:
    """Each line of stdout, which must be one JSON object."""
    return [json.loads(line) for line in run.stdout.splitlines()]


def shared_migration(project: Project, body: str) -> None:
    """Let a migration of the shared schema run some Python."""
    text = f"import logging, os, subprocess, sys, warnings\n\n\ndef run(apps, editor):\n    {body}\n"
    project.migration("users", "0003_python", "0002_user_phone", "migrations.RunPython(run)", extra=text)


def messages(run: Run, event: str = "") -> list[object]:
    return [one["message"] for one in lines(run) if event in ("", one["event"])]


@pytest.fixture(scope="module")
def released(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    """A release with something to warn of."""
    with borrowed(server, template(*TENANTS), tmp_path_factory.mktemp("released")) as project:
        yield project.run(RELEASE_LOCK_WAITS="1")


@pytest.fixture(scope="module")
def debugged(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    """The same with all that is said."""
    with borrowed(server, template(*TENANTS), tmp_path_factory.mktemp("debugged")) as project:
        yield project.run("--log-level", "debug", RELEASE_LOCK_WAITS="1")


@pytest.fixture(scope="module")
def planned(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    """A plan on Railway."""
    with borrowed(server, template(*TENANTS), tmp_path_factory.mktemp("planned")) as project:
        yield project.run("plan", **RAILWAY)


def test_every_line_on_stdout_is_one_json_object_and_stderr_is_empty(released: Run):
    assert {type(line) for line in lines(released)} == {dict}
    assert released.stderr == ""


def test_every_line_has_what_railway_and_its_search_need(debugged: Run):
    said = lines(debugged)

    events = {line["event"] for line in said}
    assert {line["level"] for line in said} <= {"debug", "info", "warn", "error"}
    assert [event for event in events if not re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", str(event))] == []
    assert [line for line in said if not isinstance(line["message"], str) or not line["message"]] == []


def test_every_line_carries_the_run_id_of_the_report(past: Project):
    """Also what threads log: of the backup, of captured output, of the migration itself."""
    thread = "one = threading.Thread(target=logging.error, args=('stuck',)); one.start(); one.join()"
    shared_migration(past, f"print('the lift', flush=True); import threading; {thread}")
    run = past.run("--log-level", "debug", RELEASE_BACKUP_COMMAND="echo saved", **RAILWAY)

    threads = {line["event"]: line for line in lines(run)}
    assert {"output.captured", "backup.printed", "log.forwarded"} <= threads.keys()
    assert {(line["run_id"], line["deployment"]) for line in lines(run)} == {(run.report["run_id"], "d-1")}
    assert threads["backup.printed"]["phase"] == "backup"


def test_what_a_backup_hook_logs_carries_run_id_and_phase(past: Project):
    past.write("config/backup.py", "import logging\n\n\ndef hook(context):\n    logging.error('saved')\n")
    run = past.run("--shared-only", "--backup-hook", "config.backup.hook")

    (line,) = run.named("log.forwarded")
    assert (line["message"], line["run_id"], line["phase"]) == ("saved", run.report["run_id"], "backup")


# A forged line, a cleared screen and a cursor that moves; the last three are controls of their own.
FORGED = "boom\n00:00:00  athena migrated (11 in 0.1 s)\x1b[2J\x1b[1A\x9b31m\u2028\u202e"
RAISING = "print({0!r}); logging.error({0!r}); raise RuntimeError({0!r})"


def test_nothing_that_a_migration_says_can_pass_for_a_line_or_move_the_cursor(past: Project):
    """On a terminal, where a bar stands below the lines; the traceback keeps its lines."""
    extra = f"import logging\n\n\ndef run(apps, editor):\n    {RAISING.format(FORGED)}\n"
    past.migration("buildings", "0007_raise", "0006_fill_slugs", "migrations.RunPython(run)", extra=extra)
    seen = on_terminal(past, "--no-collectstatic", "--log-level", "debug", RELEASE_JOBS="2", NO_COLOR="1")

    text = seen.text.replace("\r\x1b[K", "")  # our own bar
    assert seen.code == 7, text
    assert re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", text) == []
    assert [line for line in text.split("\n") if line.startswith("00:00:00")] == []
    assert r"boom\n00:00:00  athena migrated (11 in 0.1 s)\x1b[2J\x1b[1A\x9b31m\u2028\u202e" in text


def test_the_same_is_valid_json_on_lines_of_its_own(past: Project):
    shared_migration(past, RAISING.format(FORGED))
    run = past.run("--shared-only", "--log-level", "debug")

    assert (run.code, run.stderr) == (6, "")
    assert {type(line) for line in lines(run)} == {dict}
    assert FORGED in run.event("schema.failed")["message"]


def test_two_runs_have_different_ids(released: Run, debugged: Run):
    assert released.report["run_id"] != debugged.report["run_id"]


def test_every_line_carries_what_railway_tells_of_the_deployment(planned: Run):
    told = [
        {line.get(name) for line in lines(planned)}
        for name in ("deployment", "service", "environment", "commit")
    ]
    assert told == [{"d-1"}, {"web"}, {"production"}, {"c0ffee"}]


def test_each_phase_of_a_release_ends_with_its_duration(released: Run):
    finished = [(event["phase"], event["duration_ms"] >= 0) for event in released.named("phase.finished")]
    phases = ("preflight", "lock", "plan", "shared", "tenants", "verify", "collectstatic")
    assert finished == [(phase, True) for phase in phases]


def test_a_phase_with_nothing_to_do_has_no_line(current: Project):
    run = current.run("--no-collectstatic")

    assert [event["phase"] for event in run.named("phase.finished")] == ["preflight", "lock", "plan"]
    assert run.named("migrations.bounded") == []


def test_each_migrated_schema_is_a_line_with_its_phase_and_duration(released: Run):
    events = released.named("schema.migrated")
    assert [(event["schema"], event["phase"]) for event in events] == [
        ("public", "shared"),
        ("athena", "tenants"),
        ("kypseli", "tenants"),
        ("piraeus", "tenants"),
    ]
    assert [event["duration_ms"] for event in events if not event["duration_ms"] > 0] == []


# What projects do to stdout and stderr, in a migration; the last line has no end.
PRINTING = {
    "print": "print('by print')",
    "stderr": "print('by stderr', file=sys.stderr)",
    "bytes": "sys.stdout.buffer.write(b'by bytes\\n')",
    "original": "print('by original', file=sys.__stdout__, flush=True)",
    "descriptor": "os.write(1, b'by descriptor\\n')",
    "child": "subprocess.run(['echo', 'by child'], check=True)",
    "no newline": "sys.stdout.write('by no newline')",
}


def test_what_a_migration_prints_becomes_a_line_of_the_log(past: Project):
    shared_migration(past, "\n    ".join(PRINTING.values()))

    run = past.run("--shared-only", "--no-collectstatic", "--log-level", "debug")

    assert (run.code, run.stderr) == (0, ""), run.text
    printed = [str(one) for one in messages(run, "output.captured") if str(one).startswith("by ")]
    assert sorted(printed) == sorted(f"by {way}" for way in PRINTING)


def test_a_warning_in_a_migration_becomes_a_line_of_the_log(past: Project):
    shared_migration(past, "warnings.warn('the lift is old')")

    run = past.run("--shared-only", "--no-collectstatic")

    assert (run.code, run.stderr) == (0, "")
    assert ["the lift is old" in str(one) for one in messages(run, "log.forwarded")] == [True]


def test_what_the_settings_print_becomes_a_line_of_the_log(past: Project):
    past.settings("import sys\nprint('loading')\nprint('also loading', file=sys.stderr)")

    run = past.run("plan", "--log-level", "debug")

    assert (messages(run, "output.captured"), run.stderr) == (["loading", "also loading"], "")


def test_settings_may_treat_stdout_and_stderr_as_real_files(past: Project):
    past.settings(
        "import faulthandler, sys\n"
        "sys.stdout.reconfigure(line_buffering=True)\n"
        "faulthandler.enable()\n"
        "sys.stdout.encoding.lower()\n"
        "sys.stdout.fileno()\n"
        "sys.stdout.buffer.flush()\n"
        "assert not sys.stdout.isatty()"
    )

    run = past.run("plan")

    assert run.code == 9, run.text


CONSOLE_HANDLERS = {
    "default stream": {"class": "logging.StreamHandler"},
    "stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"},
    "original stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.__stdout__"},
    "device": {"class": "logging.FileHandler", "filename": "/dev/stdout"},
}


@pytest.mark.parametrize("handler", CONSOLE_HANDLERS.values(), ids=CONSOLE_HANDLERS)
def test_a_console_handler_of_the_project_gives_way(past: Project, handler: dict[str, str]):
    past.settings(LOGGING.format(handler=handler))
    shared_migration(past, "logging.getLogger('buildings').warning('the lift %s', 'is old')")

    run = past.run("--shared-only", "--no-collectstatic")

    found = [
        (one["message"], one["logger"], one["level"]) for one in lines(run) if one["event"] == "log.forwarded"
    ]
    assert (found, run.stderr) == ([("the lift is old", "buildings", "warn")], "")


def test_a_handler_that_sends_records_elsewhere_stays(past: Project):
    path = past.folder / "sent"
    past.write(
        "config/sentry.py",
        "import logging\n\n\nclass Handler(logging.Handler):\n    def emit(self, record):\n"
        f"        with open({str(path)!r}, 'a') as file:\n"
        "            print(record.getMessage(), file=file)\n",
    )
    past.settings(LOGGING.format(handler={"class": "config.sentry.Handler", "level": "ERROR"}))
    shared_migration(past, "logging.getLogger('buildings').error('the lift is stuck')")

    run = past.run("--shared-only", "--no-collectstatic")

    assert (run.code, path.read_text()) == (0, "the lift is stuck\n")


def test_a_handler_that_writes_a_file_stays(past: Project):
    path = past.folder / "app.log"
    past.settings(LOGGING.format(handler={"class": "logging.FileHandler", "filename": str(path)}))
    shared_migration(past, "logging.getLogger('buildings').warning('the lift is old')")

    run = past.run("--shared-only", "--no-collectstatic")

    assert (run.code, "the lift is old\n" in path.read_text()) == (0, True)


def test_each_migration_is_named_at_debug_level_only(released: Run, debugged: Run):
    named = [event["migration"] for event in debugged.named("migration.applied")]
    assert ("buildings.0006_fill_slugs" in named, released.named("migration.applied")) == (True, [])


def test_what_django_and_django_tenants_print_is_shown_at_debug_level_only(past: Project):
    shown = past.run("--schema", "athena", "--log-level", "debug", "--engine", "stock")
    hidden = past.run("--schema", "kypseli", "--engine", "stock")

    captured = [event["message"] for event in shown.named("output.captured")]
    assert [line for line in captured if "buildings.0006_fill_slugs" in line] != []
    assert hidden.named("output.captured") == []


def test_the_log_level_leaves_out_what_is_below_it(released: Run, debugged: Run):
    assert (debugged.code, {event["level"] for event in debugged.events}) == (0, {"debug", "info", "warn"})
    assert (released.code, {event["level"] for event in released.events}) == (0, {"info", "warn"})


@pytest.mark.parametrize(("level", "levels"), [("warning", {"warn"}), ("error", set())])
def test_a_higher_log_level_leaves_out_what_is_below_it(past: Project, level: str, levels: set[str]):
    run = past.run("--log-level", level, RELEASE_LOCK_WAITS="1")

    assert (run.code, {event["level"] for event in run.events}) == (0, levels)


def test_lines_are_readable_without_a_terminal(past: Project):
    run = past.run(RELEASE_LOG_FORMAT="")

    assert (run.code, run.events, "\033" in run.stdout) == (0, [], False)
    assert re.search(r"^\d\d:\d\d:\d\d  athena migrated \(11 migrations in [\d.]+ s\)$", run.stdout, re.M), (
        run.stdout
    )


def test_railway_gets_json_even_when_the_level_is_wrong(past: Project):
    run = past.run("--log-level", "loud", **RAILWAY)

    assert (run.code, lines(run)[-1]["event"]) == (2, "release.finished")


def crash(project: Project) -> None:
    """Let the project's own code fail where nobody expects it, with something in a local variable."""
    project.write(
        "tenants/managers.py",
        "from django.db import models\n\n\nclass Manager(models.Manager):\n    def get_queryset(self):\n"
        "        local = ''.join(['local ', 'value'])\n"
        "        raise ArithmeticError(len(local))\n",
    )
    models = (project.folder / "tenants" / "models.py").read_text()
    models = models.replace(
        "class Client(TenantMixin):", "class Client(TenantMixin):\n    objects = Manager()\n"
    )
    project.write("tenants/models.py", f"from tenants.managers import Manager\n{models}")


def test_a_crash_is_one_json_line_with_exit_code_1_and_a_traceback_without_locals(past: Project):
    crash(past)

    run = past.run()

    trace = run.event("release.crashed")["message"]
    assert (run.code, trace.startswith("Traceback"), "ArithmeticError: 11" in trace) == (1, True, True)
    assert "local value" not in run.text
    assert (run.stderr, lines(run)[-1]["event"]) == ("", "release.finished")


def test_the_end_is_said_last_with_the_exit_code(planned: Run):
    last = lines(planned)[-1]
    assert last["event"] == "plan.finished"
    assert str(last["message"]).startswith("plan done (exit 9) in ")
