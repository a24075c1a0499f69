"""Survey: one look at everything, without writing; what every command starts from."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from railway_release import topology
from railway_release.config import Config
from railway_release.errors import PreflightError, SharedSchemaMissing, UnknownName
from railway_release.migrations.plan import History, Plan, Planner
from railway_release.postgres import catalog
from railway_release.postgres.failures import is_transient, sqlstate
from railway_release.postgres.retry import retrying
from railway_release.postgres.session import Connection, clip, quote
from railway_release.preflight import database
from railway_release.preflight.target import Target
from railway_release.verification.compare import verify
from railway_release.verification.findings import INCOMPLETE, Finding
from railway_release.words import some

# A tenant that is deleted between two statements takes its table or schema with it.
_VANISHED = {"42P01", "3F000"}


@dataclass(frozen=True)
class Survey:
    """The plan, the records it was made from, what verification found, and when they were read."""

    plan: Plan
    history: History
    findings: tuple[Finding, ...]
    read_at: float  # time.monotonic()
    fresh: frozenset[str]  # schemas with a record of the last hour

    @cached_property
    def findings_by_schema(self) -> dict[str, list[Finding]]:
        """The findings of each schema that has any."""
        grouped: dict[str, list[Finding]] = {}
        for finding in self.findings:
            grouped.setdefault(finding.schema, []).append(finding)
        return grouped


def look(target: Target, planner: Planner) -> Survey:
    """Read everything, in a handful of statements whatever the number of tenants."""
    return retrying(
        lambda: _look(target, planner),
        seconds=target.config.retry_for,
        event="survey.retried",
        may_pass=lambda error: sqlstate(error) in _VANISHED or is_transient(error),
    )


def _look(target: Target, planner: Planner) -> Survey:
    try:
        with database.reading(target.connector("read")) as connection:
            return _read(target, planner, connection)
    finally:
        topology.tenant_connection().close()


def _read(target: Target, planner: Planner, connection: Connection) -> Survey:
    there = topology.read(connection)
    _check_shared_schema(there, connection)
    _check_names(target.config, there)
    records = catalog.records(connection, [schema.name for schema in there.schemas])
    read_at = time.monotonic()
    _check_shared_records(there.shared.name, records.unreadable)
    plan = planner.plan(there.without(records.unreadable), records.histories)
    findings = verify(connection, plan, planner, target.config)
    shared = there.shared.name
    plan = plan.completing(_incomplete(plan, findings, target.config))
    ours = (f for f in findings if target.config.includes(f.schema, shared=f.schema == shared))
    return Survey(plan, records.histories, tuple(ours), read_at, records.fresh)


def _incomplete(plan: Plan, findings: Iterable[Finding], config: Config) -> set[str]:
    """The schemas whose content types and permissions are to be seen to."""
    if config.post_migrate:
        return {one.schema.name for one in plan.schemas}
    return {f.schema for f in findings if f.id == INCOMPLETE and f.severity != "accepted"}


def _check_shared_schema(there: topology.Topology, connection: Connection) -> None:
    name = there.shared.name
    if name not in catalog.schema_names(connection):
        raise SharedSchemaMissing(
            f"The shared schema {name!r} (PUBLIC_SCHEMA_NAME) does not exist.",
            f'Create it: CREATE SCHEMA "{name}";',
        )


def _check_shared_records(name: str, unreadable: Mapping[str, str]) -> None:
    if name in unreadable:
        raise PreflightError(
            f"The records of the shared schema {name!r} cannot be read: {unreadable[name]}.",
            f"Look at {quote(name)}.django_migrations with the role of the release.",
        )


def _check_names(config: Config, there: topology.Topology) -> None:
    """Raise UnknownName for a --schema or --exclude that names nothing."""
    known = {schema.name for schema in there.schemas} | {unfit.schema for unfit in there.unfit}
    known |= {*there.without_schema, *there.without_row}
    unknown = [name for name in (*config.schema, *config.exclude) if clip(name) not in known]
    if unknown:
        raise UnknownName(
            f"There is no schema {' or '.join(repr(name) for name in unknown)}.",
            f"Known: {some(sorted(known), 10)}.",
        )
