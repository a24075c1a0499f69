"""The backup before the first write: once for each schema in a release, and only if anything is written."""

from __future__ import annotations

import time
from collections.abc import Iterable

from django.conf import settings

from railway_release.backup import hook
from railway_release.backup.connection import libpq_environment
from railway_release.backup.pg_dump import PgDump
from railway_release.backup.provider import BackedUp, BackupContext, Provider
from railway_release.errors import BackupFailed, InvalidConfiguration
from railway_release.migrations.outcome import Key
from railway_release.migrations.plan import SchemaPlan
from railway_release.postgres.recovery import recovery_instant
from railway_release.preflight.target import Target
from railway_release.runtime.log import get_logger

_NOTHING_WRITTEN = "Nothing was migrated. Fix the backup and run again."
_HOW = "Set RELEASE_BACKUP_TO, RELEASE_BACKUP_COMMAND or RAILWAY_RELEASE['BACKUP_HOOK']."
_LESS_WRITTEN = "The other schemas were not migrated. Fix the backup and run again."


class Backup:
    """Runs the provider the first time that it is told of something to write.

    Told of other schemas later, such as tenants that came meanwhile, it backs up those, too, if the provider
    deals with single schemas.
    """

    def __init__(self, target: Target, shared_schema: str, every: Iterable[str] = ()) -> None:
        self._target = target
        self._shared_schema = shared_schema
        self._every = frozenset(every)  # what --backup-scope all means
        self.held: dict[str, str] = {}  # the schemas that `restore` can bring back, and from which backup
        self.result = ""  # what was done, for the user; empty before the first write
        self._asked: set[str] = set()  # the schemas that were to be backed up, also if there were none
        self.ran = False  # whether there was a provider, and it was called

    def before_writing(self, plans: Iterable[SchemaPlan]) -> None:
        """Back up before these plans are carried out, if any is due; raises BackupFailed."""
        due = [one for one in plans if one.due]
        self.before_changing(
            tuple(one.schema.name for one in due),
            tuple(dict.fromkeys(step for one in due for step in one.cohort.steps)),
        )

    @property
    def name(self) -> str:
        """The name of the first backup that `restore` can bring back; empty if there is none."""
        return next(iter(self.held.values()), "")

    def take(self, schemas: tuple[str, ...]) -> None:
        """Back up these schemas, as was asked for; raises InvalidConfiguration without a provider."""
        provider = self._provider()
        if provider is None:
            raise InvalidConfiguration("No backup is configured.", _HOW)
        self.result = self._done(provider, schemas, (), "", writes=False)
        get_logger().info("backup.finished", message=self.result)

    def before_changing(self, schemas: tuple[str, ...], steps: tuple[Key, ...] = ()) -> None:
        """Back up before these schemas change, by these migrations or otherwise; raises BackupFailed."""
        if not schemas or (self.result and not (self.held and set(schemas) - self._asked)):
            return
        done = self._run(schemas, steps)
        get_logger().info("backup.finished", message=done)
        self.result = "; ".join(filter(None, (self.result, done)))

    def _run(self, schemas: tuple[str, ...], steps: tuple[Key, ...]) -> str:
        if reason := self._why_not():
            return f"no backup: {reason}"
        provider = self._provider()
        if provider is None:
            return self._without_provider()
        return self._done(provider, schemas, steps, _LESS_WRITTEN if self.result else _NOTHING_WRITTEN)

    def _done(
        self,
        provider: Provider,
        schemas: tuple[str, ...],
        steps: tuple[Key, ...],
        otherwise: str,
        *,
        writes: bool = True,
    ) -> str:
        """What was done; if that fails, its error says `otherwise`."""
        started, self.ran = time.monotonic(), True
        try:
            done = self._backed_up(provider, schemas, steps, writes=writes)
        except BackupFailed as error:
            raise BackupFailed(error.message, f"{otherwise} {error.hint}".strip()) from error
        self.held |= dict.fromkeys(done.schemas, done.name)
        return f"backed up {done.text} in {time.monotonic() - started:.1f} s{self._recoverable()}"

    def _why_not(self) -> str:
        """Why no backup is wanted; empty if one is."""
        config, environment = self._target.config, self._target.invocation.platform.environment
        if config.skip_backup:
            return "--skip-backup"
        if config.backup == "off" or config.backup_scope == "none":
            return f"--backup{' off' if config.backup == 'off' else '-scope none'}"
        if environment and config.backup_environments and environment not in config.backup_environments:
            return f"{environment} is not in RELEASE_BACKUP_ENVIRONMENTS"
        return ""

    def _provider(self) -> Provider | None:
        config = self._target.config
        if config.backup == "off":
            return None
        if config.backup == "command" or (config.backup == "auto" and config.backup_command):
            return hook.Command(self._target)
        if config.backup == "callable" or (config.backup == "auto" and config.backup_hook):
            return hook.Callable(self._target)
        if config.takes_dumps:
            return PgDump(self._target, self._shared_schema)
        return None

    def _backed_up(
        self, provider: Provider, schemas: tuple[str, ...], steps: tuple[Key, ...], *, writes: bool
    ) -> BackedUp:
        target, wanted = self._target, schemas
        if isinstance(provider, PgDump):
            every = self._every if target.config.backup_scope == "all" else frozenset()
            wanted = tuple(sorted({*schemas, self._shared_schema, *every} - self._asked))
        self._asked.update(wanted)
        choice = target.choice
        context = BackupContext(
            choice.name, wanted, steps, target.invocation.run_id, libpq_environment(choice), writes
        )
        return provider.back_up(context)

    def _recoverable(self) -> str:
        instant = self._target.read_pool.read(recovery_instant)
        return f"; point-in-time recovery can go back to {instant}" if instant else ""

    def _without_provider(self) -> str:
        if self._target.config.require_backup:
            raise BackupFailed(
                "A backup is required and no provider is configured; nothing was migrated.",
                _HOW,
            )
        if self._target.invocation.platform.known and not settings.DEBUG:
            get_logger().warning(
                "backup.missing",
                message="no backup is configured; RELEASE_BACKUP_TO names a folder or bucket for one",
            )
        return f"no backup: no provider is configured{self._recoverable()}"
