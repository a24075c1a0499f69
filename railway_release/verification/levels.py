"""Levels: which tables are expected in which schema, by its records, its type and the routers' answers."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.apps import apps
from django.db import router
from django_tenants.routers import TenantSyncRouter

from railway_release.config.config import Config
from railway_release.migrations.plan import Histories, Plan, Planner, SchemaPlan
from railway_release.runtime.counting import counted
from railway_release.topology import Schema, tenant_connection
from railway_release.verification import expected
from railway_release.verification.expected import Table

Level = tuple[Table, ...]  # the tables of a schema; equal ones are one object

_RECORDS = Table("django_migrations", migrated=False)


@dataclass(frozen=True)
class Levels:
    """The plan, and what is expected in each of its schemas."""

    plan: Plan
    planner: Planner
    config: Config
    tables: Mapping[str, Level]  # by schema

    def ignores(self, table: str) -> bool:
        """Whether the user does not want to hear of it."""
        return any(fnmatch.fnmatchcase(table, pattern) for pattern in self.config.ignore_tables)


def levels(plan: Plan, planner: Planner, config: Config) -> Levels:
    """Worked out once for each cohort and set of router answers."""
    tables: dict[str, Level] = {}
    found, known = Levels(plan, planner, config, tables), dict[object, Level]()
    for one in counted(plan.schemas, "schemas.counted", "schemas whose tables are worked out"):
        key = (one.cohort.applied, one.schema.role == "shared", _answers(one.schema))
        if key not in known:
            known[key] = tuple(table for table in _expected(one, found) if not found.ignores(table.name))
        tables[one.schema.name] = known[key]
    return found


def at(earlier: Levels, records: Histories) -> Levels:
    """The same schemas, were these their records."""
    return levels(earlier.planner.draft(earlier.plan.topology, records), earlier.planner, earlier.config)


def unmigrated_apps_with_tables(planner: Planner, plan: Plan) -> list[str]:
    """The apps without migrations of which some schema is to have a table, which no release makes."""
    labels = [one for one in planner.unmigrated_apps if any(apps.get_app_config(one).get_models())]
    found = set()
    for one in plan.schemas if labels else ():
        _look_at(one.schema)
        found |= {table.app for table in expected.of_unmigrated_apps(labels)}
    return sorted(found)


def _expected(one: SchemaPlan, levels: Levels) -> Iterator[Table]:
    graph, cohort = levels.planner.graph_of(one.cohort), one.cohort
    _look_at(one.schema)
    listed = levels.config.tables_expected_in("shared" if one.schema.role == "shared" else "tenant")
    tables = list(expected.named_by_user(listed, levels.plan.topology.in_database))
    if cohort.applied:
        tables.append(_RECORDS)
    # Records with a gap describe no state of the models.
    if cohort.applied and not cohort.inconsistency:
        tables += [*expected.of_migrations(graph.state)]
        tables += expected.of_unmigrated_apps(graph.unmigrated_apps)
    yield from dict.fromkeys(tables)


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
