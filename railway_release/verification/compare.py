"""Compare: expected against what is there, for all schemas at once."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from django.apps import apps
from django.db import router
from django_tenants.routers import TenantSyncRouter

from railway_release.config import Config
from railway_release.migrations.plan import Plan, Planner, SchemaPlan
from railway_release.postgres import catalog
from railway_release.postgres.session import Connection
from railway_release.topology import Schema, tenant_connection
from railway_release.verification import expected, findings
from railway_release.verification.contents import Contents
from railway_release.verification.expected import Table
from railway_release.verification.findings import Finding, Severity

_RECORDS = Table("django_migrations", migrated=False)


def verify(
    connection: Connection, plan: Plan, planner: Planner, contents: Contents, config: Config
) -> tuple[Finding, ...]:
    """All findings, from one read of the catalog."""
    wanted = _expected_by_schema(plan, planner, config)
    names = {table.name for tables in wanted.values() for table in tables}
    present = catalog.tables(connection, names)
    found = [*_missing_tables(plan, wanted, present), *_missing_rows(contents), *_of_topology(plan)]
    return tuple(_judged(finding, config) for finding in found)


def _expected_by_schema(plan: Plan, planner: Planner, config: Config) -> dict[str, tuple[Table, ...]]:
    """Worked out once for each cohort and set of router answers."""
    known: dict[object, tuple[Table, ...]] = {}
    wanted = {}
    for one in plan.schemas:
        key = (one.cohort.applied, one.schema.role == "shared", _answers(one.schema))
        if key not in known:
            known[key] = tuple(_expected(one, planner, config))
        wanted[one.schema.name] = known[key]
    return wanted


def _expected(one: SchemaPlan, planner: Planner, config: Config) -> Iterator[Table]:
    graph, cohort = planner.graph_of(one.cohort), one.cohort
    _look_at(one.schema)
    ignored = config.ignore_tables
    listed = config.tables_expected_in("shared" if one.schema.role == "shared" else "tenant")
    tables = list(expected.named_by_user(listed))
    if cohort.applied:
        tables.append(_RECORDS)
    # Records with a gap describe no state of the models.
    if cohort.applied and not cohort.inconsistency:
        tables += [*expected.of_migrations(graph.state)]
        tables += expected.of_unmigrated_apps(graph.unmigrated_apps)
    for table in dict.fromkeys(tables):
        if not any(fnmatch.fnmatchcase(table.name, pattern) for pattern in ignored):
            yield table


def _answers(schema: Schema) -> object:
    """What tells the routers' answers apart: the type for django-tenants' own, all answers for others."""
    if all(type(one) is TenantSyncRouter for one in router.routers):
        return schema.type
    _look_at(schema)
    models = apps.get_models(include_auto_created=True)
    return tuple(router.allow_migrate_model(tenant_connection().alias, model) for model in models)


def _look_at(schema: Schema) -> None:
    """The routers read the schema from the connection; nothing is sent to the server."""
    tenant_connection().set_schema(schema.name, tenant_type=schema.type)


def _missing_tables(
    plan: Plan, wanted: Mapping[str, tuple[Table, ...]], present: Mapping[str, frozenset[str]]
) -> Iterator[Finding]:
    in_shared = present.get(plan.shared.schema.name, frozenset())
    absent: dict[tuple[int, int], list[Table]] = {}
    for one in plan.schemas:
        here, tables = present.get(one.schema.name, frozenset()), wanted[one.schema.name]
        # Equal schemas share their sets, so the comparison is made once for all of them.
        key = (id(here), id(tables))
        if key not in absent:
            absent[key] = [
                t for t in tables if t.name not in (present.get(t.schema, ()) if t.schema else here)
            ]
        for table in absent[key]:
            yield _finding(one, table, in_shared)


def _finding(one: SchemaPlan, table: Table, in_shared: frozenset[str]) -> Finding:
    elsewhere = one.schema.role != "shared" and not table.schema and table.name in in_shared
    id = findings.MASKED if elsewhere else findings.GHOST if table.migrated else findings.MISSING
    severity: Severity = "warning" if table.app in one.ahead else "error"
    if table.app and not table.migrated:
        id, severity = findings.UNMIGRATED, "warning"
    name = f"{table.schema}.{table.name}" if table.schema else table.name
    return Finding(id, severity, one.schema.name, name, table.app)


def _missing_rows(contents: Contents) -> Iterator[Finding]:
    for name, words in contents.absent.items():
        yield Finding(findings.INCOMPLETE, "warning", name, "rows", found=words)


def _of_topology(plan: Plan) -> Iterator[Finding]:
    for name in plan.topology.without_schema:
        yield Finding(findings.NO_SCHEMA, "warning", name, "schema")
    for unfit in plan.topology.unfit:
        id = findings.MISTYPED if unfit.kind == "mistyped" else findings.UNREADABLE
        yield Finding(id, "error", unfit.schema, "schema", found=unfit.why)
    for name in plan.topology.without_row:
        yield Finding(findings.NO_ROW, "warning", name, "schema")
    for one in plan.schemas:
        if one.cohort.inconsistency:
            yield Finding(
                findings.INCONSISTENT,
                "error",
                one.schema.name,
                "django_migrations",
                found=one.cohort.inconsistency,
            )
        for app in sorted(one.ahead):
            yield Finding(findings.AHEAD, "warning", one.schema.name, app, app)


def _judged(finding: Finding, config: Config) -> Finding:
    for entry in config.accept:
        if entry.covers(finding.id, finding.schema, finding.object):
            return replace(finding, severity="accepted", reason=entry.reason)
    return finding


def mark_known(after: Iterable[Finding], before: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, with those that were there before the first write marked."""
    old = {(f.id, f.schema, f.object) for f in before}
    return tuple(replace(f, known=(f.id, f.schema, f.object) in old) for f in after)
