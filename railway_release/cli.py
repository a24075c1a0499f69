"""Commands and flags. The only place that reads the process's environment, prints errors and exits."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import shlex
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, TextIO

from railway_release import __version__
from railway_release.config.config import Config
from railway_release.config.loading import can_be_written
from railway_release.config.options import Option, options_of, variable
from railway_release.diagnosis import early
from railway_release.diagnosis.causes import ranked
from railway_release.errors import Exit, PreflightError, ProjectNotFound, ReleaseError, SettingsFailed
from railway_release.postgres.failures import describe, is_transient
from railway_release.postgres.slots import out_of_slots, ran_out
from railway_release.postgres.wait import database_lost
from railway_release.preflight.target import Invocation
from railway_release.preflight.target import load as load_target
from railway_release.report import summary
from railway_release.report.command_line import CommandLine
from railway_release.report.report import Report
from railway_release.report.results import DoctorResult
from railway_release.runtime import log
from railway_release.runtime.capture import Capture
from railway_release.runtime.plain import plain_traceback
from railway_release.runtime.platform import platform
from railway_release.runtime.program import PROGRAM
from railway_release.runtime.redact import redact
from railway_release.runtime.screen import Screen
from railway_release.runtime.signals import Interrupted, Interrupts
from railway_release.runtime.text import sentence
from railway_release.runtime.visible import visible

_COMMANDS = {
    "release": "migrate the shared schema, then every tenant schema (the default)",
    "plan": "show what a release would do; exit code 9 if anything",
    "verify": "compare every schema with what the code expects there; exit code 8 if anything is wrong",
    "status": "how many schemas have each migration, and which ones differ",
    "check": "for CI: exit code 0 only when nothing is pending and nothing is missing",
    "doctor": "say why something is wrong, and what fixes it; exit code 8 if that is an error",
    "repair": "show what would repair each schema, as SQL; --apply does it",
    "fake": "record that a migration is applied, where all that it makes is proven to be there",
    "backup": "take a backup of every schema now, or of those of --schema, and prove it",
    "backups": "list the backups that there are",
    "restore": "show how schemas are brought back from a backup; --apply does it",
}
_EPILOG = f"""Each RELEASE_NAME in brackets is an environment variable, and NAME a key of the RAILWAY_RELEASE
dictionary in Django's settings. Without a flag: RELEASE_DATABASE_URL (a direct connection for the
release), RELEASE_EXPECT_TABLES (in settings EXPECTED_TABLES), RELEASE_IGNORE_TABLES, and in settings
alone ACCEPT and SEVERITY. `{PROGRAM} release --help` lists all flags.
Exit codes: 0 done; 1 unexpected; 2 usage or configuration; 3 preflight; 4 lock; 5 backup;
6 shared schema failed; 7 tenants failed; 8 verification errors; 9 pending; 10 collectstatic failed;
11 the database went away; 130 or 143 interrupted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    redact.learn_named(os.environ)
    words = list(sys.argv[1:] if argv is None else argv)
    flags = _parse(words)
    command = str(flags.pop("command"))
    path = flags.get("report") or os.environ.get("RELEASE_REPORT", "")
    report = Report("plan" if flags.get("dry_run") else command, run_id=uuid.uuid4().hex[:8])
    report.called = CommandLine(_without_schemas(words), backups=_backups(flags), reaching=_reaching(flags))
    report.path = path if can_be_written(path) else ""  # the configuration's checks will say so
    with Interrupts() as interrupts:
        with Capture() as capture:
            streams = (capture.stdout, capture.stderr)
            screen = Screen(*(reversed(streams) if flags.get("json") else streams))
            output = log.Output(screen, platform(os.environ), report.run_id)
            output.start(*_early_log_options(flags, os.environ))
            _guarded(flags, report, output, interrupts)
        interrupts.ignore()  # what is left is to say what happened
        return _finish(flags, report, capture.stdout)


def _guarded(flags: dict[str, Any], report: Report, output: log.Output, interrupts: Interrupts) -> None:
    """Run the command; whatever ends it becomes a cause in the report."""
    try:
        _execute(flags, report, output, interrupts)
    except ReleaseError as error:
        _fail(error, report)
    except Interrupted as signal:
        report.end(Exit(signal.exit_code), f"Stopped by {signal}. No atomic migration was left half done.")
    except BaseException as error:  # noqa: BLE001 - SystemExit, too: the project's code is no judge of success
        if is_transient(error) or ran_out(error):
            _fail(
                out_of_slots(error, report.result.wrote) if ran_out(error) else database_lost(error), report
            )
            return
        report.end(Exit.UNEXPECTED, f"Unexpected {type(error).__name__}: {describe(error)}")
        log.get_logger().error("release.crashed", message=plain_traceback(error))


def _fail(error: ReleaseError, report: Report) -> None:
    report.end(error.exit_code, _joined(error), error.id)


def _joined(error: ReleaseError) -> str:
    if not error.hint:
        return error.message
    if "\n" in error.message:
        return f"{error.message}\n{error.hint}"
    return f"{sentence(error.message)} {error.hint}"


