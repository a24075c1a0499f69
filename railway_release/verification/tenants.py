"""Tenants and schemas that do not fit together: rows without a schema, schemas without a row."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence

from django.apps import apps

from railway_release.migrations.plan import Plan
from railway_release.naming import table_of
from railway_release.postgres import catalog
from railway_release.postgres.session import Connection
from railway_release.preflight.routing import belongs, tenant_kinds
from railway_release.runtime.text import count, some
from railway_release.topology import Topology, UnusableSchema
from railway_release.verification import findings
from railway_release.verification.findings import Finding

_GONE = "it should have one, which was dropped, renamed or never made"
Types = dict[str, frozenset[str | None]]  # of each schema, the types of tenants that it may be of


def without_fit(connection: Connection, plan: Plan) -> Iterator[Finding]:
    """A finding for each row without a schema and each schema without a row, with what may belong to it."""
    there = plan.topology
    misnamed = [one for one in there.unusable if one.kind == "misnamed"]
    names = [*there.without_schema, *(one.schema for one in misnamed if one.schema not in there.in_database)]
    types = _types(connection, there) if there.without_row and (names or not there.types) else {}
    are_lost = _are_lost(there, types)
    if are_lost:
        yield _lost(there, sorted(types))
    pairs = [(row, one) for row in names for one, its in types.items() if _fits(there.types[row], its)]
    for tenant in misnamed:
        yield _misnamed(tenant, _closest(tenant.schema, [one for row, one in pairs if row == tenant.schema]))
    for name in there.without_schema:
        yield _without_schema(name, there, _closest(name, [one for row, one in pairs if row == name]))
    for name in there.without_row:
        if not (are_lost and name in types):
            yield _without_row(name, _closest(name, [row for row, one in pairs if one == name]))


def _are_lost(there: Topology, types: Types) -> bool:
    """Whether no tenant has a row any more.

    Where a row for the shared schema is left, one schema may be that of a tenant that was deleted by itself.
    """
    rows = there.in_table
    return rows is not None and not rows - {there.shared.name} and len(types) > len(rows)


def _lost(there: Topology, schemas: Sequence[str]) -> Finding:
    found = f"{count(len(schemas), 'schema')} of tenants without a row: {some(schemas)}"
    shared = there.shared.name
    return Finding(findings.TENANTS_LOST, "error", shared, "schema", found=found, candidates=(*schemas,))


def _misnamed(one: UnusableSchema, candidates: tuple[str, ...]) -> Finding:
    words = [one.why, *([f"its schema may be {_either(candidates)}"] if candidates else [])]
    found = "; ".join(words)
    return Finding(findings.MISNAMED, "error", one.schema, "schema", found=found, candidates=candidates)


def _without_schema(name: str, there: Topology, candidates: tuple[str, ...]) -> Finding:
    dropped = name in there.dropped
    words = [_GONE] if dropped else []
    words += [f"it may have been renamed to {_either(candidates)}, which no row names"] if candidates else []
    severity: findings.Severity = "error" if dropped else "warning"
    found = "; ".join(words)
    return Finding(findings.NO_SCHEMA, severity, name, "schema", found=found, candidates=candidates)


def _without_row(name: str, candidates: tuple[str, ...]) -> Finding:
    found = f"it may belong to {_either(candidates)}, without a schema" if candidates else ""
    return Finding(findings.NO_ROW, "warning", name, "schema", found=found, candidates=candidates)


def _either(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"one of {some(names, len(names))}"


def _closest(name: str, names: Collection[str]) -> tuple[str, ...]:
    """The names, those first that are most like this one."""
    return tuple(sorted(names, key=lambda one: (-difflib.SequenceMatcher(None, name, one).ratio(), one)))


def _fits(type: str | None, types: frozenset[str | None]) -> bool:
    """Whether a tenant of this type may have a schema that looks like one of these types."""
    return type in types or type not in {one.type for one in tenant_kinds()}


def _types(connection: Connection, there: Topology) -> Types:
    """Of each schema without a row that looks like a tenant's, the types that it looks like most.

    It does if it has more than half of the tables that the models of today have; others are those of other
    programs.
    """
    models = apps.get_models(include_auto_created=True)
    tables = {kind.type: {table_of(one) for one in models if belongs(one, kind)} for kind in tenant_kinds()}
    present = catalog.tables(connection, {table for ones in tables.values() for table in ones})
    found = {}
    for name in there.without_row:
        shares = {type: _share(ones, present.get(name, frozenset())) for type, ones in tables.items() if ones}
        if (most := max(shares.values(), default=0)) > 1 / 2:
            found[name] = frozenset(type for type, share in shares.items() if share == most)
    return found


def _share(wanted: set[str], present: frozenset[str]) -> float:
    return len(wanted & present) / len(wanted)
