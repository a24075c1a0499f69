"""The backup before the first write: once a release, and only if anything is written."""

from __future__ import annotations

import time
from collections.abc import Iterable

from django.conf import settings

from railway_release.backup import hook
from railway_release.errors import BackupFailed
from railway_release.migrations.outcome import Key
from railway_release.migrations.plan import SchemaPlan
from railway_release.preflight.target import Target
from railway_release.runtime.log import get_logger
from railway_release.runtime.text import in_time
from railway_release.runtime.waiting import told


class Backup:
    """Runs the hook the first time that it is told of something to write."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.result = ""  # what was done, for the user; empty before the first write
        self.ran = False  # whether there was a hook, and it was called

    def before_writing(self, plans: Iterable[SchemaPlan]) -> None:
        """Back up before these plans are carried out, if any is due; raises BackupFailed."""
        due = [one for one in plans if one.due]
        self.before_changing(
            tuple(one.schema.name for one in due),
            tuple(dict.fromkeys(step for one in due for step in one.cohort.steps)),
        )

    def before_changing(self, schemas: tuple[str, ...], steps: tuple[Key, ...] = ()) -> None:
        """Back up before these schemas change, by these migrations or otherwise; raises BackupFailed."""
        if schemas and not self.result:
            self.result = self._run(schemas, steps)
            get_logger().info("backup.finished", message=self.result)

    def _run(self, schemas: tuple[str, ...], steps: tuple[Key, ...]) -> str:
        config = self._target.config
        if config.skip_backup:
            return "no backup: --skip-backup"
        if not config.backup_command and not config.backup_hook:
            return self._without_hook()
        started, self.ran = time.monotonic(), True
        means = self._run_hook(schemas, steps)
        return f"backed up by the {means} in {time.monotonic() - started:.1f} s"

    def _run_hook(self, schemas: tuple[str, ...], steps: tuple[Key, ...]) -> str:
        config, choice = self._target.config, self._target.choice
        connection = hook.libpq_environment(choice)
        means = "hook" if config.backup_hook else "command"
        with told(f"the backup {means} is running (it may take {in_time(config.backup_timeout)})"):
            if config.backup_hook:
                run_id = self._target.invocation.run_id
                hook.call(config, hook.BackupContext(choice.name, schemas, steps, run_id, connection))
            else:
                hook.execute(config, connection, self._target.invocation.interrupts)
        return means

    def _without_hook(self) -> str:
        if self._target.config.require_backup:
            raise BackupFailed(
                "A backup is required and no hook is configured; nothing was migrated.",
                "Set RELEASE_BACKUP_COMMAND or RAILWAY_RELEASE['BACKUP_HOOK'].",
            )
        if self._target.invocation.platform.known and not settings.DEBUG:
            get_logger().warning(
                "backup.missing",
                message="no backup hook is configured; RELEASE_BACKUP_COMMAND names one to run first",
            )
        return "no backup: no hook is configured"
