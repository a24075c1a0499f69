"""Levels: which tables are expected in which schema, by its records, its type and the routers."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from django.apps import apps
from django.db import router
from django_tenants.routers import TenantSyncRouter

from railway_release.config.config import Config
from railway_release.migrations.plan import Histories, Plan, Planner, SchemaPlan
from railway_release.runtime.counting import counted
from railway_release.topology import Schema, tenant_connection
from railway_release.verification import expected, findings
from railway_release.verification.expected import Table

_RECORDS = Table("django_migrations", migrated=False)


@dataclass(frozen=True)
class Level:
    """The tables that are expected in all schemas with the same records, role and answers of the routers.

    The number is a cheap key: it tells a level from the others of the same Levels.
    """

    number: int
    tables: tuple[Table, ...] = field(compare=False)


@dataclass(frozen=True)
class Levels:
    """The plan, and the level of each of its schemas."""

    plan: Plan
    planner: Planner
    config: Config
    by_schema: Mapping[str, Level]

    def ignores(self, table: str) -> bool:
        """Whether the user's configuration leaves this table out."""
        return any(fnmatch.fnmatchcase(table, pattern) for pattern in self.config.ignore_tables)


def levels(plan: Plan, planner: Planner, config: Config) -> Levels:
    """The levels of all schemas, each worked out once for the schemas that share it."""
    by_schema: dict[str, Level] = {}
    found, known = Levels(plan, planner, config, by_schema), dict[object, Level]()
    for one in counted(plan.schemas, "schemas.counted", "schemas whose tables are worked out"):
        key = (one.cohort.applied, one.schema.role == "shared", _answers(one.schema))
        if key not in known:
            tables = tuple(table for table in _expected(one, found) if not found.ignores(table.name))
            known[key] = Level(len(known), tables)
        by_schema[one.schema.name] = known[key]
    return found


def at(earlier: Levels, records: Histories) -> Levels:
    """The levels of the same schemas if these were their records."""
    return levels(earlier.planner.draft(earlier.plan.topology, records), earlier.planner, earlier.config)


def missing_tables(
    levels: Levels, plans: Iterable[SchemaPlan], present: Mapping[str, frozenset[str]]
) -> Iterator[tuple[SchemaPlan, Table, str]]:
    """Each expected table that a schema does not have, with the schema's plan and the id of the finding.

    `present` has the tables of each schema, the shared one included.
    """
    in_shared = present.get(levels.plan.shared.schema.name, frozenset())
    missing: dict[tuple[frozenset[str], Level], list[Table]] = {}
    for one in plans:
        here, level = present.get(one.schema.name, frozenset()), levels.by_schema[one.schema.name]
        # Made once for all schemas that are alike; the hash of a frozenset is kept.
        if (here, level) not in missing:
            missing[here, level] = [
                t for t in level.tables if t.name not in (present.get(t.schema, ()) if t.schema else here)
            ]
        yield from ((one, table, _id(one, table, in_shared)) for table in missing[here, level])


def _id(one: SchemaPlan, table: Table, in_shared: frozenset[str]) -> str:
    if table.app and not table.migrated:
        return findings.UNMIGRATED
    if one.schema.role != "shared" and not table.schema and table.name in in_shared:
        return findings.MASKED
    return findings.GHOST if table.migrated else findings.MISSING


def unmigrated_apps_with_tables(plan: Plan) -> list[str]:
    """The apps without migrations whose tables the routers allow somewhere; no release creates these."""
    labels = [one for one in plan.graph.unmigrated_apps if any(apps.get_app_config(one).get_models())]
    found = set()
    for one in plan.schemas if labels else ():
        _set_schema(one.schema)
        found |= {table.app for table in expected.of_unmigrated_apps(labels)}
    return sorted(found)


def _expected(one: SchemaPlan, levels: Levels) -> Iterator[Table]:
    cohort = one.cohort
    _set_schema(one.schema)
    listed = levels.config.tables_expected_in("shared" if one.schema.role == "shared" else "tenant")
    tables = list(expected.named_by_user(listed, levels.plan.topology.in_database))
    if cohort.applied:
        tables.append(_RECORDS)
    if cohort.applied and cohort.is_comparable:
        tables += [*expected.of_migrations(cohort.graph.state, but=cohort.graph.unknown_models)]
        tables += expected.of_unmigrated_apps(cohort.graph.unmigrated_apps)
    yield from dict.fromkeys(tables)


def _answers(schema: Schema) -> object:
    """A key for what the routers say: the tenant's type for django-tenants' own, all answers for others."""
    if all(type(one) is TenantSyncRouter for one in router.routers):
        return schema.type
    _set_schema(schema)
    models = apps.get_models(include_auto_created=True)
    return tuple(router.allow_migrate_model(tenant_connection().alias, model) for model in models)


def _set_schema(schema: Schema) -> None:
    """Set the schema that the routers read from the connection; nothing is sent to the server."""
    tenant_connection().set_schema(schema.name, tenant_type=schema.type)
