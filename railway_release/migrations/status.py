"""Status: which schemas have which migrations, as one value.

This module is imported before there are settings.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from railway_release.migrations.outcome import Key, dotted

Mark = Literal["held", "in part", "not held"]
Kind = tuple[bool, str | None]  # whether it is the shared schema, and the tenant type


@dataclass(frozen=True)
class SchemaStatus:
    """What the records of a schema say about the migrations on disk."""

    recorded: tuple[Key, ...]  # every record, sorted
    held: frozenset[Key]  # the migrations on disk that are applied
    held_in_part: frozenset[Key]  # squashed ones, where only some records of what they replace are there
    pending: tuple[Key, ...]  # in the order in which they would be applied; unknown where inconsistent
    ahead: tuple[Key, ...]  # records newer than the files
    stale: tuple[Key, ...]  # older records of what is neither on disk nor replaced by what is
    inconsistency: str  # why nothing can be applied

    def mark(self, key: Key) -> Mark:
        """Whether this migration is applied in the schema."""
        return "held" if key in self.held else "in part" if key in self.held_in_part else "not held"


@dataclass(frozen=True)
class Group:
    """Schemas of one role and type with the same records."""

    role: Literal["shared", "tenant", "template"]
    type: str | None
    schemas: tuple[str, ...]
    status: SchemaStatus

    @property
    def pending(self) -> tuple[Key, ...]:
        """The migrations to apply, in their order."""
        return self.status.pending


@dataclass(frozen=True)
class Misfit:
    """A schema whose status cannot be told."""

    schema: str
    kind: Literal["unreadable", "mistyped", "misnamed", "without schema", "without row"]
    why: str  # the server's words, or ours


@dataclass(frozen=True)
class Status:
    """The status of all chosen schemas, in groups, and the migrations on disk of the chosen apps."""

    groups: tuple[Group, ...]  # the shared schema first
    migrations: tuple[Key, ...]  # on disk, by app, each app in the order of its migrations
    kinds: tuple[Kind, ...]  # of all schemas, chosen or not
    tables: dict[str, tuple[Kind, ...]]  # app to the kinds of schemas with its tables; empty if unknown
    obstacle: str  # why no release can start; empty if nothing stands in its way
    misfits: tuple[Misfit, ...]
    tenants_known: bool

    def marks(self, key: Key) -> tuple[Mark, ...]:
        """Whether this migration is applied in each group, in the groups' order."""
        return tuple(group.status.mark(key) for group in self.groups)

    def has_tables(self, group: Group, app: str) -> bool:
        """Whether the app has tables in the group's schemas; True if that is unknown."""
        return not self.tables or (group.role == "shared", group.type) in self.tables.get(app, ())

    @property
    def stale(self) -> dict[Key, int]:
        """Each stale record with the number of schemas that have it."""
        counts: dict[Key, int] = defaultdict(int)
        for group in self.groups:
            for key in group.status.stale:
                counts[key] += len(group.schemas)
        return dict(sorted(counts.items()))

    def as_dict(self) -> dict[str, Any]:
        """The status as JSON has it; the keys are part of the interface."""
        return {
            "cohorts": [_group_as_dict(group) for group in self.groups],
            "apps": [self._app_as_dict(app) for app in dict.fromkeys(app for app, _ in self.migrations)],
            "stale": [{"migration": dotted(key), "schemas": number} for key, number in self.stale.items()],
            "misfits": [dataclasses.asdict(one) for one in self.misfits],
            "obstacle": self.obstacle,
            "tenants_known": self.tenants_known,
        }

    def _app_as_dict(self, app: str) -> dict[str, Any]:
        tables = [{"shared": shared, "type": type} for shared, type in self.tables.get(app, ())]
        migrations = [self._migration_as_dict(key) for key in self.migrations if key[0] == app]
        return {"app": app, "tables": tables if self.tables else None, "migrations": migrations}

    def _migration_as_dict(self, key: Key) -> dict[str, Any]:
        marks = list(zip(self.groups, self.marks(key), strict=True))
        shared = [mark == "held" for group, mark in marks if group.role == "shared"]
        others = [(len(group.schemas), mark) for group, mark in marks if group.role != "shared"]
        return {
            "name": key[1],
            "shared": shared[0] if shared else None,
            "tenants": sum(number for number, mark in others if mark == "held"),
            "in_part": sum(number for number, mark in others if mark == "in part"),
            "of": sum(number for number, _ in others),
        }


def _group_as_dict(group: Group) -> dict[str, Any]:
    status = group.status
    return {
        "role": group.role,
        "type": group.type,
        "schemas": list(group.schemas),
        "pending": [dotted(key) for key in status.pending],
        "ahead": [dotted(key) for key in status.ahead],
        "stale": [dotted(key) for key in status.stale],
        "in_part": [dotted(key) for key in sorted(status.held_in_part)],
        "inconsistency": status.inconsistency,
        "applied": _by_app(status.recorded),
    }


def _by_app(keys: Iterable[Key]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for app, name in keys:
        found.setdefault(app, []).append(name)
    return found
