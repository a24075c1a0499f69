"""Flag, then environment, then Django settings, then default; every mistake at once."""

import subprocess
import sys

import pytest

from railway_release import __version__
from railway_release.config.config import Config
from railway_release.config.options import options_of, variable
from tests.support.release import PROGRAM, SCRIPT, Project, Run
from tests.support.snapshot import contents

COMMANDS = ("release", "plan", "verify", "check", "status")


def script(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the script where there is no project."""
    command = [sys.executable, str(SCRIPT), *words]
    return subprocess.run(
        command, cwd="/", env={"COLUMNS": "500"}, capture_output=True, text=True, check=False
    )


def failure(run: Run) -> str:
    """The message of the one error that ended the command."""
    (cause,) = run.report["causes"]
    return cause["message"]


def missing(text: str, *words: str) -> list[str]:
    """Those of the words that are not in the text."""
    return [word for word in words if word not in text]


def test_all_mistakes_of_all_sources_are_told_at_once(past: Project):
    past.settings("RAILWAY_RELEASE = {'RETRY_FOR': 'soon', 'LOCK_WAITS': 5}")

    run = past.run("--lock-timeout", "never", RELEASE_MAX_FAILURES="many")

    assert (run.code, run.report["error"]) == (2, "configuration.invalid")
    assert (
        missing(failure(run), "--lock-timeout", "RELEASE_MAX_FAILURES", '"RETRY_FOR"', '"LOCK_WAITS"') == []
    )


def test_contradictions_are_told_together_with_the_other_mistakes(past: Project):
    run = past.run(
        "--lock-timeout", "never", "--shared-only", "--tenants-only", "--skip-backup", "--require-backup"
    )

    expected = ("--lock-timeout", "--shared-only and --tenants-only", "--skip-backup and --require-backup")
    assert (run.code, missing(failure(run), *expected)) == (2, [])


def test_an_unknown_setting_suggests_the_right_one(past: Project):
    past.settings("RAILWAY_RELEASE = {'LOCK_TIMEOUTS': 5}")

    run = past.run()

    assert run.code == 2
    assert (
        'RAILWAY_RELEASE["LOCK_TIMEOUTS"]: there is no such setting; did you mean LOCK_TIMEOUT?'
        in failure(run)
    )


def test_a_setting_in_small_letters_suggests_the_right_one(past: Project):
    past.settings("RAILWAY_RELEASE = {'lock_timeout': 5}")

    run = past.run()

    assert (run.code, missing(failure(run), '"lock_timeout"', "did you mean LOCK_TIMEOUT?")) == (2, [])


def test_settings_that_are_no_dictionary_are_refused(past: Project):
    past.settings("RAILWAY_RELEASE = ['LOCK_TIMEOUT']")

    run = past.run()

    assert (run.code, run.report["error"]) == (2, "configuration.invalid")


def test_a_variable_that_is_nearly_right_is_warned_of(past: Project):
    run = past.run("plan", RELEASE_LOCK_TIMEOUTS="5")

    event = run.event("variable.unknown")
    assert (run.code, event["level"]) == (9, "warn")
    assert missing(event["message"], "RELEASE_LOCK_TIMEOUTS", "RELEASE_LOCK_TIMEOUT?") == []


def test_variables_of_other_tools_are_left_alone(past: Project):
    run = past.run("plan", RELEASE_VERSION="1.2.3", RELEASE_NOTES_TITLE="Lifts", RELEASE="2026.11")

    assert (run.code, run.named("variable.unknown")) == (9, [])


# The bound of a wait that ends in an error shows which source was heard.
@pytest.mark.parametrize(
    ("flag", "environ", "setting", "expected"),
    [
        ("0.1", "0.2", "0.3", "within 0.1 s"),
        ("", "0.2", "0.3", "within 0.2 s"),
        ("", "", "0.3", "within 0.3 s"),
        ("0.1", "", "0.3", "within 0.1 s"),
    ],
)
def test_the_flag_wins_over_the_environment_and_that_over_the_settings(
    past: Project, flag: str, environ: str, setting: str, expected: str
):
    past.settings(f"RAILWAY_RELEASE = {{'CONNECT_TIMEOUT': {setting}}}")
    words = ("--connect-timeout", flag) if flag else ()

    run = past.run(
        *words, DATABASE_URL="postgresql://app:word@127.0.0.1:1/railway", RELEASE_CONNECT_TIMEOUT=environ
    )

    assert (run.code, expected in failure(run)) == (3, True), failure(run)


def test_the_defaults_bound_every_migration(past: Project):
    run = past.run("--shared-only")

    message = run.event("migrations.bounded")["message"]
    assert missing(message, "a lock timeout of 3 s", "no statement timeout") == []


@pytest.mark.parametrize("source", ["flag", "environment", "settings"])
def test_the_report_is_written_wherever_its_path_was_set(past: Project, source: str):
    path = past.folder / "found" / "report.json"
    path.parent.mkdir()
    if source == "settings":
        past.settings(f"RAILWAY_RELEASE = {{'REPORT': {str(path)!r}}}")
    words = ("--report", str(path)) if source == "flag" else ()

    past.run("plan", *words, RELEASE_REPORT=str(path) if source == "environment" else "")

    assert path.exists()


@pytest.mark.parametrize("source", ["flag", "environment", "settings"])
def test_the_log_level_is_heard_wherever_it_was_set(past: Project, source: str):
    if source == "settings":
        past.settings("RAILWAY_RELEASE = {'LOG_LEVEL': 'error'}")
    words = ("--log-level", "error") if source == "flag" else ()

    run = past.run("plan", *words, RELEASE_LOG_LEVEL="error" if source == "environment" else "")

    assert (run.code, {event["level"] for event in run.events} - {"error"}) == (9, set())


@pytest.mark.parametrize("word", ["1", "true", "YES", "on"])
def test_a_switch_in_the_environment_is_turned_on_by_the_usual_words(past: Project, word: str):
    run = past.run(RELEASE_REQUIRE_BACKUP=word)

    assert run.code == 5


@pytest.mark.parametrize("word", ["0", "false", "No", "off", ""])
def test_a_switch_in_the_environment_is_turned_off_by_the_usual_words(past: Project, word: str):
    run = past.run("--shared-only", RELEASE_REQUIRE_BACKUP=word)

    assert run.code == 0


def test_the_negative_of_a_switch_wins_over_the_environment(past: Project):
    run = past.run("--shared-only", "--no-require-backup", RELEASE_REQUIRE_BACKUP="1")

    assert run.code == 0


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        (("--shared-only", "--tenants-only"), {}),
        (("--skip-backup", "--require-backup"), {}),
        (("--skip-backup",), {"RELEASE_REQUIRE_BACKUP": "1"}),
        (("--backup-command", "true", "--backup-hook", "config.backup"), {}),
        (("--shared-only", "--schema", "athena"), {}),
        (("--app", "buildings", "zero"), {}),
        (("--app", "buildings", "0004", "0005"), {}),
    ],
)
def test_contradictions_are_refused_before_any_write(
    past: Project, words: tuple[str, ...], environ: dict[str, str]
):
    before = contents(past.database)

    run = past.run(*words, **environ)

    assert (run.code, run.report["error"]) == (2, "configuration.invalid")
    assert contents(past.database) == before


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        (("--lock-timeout", "0"), {}),
        (("--lock-timeout", "-1"), {}),
        (("--lock-timeout", "nan"), {}),
        (("--lock-wait", "inf"), {}),
        (("--max-failures", "1.5"), {}),
        (("--on-error", "explode"), {}),
        (("--verify", "maybe"), {}),
        (("--log-level", "loud"), {}),
        (("--log-format", "xml"), {}),
        (("--schema", ""), {}),
        ((), {"RELEASE_REQUIRE_BACKUP": "perhaps"}),
        ((), {"RELEASE_POOLER": "transaction"}),
        ((), {"RELEASE_LOG_LEVEL": "loud"}),
        ((), {"RELEASE_EXPECT_TABLES": "everywhere:lifts"}),
    ],
)
def test_a_value_that_makes_no_sense_is_named(past: Project, words: tuple[str, ...], environ: dict[str, str]):
    run = past.run(*words, **environ)

    (name,) = words[:1] or environ
    assert (run.code, run.report["error"], name in failure(run)) == (2, "configuration.invalid", True)


@pytest.mark.parametrize(
    "setting",
    [
        {"LOCK_TIMEOUT": True},
        {"LOCK_TIMEOUT": None},
        {"MAX_FAILURES": -1},
        {"REQUIRE_BACKUP": "perhaps"},
        {"EXPECTED_TABLES": ["lifts"]},
        {"EXPECTED_TABLES": {"everywhere": ["lifts"]}},
        {"EXPECTED_TABLES": {"shared": "lifts", "tenant": 5}},
        {"IGNORE_TABLES": 5},
        {"ACCEPT": {"id": "table.ghost"}},
        {"ACCEPT": [{"id": "table.ghost", "schema": "*", "object": "*"}]},
        {"ACCEPT": [{"id": "table.ghost", "schema": "*", "object": "*", "reason": ""}]},
        {"BACKUP_HOOK": print},
        {"YES": True},
    ],
    ids=str,
)
def test_a_setting_that_makes_no_sense_is_named(past: Project, setting: dict[str, object]):
    ((key, value),) = setting.items()
    past.settings(f"RAILWAY_RELEASE = {{{key!r}: {'print' if callable(value) else repr(value)}}}")

    run = past.run()

    assert (run.code, run.report["error"]) == (2, "configuration.invalid"), run.text
    assert f'RAILWAY_RELEASE["{key}"]' in failure(run)


@pytest.mark.parametrize(
    "words",
    [
        ("--no-such-flag",),
        ("migrate",),
        ("plan", "--lock-timeout", "3"),
        ("--lock-timeout",),
        ("release", "athena"),
        ("check", "--start", "yes"),
    ],
)
def test_usage_errors_end_with_exit_code_2_and_say_how(words: tuple[str, ...]):
    done = script(*words)

    assert (done.returncode, done.stdout) == (2, "")
    assert f"usage: {PROGRAM}" in done.stderr


@pytest.mark.parametrize("word", ["--lock-tim=3", "--skip-b", "--tenants"])
def test_a_flag_must_be_spelt_out(word: str):
    assert script(word).returncode == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_names_each_of_its_flags_with_its_variable(command: str):
    declared = [(name, one) for name, one, _ in options_of(Config) if command in one.commands]
    flags = [f"--{name.replace('_', '-')}" for name, one in declared if "flag" in one.sources]
    variables = [variable(name, one) for name, one in declared if {"flag", "env"} <= one.sources]

    done = script(command, "--help")

    assert (done.returncode, missing(done.stdout, *flags, *variables)) == (0, [])


def test_the_help_names_the_commands_and_the_exit_codes():
    done = script("--help")

    assert (done.returncode, missing(done.stdout, *COMMANDS, "130", "10 collectstatic")) == (0, [])


@pytest.mark.parametrize("word", ["-h", "--help", "--version"])
def test_help_and_version_need_no_project(word: str):
    assert script(word).returncode == 0


def test_the_version_is_the_packages():
    assert script("--version").stdout == f"railway-release {__version__}\n"


@pytest.mark.parametrize(
    "command", ["release", "plan", "verify", "status", "check", "doctor", "repair", "fake"]
)
def test_every_command_explains_itself(empty: Project, command: str) -> None:
    run = empty.run(command, "--help")

    assert run.code == 0, run.text
    assert run.stdout.startswith(f"usage: {PROGRAM} {command}")


def test_a_record_is_changed_for_a_migration_that_is_named(empty: Project) -> None:
    run = empty.run("fake", "buildings", "--schema", "athena")

    assert run.code == 2
    assert "MIGRATION" in run.stderr
