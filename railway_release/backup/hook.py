"""The backup hook: the user's command or callable, which ends before the first write."""

from __future__ import annotations

import contextlib
import contextvars
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from railway_release.config.config import Config
from railway_release.errors import BackupFailed
from railway_release.migrations.outcome import Key
from railway_release.postgres.failures import describe
from railway_release.preflight.database import Choice
from railway_release.preflight.project import import_callable
from railway_release.runtime.log import get_logger
from railway_release.runtime.signals import Interrupts

_NOTHING_WRITTEN = "Nothing was migrated. Fix the backup and run again."


@dataclass(frozen=True)
class BackupContext:
    """The argument of a callable hook: what is about to change, and where."""

    database: str
    schemas: tuple[str, ...]
    migrations: tuple[Key, ...]  # (app label, migration name)
    run_id: str
    connection: Mapping[str, str]  # libpq's environment variables, password included


def libpq_environment(choice: Choice) -> dict[str, str]:
    """The connection as pg_dump and psql read it; process lists would show it in arguments.

    https://www.postgresql.org/docs/current/libpq-envars.html
    """
    entry, options = choice.entry, choice.entry.get("OPTIONS", {})
    variables = {
        "PGHOST": choice.host,
        "PGPORT": choice.port,
        "PGDATABASE": choice.name,
        "PGUSER": entry.get("USER") or options.get("user"),
        "PGPASSWORD": entry.get("PASSWORD") or options.get("password"),
        "PGSERVICE": options.get("service"),
        "PGPASSFILE": options.get("passfile"),
        "PGSSLMODE": options.get("sslmode"),
        "PGSSLROOTCERT": options.get("sslrootcert"),
        "PGSSLCERT": options.get("sslcert"),
        "PGSSLKEY": options.get("sslkey"),
    }
    return {name: str(value) for name, value in variables.items() if value}


def call(config: Config, context: BackupContext) -> None:
    """Run the callable; raises BackupFailed after an exception or --backup-timeout seconds."""
    hook = import_callable(config.backup_hook)
    raised: list[BaseException] = []

    def work() -> None:
        try:
            hook(context)
        except BaseException as cause:  # noqa: BLE001 - SystemExit too: it would end only the thread
            raised.append(cause)

    # A daemon, since a thread cannot be ended: one that takes too long must not keep the process alive.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name="backup", daemon=True)
    thread.start()
    thread.join(config.backup_timeout)
    if thread.is_alive():
        raise _timed_out(config)
    for cause in raised:
        text = f"{type(cause).__name__}: {describe(cause)}"
        raise BackupFailed(
            f"The backup hook {config.backup_hook} failed: {text}", _NOTHING_WRITTEN
        ) from cause


def execute(config: Config, connection: Mapping[str, str], interrupts: Interrupts) -> None:
    """Run the command; raises BackupFailed after a non-zero exit or --backup-timeout seconds."""
    with _running(config, {**os.environ, **connection}, interrupts) as process:
        lines = (_log_lines, process.stdout)
        reader = threading.Thread(target=contextvars.copy_context().run, args=lines, daemon=True)
        reader.start()
        try:
            code = process.wait(timeout=config.backup_timeout)
        except subprocess.TimeoutExpired:
            raise _timed_out(config) from None
        # A grandchild may keep the pipe open; its output is not worth waiting for.
        reader.join(timeout=1.0)
    if code:
        ended = f"exit code {code}" if code > 0 else f"signal {signal.Signals(-code).name}"
        raise BackupFailed(
            f"The backup command failed with {ended}; its output is in the log.", _NOTHING_WRITTEN
        )


@contextlib.contextmanager
def _running(
    config: Config, environ: Mapping[str, str], interrupts: Interrupts
) -> Iterator[subprocess.Popen[str]]:
    """While entered, the command runs in a process group of its own; it is ended at the exit."""
    command: Any = (
        ["sh", "-c", config.backup_command] if config.backup_shell else shlex.split(config.backup_command)
    )
    try:
        # A signal between the fork and the assignment would leave a process that is never ended.
        with interrupts.shield():
            process = subprocess.Popen(
                command,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
    except OSError as cause:
        raise BackupFailed(f"The backup command cannot be started: {cause}", _NOTHING_WRITTEN) from cause
    try:
        interrupts.check()
        yield process
    finally:
        if process.poll() is None:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Send SIGTERM to the process group, and SIGKILL after 3 s: children may ignore the first."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=3.0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _log_lines(output: IO[str] | None) -> None:
    for line in output or ():
        if line.strip():
            get_logger().info("backup.printed", message=line.rstrip())


def _timed_out(config: Config) -> BackupFailed:
    return BackupFailed(
        f"The backup did not end within {config.backup_timeout:g} s.",
        f"{_NOTHING_WRITTEN} --backup-timeout waits longer.",
    )