def _execute(flags: dict[str, Any], report: Report, output: log.Output, interrupts: Interrupts) -> None:
    invocation = Invocation(Path(sys.argv[0]), output.platform, report.run_id, interrupts, output.screen)
    try:
        target = load_target(flags, os.environ, invocation)
    except (PreflightError, ProjectNotFound, SettingsFailed) as error:
        if report.command != "doctor" or flags.get("explain"):
            raise
        _diagnose_without_project(error, report, shows_all=bool(flags.get("all")))
        return
    report.path = target.config.report
    report.called = replace(report.called, schemas=target.config.schema)
    config = target.config
    output.start(config.log_format, config.log_level, show_values=config.show_values)
    # django_tenants reads the settings when it is imported, so they must be known by now.
    from railway_release.commands.table import find_command  # noqa: PLC0415

    with contextlib.closing(target.read_pool):
        find_command(report.command)(target, report)


def _diagnose_without_project(error: ReleaseError, report: Report, *, shows_all: bool) -> None:
    report.error_id = error.id
    found = ranked(early.causes(error, Path.cwd()))
    report.result = DoctorResult(diagnosis=found, shows_all=shows_all).judged()


def _finish(flags: dict[str, Any], report: Report, stdout: TextIO) -> int:
    try:
        report.write()
    except OSError as error:
        report.end(Exit.UNEXPECTED, f"The report could not be written: {error}")
    for line in summary.lines(report):
        log.get_logger().log(line.number, line.event, message=line.text)
    if flags.get("json"):
        Screen(stdout).write(report.as_json())
    gc.freeze()  # or Python would look through all of it for garbage before it ends
    return int(report.exit_code)


def _early_log_options(flags: dict[str, Any], environ: Mapping[str, str]) -> tuple[str, str]:
    """Format and level before the configuration is known; mistakes are reported when it is."""
    format = flags.get("log_format") or environ.get("RELEASE_LOG_FORMAT", "auto")
    level = flags.get("log_level") or environ.get("RELEASE_LOG_LEVEL", "info")
    return format, level if level in log.LEVELS else "info"


def _without_schemas(words: list[str]) -> tuple[str, ...]:
    """The command line but for --schema, to be suggested again."""
    kept, skipping = [], False
    for word in words:
        if not skipping and word != "--schema" and not word.startswith("--schema="):
            kept.append(shlex.quote(word))
        skipping = word == "--schema"
    return tuple(kept)


def _reaching(flags: Mapping[str, Any]) -> tuple[str, ...]:
    """The flags that lead to this project and this database."""
    settings = ("--settings", shlex.quote(flags["settings"])) if flags.get("settings") else ()
    return (*settings, *(("--public",) if flags.get("public") else ()))


def _backups(flags: Mapping[str, Any]) -> tuple[str, ...]:
    """The flags that lead to these backups, and open them."""
    leading = ("backup_to", "backup_decrypt", "backup_bin")
    words = [(f"--{name.replace('_', '-')}", shlex.quote(flags[name])) for name in leading if flags.get(name)]
    return tuple(word for pair in words for word in pair)


def _parse(argv: list[str]) -> dict[str, Any]:
    """The flags that were given; argparse ends the process for usage errors, with exit code 2."""
    if not argv or (argv[0].startswith("-") and argv[0] not in ("-h", "--help", "--version")):
        argv = ["release", *argv]
    return vars(_parser(argv[0]).parse_args(argv))


class _Parser(argparse.ArgumentParser):
    """argparse repeats what it does not understand, and that may be a URL."""

    def error(self, message: str) -> NoReturn:
        """Print usage and message, exit with 2."""
        super().error(visible(redact(message)))


def _parser(asked: str) -> argparse.ArgumentParser:
    """Knows all commands by name, and the flags of the one that is asked for: all flags take a while."""
    parser = _Parser(
        prog=PROGRAM,
        allow_abbrev=False,
        description="Migrates a django-tenants project, safely.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"railway-release {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, help in _COMMANDS.items():
        command = commands.add_parser(name, help=help, description=help, epilog=_EPILOG, allow_abbrev=False)
        if name != asked:
            continue
        for field, declared, default in options_of(Config):
            if "flag" in declared.sources and name in declared.commands:
                _add(command, field, declared, default)
        if name == "fake":
            command.add_argument("app", action="append", metavar="APP", help="the label of its app")
            command.add_argument(
                "app", action="append", metavar="MIGRATION", help="its name, or how it begins"
            )
    return parser


def _add(parser: argparse.ArgumentParser, name: str, declared: Option, default: Any) -> None:
    """One flag with its variable and default. Values stay text: mistakes are told all at once."""
    number = f"{default:g}" if isinstance(default, float) else default
    shown = "" if default in ("", (), None, False) else f", default {number}"
    env = f" [{variable(name, declared)}{shown}]" if "env" in declared.sources else ""
    help = (declared.help + env).replace("%", "%%")
    if declared.positional:
        parser.add_argument(name, help=help, **declared.argument)
        return
    flag = f"--{name.replace('_', '-')}"
    parser.add_argument(flag, dest=name, default=argparse.SUPPRESS, help=help, **declared.argument)
