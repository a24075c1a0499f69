"""What takes a backup: a protocol, so that a project may bring a provider of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from railway_release.migrations.outcome import Key


@dataclass(frozen=True)
class BackupContext:
    """What is about to change, and where; also the argument of a callable hook."""

    database: str
    schemas: tuple[str, ...]
    migrations: tuple[Key, ...]  # (app label, migration name)
    run_id: str
    connection: Mapping[str, str]  # libpq's environment variables, password included
    writes: bool = True  # whether anything is about to change; not by the command `backup`


@dataclass(frozen=True)
class BackedUp:
    """What a provider has done."""

    text: str  # for the log and the report, after "backed up "
    name: str = ""  # by which `restore` knows it
    schemas: frozenset[str] = frozenset()  # that `restore` can bring back


class Provider(Protocol):
    """Something that takes a backup and ends once it is safe."""

    def back_up(self, context: BackupContext) -> BackedUp:
        """Back up what is about to change; whatever is raised ends the release before any write."""
        ...
