"""The providers of a project's own: a command or a callable, which ends before the first write."""

from __future__ import annotations

import contextlib
import contextvars
import os
import shlex
import subprocess
import threading
from collections.abc import Iterator, Mapping
from typing import IO, Any

from railway_release.backup.provider import BackedUp, BackupContext
from railway_release.backup.streams import end, ended_with
from railway_release.config.config import Config
from railway_release.errors import BackupFailed
from railway_release.postgres.failures import describe
from railway_release.preflight.project import import_callable
from railway_release.preflight.target import Target
from railway_release.runtime.log import get_logger
from railway_release.runtime.signals import Interrupts
from railway_release.runtime.text import in_time
from railway_release.runtime.waiting import told


class Callable:
    """The callable of RELEASE_BACKUP_HOOK, which is given the BackupContext; a class is a Provider."""

    def __init__(self, target: Target) -> None:
        self._config = target.config

    def back_up(self, context: BackupContext) -> BackedUp:
        """Call it; raises BackupFailed after an exception or --backup-timeout seconds."""
        with told(_running_for(self._config, "hook")):
            done = call(self._config, context)
        # Only what pg_dump's provider has stored can be restored, so that a name would mislead.
        return BackedUp(done.text if isinstance(done, BackedUp) else "by the hook")


class Command:
    """The command of RELEASE_BACKUP_COMMAND, which finds the database in its environment."""

    def __init__(self, target: Target) -> None:
        self._config, self._interrupts = target.config, target.invocation.interrupts

    def back_up(self, context: BackupContext) -> BackedUp:
        """Run it; raises BackupFailed after a non-zero exit or --backup-timeout seconds."""
        with told(_running_for(self._config, "command")):
            execute(self._config, context.connection, self._interrupts)
        return BackedUp("by the command")


def call(config: Config, context: BackupContext) -> object:
    """What the callable returns; raises BackupFailed after an exception or --backup-timeout seconds."""
    hook = import_callable(config.backup_hook)
    raised: list[BaseException] = []
    returned: list[object] = []

    def work() -> None:
        try:
            returned.append(hook().back_up(context) if isinstance(hook, type) else hook(context))
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
        raise BackupFailed(f"The backup hook {config.backup_hook} failed: {text}") from cause
    return returned[0]


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
        raise BackupFailed(f"The backup command failed with {ended_with(code)}; its output is in the log.")


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
        raise BackupFailed(f"The backup command cannot be started: {cause}") from cause
    try:
        interrupts.check()
        yield process
    finally:
        if process.poll() is None:
            end(process)


def _log_lines(output: IO[str] | None) -> None:
    for line in output or ():
        if line.strip():
            get_logger().info("backup.printed", message=line.rstrip())


def _running_for(config: Config, what: str) -> str:
    return f"the backup {what} is running (it may take {in_time(config.backup_timeout)})"


def _timed_out(config: Config) -> BackupFailed:
    return BackupFailed(
        f"The backup did not end within {config.backup_timeout:g} s.",
        "--backup-timeout waits longer.",
    )
