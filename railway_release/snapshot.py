"""Snapshot: the schemas, their records and tables, and the plan; every command starts from one."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

from railway_release import topology
from railway_release.config.config import Config
from railway_release.errors import PreflightError, SharedSchemaMissing, TenantsUnknown, UnknownName
from railway_release.migrations.plan import Histories, Plan, Planner
from railway_release.postgres.batch_reader import BatchReader
from railway_release.postgres.failures import is_transient, sqlstate
from railway_release.postgres.records import NO_RECORDS, Records, records
from railway_release.postgres.session import Connection, clip, quote
from railway_release.preflight.target import Target
from railway_release.runtime.platform import cores
from railway_release.runtime.program import PROGRAM
from railway_release.runtime.text import some
from railway_release.runtime.visible import visible
from railway_release.verification import contents
from railway_release.verification.capacity import TooHeavy, too_heavy
from railway_release.verification.compare import Compared, Depth, Verified, present, verify
from railway_release.verification.contents import NOTHING_KNOWN, Contents
from railway_release.verification.extensions import MisplacedExtension, misplaced_extensions
from railway_release.verification.findings import INCOMPLETE, Finding
from railway_release.verification.levels import Levels, levels
from railway_release.verification.structure import EarlierStructure, Structure

# undefined_table, invalid_schema_name: a tenant was deleted between two statements.
_DROPPED_MEANWHILE = {"42P01", "3F000"}
T = TypeVar("T")
# "all": also content types and permissions; "shared tables": tenants' tables are not compared.
Extent = Literal["all", "tables", "shared tables"]

_MOST_CONNECTIONS = 4  # for one snapshot: the application needs the others


@dataclass(frozen=True)
class Snapshot:
    """What was read at one time: records, the plan made from them, and the findings of verification."""

    plan: Plan
    records: Records
    findings: tuple[Finding, ...]
    read_at: float  # time.monotonic()
    contents: Contents
    obstacles: Mapping[
        str, TooHeavy | MisplacedExtension
    ]  # schemas with a migration that is known to fail, there or later
    structure: Structure | None = None  # the tables, if more than their names was read

    @property
    def history(self) -> Histories:
        """The records of each schema, oldest first."""
        return self.records.histories

    @property
    def fresh(self) -> frozenset[str]:
        """The schemas with a record of the last hour."""
        return self.records.fresh

    @property
    def is_nothing_due(self) -> bool:
        """Whether there is nothing to do in any schema."""
        return not any(one.due for one in self.plan.schemas)

    @cached_property
    def findings_by_schema(self) -> dict[str, list[Finding]]:
        """The findings of each schema that has any."""
        grouped: dict[str, list[Finding]] = {}
        for finding in self.findings:
            grouped.setdefault(finding.schema, []).append(finding)
        return grouped


def take_snapshot(  # noqa: PLR0913 - each narrows what is read
    target: Target,
    planner: Planner,
    earlier: Snapshot | None = None,
    depth: Depth = "tables",
    *,
    extent: Extent = "all",
    only: Collection[str] | None = None,
) -> Snapshot:
    """Read everything, with a few statements for each fifty schemas; nothing is written.

    Not read are records that an `earlier` snapshot has, if nothing was due then; details of tables below
    `depth`; what is outside the `extent`; and the tables of other schemas than `only`, if that is given.
    """
    wanted = _Wanted(earlier, depth, extent, only=only)
    return reading(target, lambda reader: _read(target, planner, reader, wanted))


def update_snapshot(
    target: Target, planner: Planner, earlier: Snapshot, changed: Collection[str]
) -> Snapshot:
    """An earlier snapshot of everything as it is now; only what is new or has changed is read again."""
    wanted = _Wanted(earlier, "everything", "all", changed=changed)
    return reading(target, lambda reader: _read(target, planner, reader, wanted))


def take_record_snapshot(target: Target, planner: Planner) -> tuple[Plan, Records]:
    """Read only the schemas and their records; the plan is a draft, also where nothing can be migrated."""
    return reading(target, lambda reader: _read_records(target, planner, reader))


def take_topology(target: Target) -> topology.Topology:
    """Read only which schemas there are; raises UnknownName for options that name none of them."""
    return reading(target, lambda reader: _topology(target, reader))


def reading(target: Target, read: Callable[[BatchReader], T]) -> T:
    """The result of `read` on connections that cannot write; transient errors are retried."""
    return target.read_pool.read(
        lambda connection: _read_once(target, connection, read),
        is_retryable=lambda error: sqlstate(error) in _DROPPED_MEANWHILE or is_transient(error),
    )


def _read_once(target: Target, connection: Connection, read: Callable[[BatchReader], T]) -> T:
    numbers, server = itertools.count(1), target.read_pool.server
    # A pooler may let a second connection wait until the first is closed.
    single = server.pooled or target.read_pool.single
    most = 1 if single else min(target.config.jobs or cores(), _MOST_CONNECTIONS)
    django = topology.tenant_connection()
    if django.connection is not None and django.connection.closed:
        django.close()  # the server has ended it, and Django would not connect again
    before = django.connection
    try:
        another = lambda: target.read_pool.another(next(numbers))  # noqa: E731
        return read(BatchReader(connection, another, most, server.lock_slots))
    finally:
        # A connection that was open before is kept: migrations run on it.
        if django.connection is not before:
            django.close()


@dataclass(frozen=True)
class _Wanted:
    """The arguments of take_snapshot()."""

    earlier: Snapshot | None
    depth: Depth
    extent: Extent
    only: Collection[str] | None = None  # the schemas whose tables are compared
    changed: Collection[str] | None = None  # if all else is as it was in the earlier snapshot

    @property
    def known_records(self) -> Records:
        """The records that need not be read again."""
        if self.earlier and self.changed is not None:
            return self.earlier.records.without(self.changed)
        # After a snapshot with nothing due we wrote nothing, so only new schemas are read.
        return self.earlier.records if self.earlier and self.earlier.is_nothing_due else NO_RECORDS

    @property
    def known_contents(self) -> Contents:
        """The schemas whose content types and permissions are known."""
        return self.earlier.contents.without(self.changed or ()) if self.earlier else NOTHING_KNOWN

    @property
    def known_structure(self) -> EarlierStructure:
        """The tables that need not be read again."""
        if self.earlier is None or self.changed is None:
            return EarlierStructure()
        return EarlierStructure(self.earlier.structure, self.changed)


def _read(target: Target, planner: Planner, reader: BatchReader, wanted: _Wanted) -> Snapshot:
    there = _topology(target, reader)
    shared = there.shared.name
    recorded = _records(reader, there, wanted.known_records)
    read_at = time.monotonic()
    _check_shared_records(shared, recorded.unreadable)
    plan = planner.plan(there.without(recorded.unreadable), recorded.histories)
    plan = plan.with_unfinished(recorded.unfinished)
    held, verified = _verified(reader, levels(plan, planner, target.config), wanted)
    findings = verified.findings
    plan = plan.with_incomplete(_incomplete(plan, held, findings, target.config))
    ours = (
        f for f in findings if not f.schema or target.config.includes(f.schema, shared=f.schema == shared)
    )
    connection = reader.connection
    obstacles = misplaced_extensions(connection, plan) | too_heavy(connection, plan)
    return Snapshot(plan, recorded, tuple(ours), read_at, held, obstacles, verified.structure)


def _verified(reader: BatchReader, expected: Levels, wanted: _Wanted) -> tuple[Contents, Verified]:
    """The content types and permissions that schemas lack, as far as they are wanted, and all findings."""
    plan, held, tables = expected.plan, NOTHING_KNOWN, present(reader, expected)
    if wanted.extent == "all":
        held = contents.read(reader, plan, expected.planner, wanted.known_contents, tables)
    chosen = [plan.shared] if wanted.extent == "shared tables" else plan.schemas
    if wanted.only is not None:
        chosen = [one for one in chosen if one.schema.name in wanted.only]
    compared = Compared(wanted.depth, chosen, wanted.known_structure)
    return held, verify(reader, expected, held, tables, compared)


def _topology(target: Target, reader: BatchReader) -> topology.Topology:
    there = topology.read(reader.connection, for_django=not target.read_pool.server.pooled)
    _check_shared_schema(there)
    _check_tenants(target.config, there)
    _check_names(target.config, there)
    return there


def _read_records(target: Target, planner: Planner, reader: BatchReader) -> tuple[Plan, Records]:
    there = _topology(target, reader)
    found = records(reader, [schema.name for schema in there.schemas], there.with_records)
    plan = planner.draft(there.without(found.unreadable), found.histories)
    return plan.with_unfinished(found.unfinished), found


def _records(reader: BatchReader, there: topology.Topology, known: Records) -> Records:
    """The records of all schemas; those that are known are not read."""
    schemas = [schema.name for schema in there.schemas]
    new = records(reader, [name for name in schemas if name not in known.histories], there.with_records)
    taken_over = {name: known.histories[name] for name in schemas if name in known.histories}
    unfinished = {name: keys for name, keys in known.unfinished.items() if name in taken_over}
    return Records(
        taken_over | new.histories, new.unreadable, known.fresh | new.fresh, {**unfinished, **new.unfinished}
    )


def _incomplete(plan: Plan, held: Contents, findings: Iterable[Finding], config: Config) -> set[str]:
    """The schemas in which all content types and permissions are to be created."""
    if config.post_migrate:
        return {one.schema.name for one in plan.schemas}
    unknown = {one.schema.name for one in plan.pending if one.schema.name not in held.complete}
    return unknown | {f.schema for f in findings if f.id == INCOMPLETE and f.is_open}


def _check_shared_schema(there: topology.Topology) -> None:
    name = there.shared.name
    if name not in there.in_database:
        raise SharedSchemaMissing(
            f"The shared schema {name!r} (PUBLIC_SCHEMA_NAME) does not exist.",
            f'Create it: CREATE SCHEMA "{name}";',
        )


def _check_shared_records(name: str, unreadable: Mapping[str, str]) -> None:
    if name in unreadable:
        raise PreflightError(
            f"The records of the shared schema {name!r} cannot be read: {unreadable[name]}.",
            f"Read {quote(name)}.django_migrations with the role of the release to see why.",
        )


def _check_tenants(config: Config, there: topology.Topology) -> None:
    """Raise TenantsUnknown where the command is about tenants alone, and these cannot be listed.

    Before the first release there are none.
    """
    if there.known or there.shared.name not in there.with_records:
        return
    if config.tenants_only or {clip(name) for name in config.schema} - {there.shared.name}:
        raise TenantsUnknown(
            "The tenants cannot be listed before the shared schema is migrated: their table is not there, or "
            "lacks a column.",
            f"Why, and what makes them known: {PROGRAM} doctor",
        )


def _check_names(config: Config, there: topology.Topology) -> None:
    """Raise UnknownName for a --schema or --exclude that names nothing."""
    known = {*there.names, *map(visible, there.names)}
    unknown = [name for name in (*config.schema, *config.exclude) if clip(name) not in known]
    if unknown:
        raise UnknownName(
            f"There is no schema {' or '.join(repr(name) for name in unknown)}.",
            f"Known: {some(sorted(there.names), 10)}.",
        )
