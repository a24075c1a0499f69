"""Loads the configuration from its sources, and checks the options that exclude each other."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from railway_release.config.config import Config
from railway_release.config.options import resolve
from railway_release.errors import InvalidConfiguration
from railway_release.runtime.files import exists, is_folder


def load(flags: Mapping[str, Any], environ: Mapping[str, str], settings: Mapping[str, Any]) -> Config:
    """The configuration from all sources; raises InvalidConfiguration with every mistake at once."""
    values, mistakes = resolve(Config, flags, environ, settings)
    config = Config(**values)
    mistakes += _contradictions(config)
    if mistakes:
        raise InvalidConfiguration("\n".join(mistakes), "Correct what is named above and run again.")
    if urlsplit(str(flags.get("into_database", ""))).password:
        raise InvalidConfiguration(
            "--into-database holds a password, which process lists show.",
            "Put the URL into RELEASE_INTO_DATABASE.",
        )
    if config.run and environ.get("RELEASE_INTO_DATABASE") == "":
        raise InvalidConfiguration(
            "RELEASE_INTO_DATABASE is empty: what is restored would not go into another one.",
            "Set it, or unset it.",
        )
    if config.report and not can_be_written(config.report):
        raise InvalidConfiguration(
            f"A report cannot be written to {config.report}.", "Name a file in a folder that exists."
        )
    return config


def can_be_written(path: str) -> bool:
    """Whether a file can be created or replaced at this path."""
    file = Path(path)
    return not is_folder(file) and os.access(file if exists(file) else file.parent, os.W_OK)


def _contradictions(config: Config) -> list[str]:
    pairs = (
        (config.shared_only and config.tenants_only, "--shared-only and --tenants-only"),
        (
            config.skip_backup and config.require_backup,
            "--skip-backup and --require-backup (--no-require-backup ends that)",
        ),
        (
            config.backup == "auto" and bool(config.backup_command and config.backup_hook),
            "the backup command and the backup hook",
        ),
        (config.backup == "off" and config.require_backup, "--backup off and --require-backup"),
        (config.backup_scope == "none" and config.require_backup, "--backup-scope none and --require-backup"),
        (bool(config.into and config.into_database), "--into and --into-database"),
        (bool(config.discard and (config.into or config.into_database)), "--discard and --into"),
        (config.shared_only and bool(config.schema), "--shared-only and --schema"),
    )
    mistakes = [f"{pair} exclude each other" for wrong, pair in pairs if wrong]
    mistakes += (
        []
        if config.backup_shell
        else _shell_words("the backup command", config.backup_command, "set --backup-shell")
    )
    mistakes += _missing_of_backup(config)
    if config.app[2:]:
        mistakes.append("--app takes an app label and at most one migration")
    if config.app[1:] == ("zero",):
        mistakes.append("--app … zero would unapply migrations, which this tool never does")
    return mistakes


def _missing_of_backup(config: Config) -> list[str]:
    """What a provider that was chosen by name does without."""
    needed = {
        "pg_dump": (config.backup_to, "--backup-to or RELEASE_BACKUP_TO, where its archives are kept"),
        "command": (config.backup_command, "RELEASE_BACKUP_COMMAND"),
        "callable": (config.backup_hook, "RELEASE_BACKUP_HOOK"),
    }
    value, what = needed.get(config.backup, ("none", ""))
    mistakes = [] if value else [f"--backup {config.backup} needs {what}"]
    if config.backup_encrypt and not config.backup_decrypt and config.backup_proof != "read":
        mistakes.append(f"--backup-proof {config.backup_proof} needs --backup-decrypt")
    for verb, command in (("encrypts", config.backup_encrypt), ("decrypts", config.backup_decrypt)):
        mistakes += _shell_words(f"the command that {verb}", command, "make it a script")
    return mistakes


def _shell_words(what: str, command: str, instead: str) -> list[str]:
    """Without a shell, `pg_dump | gzip > file` would pass the operators to pg_dump as arguments."""
    try:
        shlex.split(command)
        # With posix=False, quotes stay: a quoted operator is an argument like any other.
        operators = {"|", "||", "&&", ";", ">", ">>", "<"} & set(shlex.split(command, posix=False))
    except ValueError as mistake:
        return [f"{what} cannot be split into words: {mistake}"]
    found = " ".join(sorted(operators))
    return [f"{what} holds {found}, for a shell: {instead}"] if found else []
