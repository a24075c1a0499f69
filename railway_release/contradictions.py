"""Contradictions: options that are fine by themselves and not together."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from railway_release.config import Config


def contradictions(config: Config) -> list[str]:
    """Each in words."""
    pairs = (
        (config.shared_only and config.tenants_only, "--shared-only and --tenants-only"),
        (
            config.skip_backup and config.require_backup,
            "--skip-backup and --require-backup (--no-require-backup ends that)",
        ),
        (bool(config.backup_command and config.backup_hook), "the backup command and the backup hook"),
        (config.shared_only and bool(config.schema), "--shared-only and --schema"),
    )
    mistakes = [f"{pair} exclude each other" for wrong, pair in pairs if wrong]
    mistakes += [] if config.backup_shell else _shell_words(config.backup_command)
    if config.app[2:]:
        mistakes.append("--app takes an app label and at most one migration")
    if config.app[1:] == ("zero",):
        mistakes.append("--app … zero would unapply migrations, which this tool never does")
    return mistakes


def _shell_words(command: str) -> list[str]:
    """Without a shell, `pg_dump | gzip > file` would be one program with strange arguments."""
    try:
        shlex.split(command)
        # With posix=False, quotes stay: a quoted operator is an argument like any other.
        operators = {"|", "||", "&&", ";", ">", ">>", "<"} & set(shlex.split(command, posix=False))
    except ValueError as mistake:
        return [f"the backup command cannot be split into words: {mistake}"]
    found = " ".join(sorted(operators))
    return [f"the backup command holds {found}, for a shell: set --backup-shell"] if found else []
