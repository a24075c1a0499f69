"""BackupOptions: the options of backups and of restoring; a part of Config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from railway_release.config.options import WRITING, flag, option, positive_seconds

_BACKUP = frozenset({"backup"})
_BACKING_UP = WRITING | _BACKUP
_RESTORE = frozenset({"restore"})
_STORED = _BACKING_UP | _RESTORE | {"backups"}


@dataclass(frozen=True)
class BackupOptions:
    """How a backup is taken, where it is kept, how it is proven, and what a restore may do."""

    backup: Literal["auto", "pg_dump", "command", "callable", "off"] = option(
        "auto",
        "pg_dump (to --backup-to), command, callable, off, or auto: the one that is configured",
        metavar="PROVIDER",
        commands=_BACKING_UP,
    )
    backup_to: str = option(
        "",
        "where pg_dump's archives are kept: a folder, or s3://BUCKET/PREFIX",
        metavar="PLACE",
        commands=_STORED,
    )
    backup_scope: Literal["affected", "all", "none"] = option(
        "affected",
        "what a release backs up: the shared schema and those that it will change (affected), all, or none",
        metavar="SCOPE",
    )
    backup_proof: Literal["read", "restore", "restore=all"] = option(
        "read",
        "what is done with a backup before the first write: read it back (read), restore a sample of its "
        "schemas into a scratch database (restore), or all of them (restore=all)",
        metavar="LEVEL",
        commands=_BACKING_UP,
    )
    proof_database_url: str = option(
        "",
        "an empty database to restore into as proof; without it, one is made beside the tenants' own",
        sources="env",
        commands=_BACKING_UP,
    )
    backup_keep: int = option(
        0,
        "the backups of how many runs are kept; older ones of this database are deleted after a new one, but "
        "never the last proven one of a schema; 0 keeps all",
        commands=_BACKING_UP,
    )
    backup_keep_days: int = option(
        0,
        "for how many days they are kept, with the same exception; 0 keeps all",
        commands=_BACKING_UP,
    )
    backup_encrypt: str = option(
        "", "a command that encrypts from its input to its output", metavar="COMMAND", commands=_BACKING_UP
    )
    backup_decrypt: str = option(
        "",
        "the command that decrypts it; without it only the bytes can be proven",
        metavar="COMMAND",
        commands=_BACKING_UP | _RESTORE,
    )
    backup_bin: str = option(
        "",
        "the folder of pg_dump and pg_restore (default: looked for)",
        metavar="FOLDER",
        commands=_BACKING_UP | _RESTORE,
    )
    backup_count_limit: int = option(
        1024,
        "up to how many MB the rows of a table are counted and hashed for the proof; 0 is without a limit",
        commands=_BACKING_UP,
    )
    backup_environments: tuple[str, ...] = option(
        (),
        "the Railway environments in which a release takes a backup; empty for all",
        sources="env setting",
    )
    backup_command: str = option(
        "",
        "a command to run before the first write; it finds the database in PG* variables",
        metavar="COMMAND",
    )
    backup_shell: bool = option(False, "run the backup command through sh -c")
    backup_hook: str = option("", "dotted path of a callable to run before the first write", metavar="PATH")
    backup_timeout: float = option(
        3600.0, "how long a backup may take", parse=positive_seconds, commands=_BACKING_UP | _RESTORE
    )
    require_backup: bool = option(False, "refuse to migrate without a backup")
    skip_backup: bool = flag(False, "migrate without a backup")

    run: str = flag(
        "",
        "the name of a backup, the id of its run, or latest",
        metavar="RUN",
        positional=True,
        commands=_RESTORE,
    )
    into: str = flag(
        "", "restore one schema under this new name, beside the original", metavar="SCHEMA", commands=_RESTORE
    )
    into_database: str = option(
        "",
        "restore into this other database, for a drill; its password may stand in RELEASE_INTO_DATABASE only",
        metavar="URL",
        sources="flag env",
        commands=_RESTORE,
    )
    discard: bool = flag(
        False, "drop the schemas that a restore from this backup has put aside", commands=_RESTORE
    )
    replace_newer: bool = flag(False, "also schemas that a later release has written to", commands=_RESTORE)
    leave_followers: bool = flag(
        False,
        "although views, foreign keys, publications and the like elsewhere go on pointing at what is put "
        "aside",
        commands=_RESTORE,
    )
    not_valid: bool = flag(
        False,
        "add foreign keys NOT VALID where the rows that they point to are gone",
        commands=_RESTORE,
    )

    @property
    def takes_dumps(self) -> bool:
        """Whether it is pg_dump that takes backups."""
        others = self.backup_command or self.backup_hook
        return self.backup == "pg_dump" or (self.backup == "auto" and bool(self.backup_to) and not others)
