"""Flags and help, as argparse shows them; no project is looked for."""

import pytest

from railway_release import __version__
from railway_release.cli import main
from railway_release.config.config import Config
from railway_release.config.options import options_of, variable
from railway_release.runtime.program import PROGRAM

COMMANDS = (
    "release",
    "plan",
    "verify",
    "check",
    "status",
    "doctor",
    "repair",
    "fake",
    "backup",
    "backups",
    "restore",
)


@pytest.fixture
def script(capsys, monkeypatch):
    """Runs the script up to where argparse ends it; exit code, output and errors."""
    monkeypatch.setenv("COLUMNS", "500")

    def run(*words):
        with pytest.raises(SystemExit) as end:
            main(words)
        return end.value.code, *capsys.readouterr()

    return run


def missing(text, *words):
    """Those of the words that are not in the text."""
    return [word for word in words if word not in text]


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
def test_usage_errors_end_with_exit_code_2_and_say_how(script, words):
    code, output, errors = script(*words)

    assert (code, output) == (2, "")
    assert f"usage: {PROGRAM}" in errors


@pytest.mark.parametrize("word", ["--lock-tim=3", "--skip-b", "--tenants"])
def test_a_flag_must_be_spelt_out(script, word):
    assert script(word)[0] == 2


def test_a_record_is_changed_for_a_migration_that_is_named(script):
    code, _, errors = script("fake", "buildings", "--schema", "athena")

    assert (code, missing(errors, "MIGRATION")) == (2, [])


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_names_each_of_its_flags_with_its_variable(script, command):
    declared = [(name, one) for name, one, _ in options_of(Config) if command in one.commands]
    words = [
        one.argument["metavar"] if one.positional else f"--{name.replace('_', '-')}"
        for name, one in declared
        if "flag" in one.sources
    ]
    variables = [variable(name, one) for name, one in declared if {"flag", "env"} <= one.sources]
    code, output, _ = script(command, "--help")

    assert (code, missing(output, *words, *variables)) == (0, [])
    assert output.startswith(f"usage: {PROGRAM} {command}")


def test_the_help_names_the_commands_and_the_exit_codes(script):
    code, output, _ = script("--help")

    assert (code, missing(output, *COMMANDS, "130", "10 collectstatic")) == (0, [])
    assert script("-h")[1] == output


def test_the_version_is_the_packages(script):
    assert script("--version") == (0, f"railway-release {__version__}\n", "")
