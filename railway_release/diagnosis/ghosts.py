"""Tables that are recorded and missing: which of the known ways led to that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps

from railway_release.diagnosis import commands
from railway_release.diagnosis.causes import Cause, cause, worst
from railway_release.diagnosis.context import DiagnosisContext
from railway_release.naming import table_of
from railway_release.postgres import catalog
from railway_release.postgres.batch_reader import escaped
from railway_release.postgres.session import literal
from railway_release.preflight.routing import in_shared, in_tenants, tenants_setting
from railway_release.runtime.text import count, schemas_in_words, some
from railway_release.topology import templates
from railway_release.verification.findings import GHOST, MASKED, Finding

_MOST_GROUPS = 5
Tables = dict[str, frozenset[str]]  # schema to its tables


def causes(context: DiagnosisContext) -> Iterator[Cause]:
    """The causes for ghosts and masked tables; each table belongs to one of them."""
    found = context.found(GHOST, MASKED)
    present = catalog.tables(context.connection, {table for one in found for table in _tables_of(one.app)})
    for app in dict.fromkeys(one.app for one in found):
        of_app = [one for one in found if one.app == app]
        if _has_moved(app, context, present):
            yield _moved(app, of_app)
            found = [one for one in found if one.app != app]
    for template in dict.fromkeys(one.name for one in templates()):
        if bred := _inherited_from(template, found, context):
            yield _stale(template, bred)
            explained = set(bred)
            found = [one for one in found if one not in explained]
    yield from _others(GHOST, found, context)
    yield from _others(MASKED, found, context)


def _has_moved(app: str, context: DiagnosisContext, present: Tables) -> bool:
    """Whether an app was moved: no tenant has its tables, and the shared schema has them and should not."""
    models = [one for one in _models(app) if in_tenants(one)]
    if not models or any(in_shared(one) for one in models):
        return False
    tables = {table_of(one) for one in models}
    recorded = [one for one in context.plan.tenants if any(label == app for label, _ in one.cohort.applied)]
    in_shared_schema = tables & present.get(context.plan.shared.schema.name, frozenset())
    in_tenants_schemas = any(tables & present.get(one.schema.name, frozenset()) for one in recorded)
    return bool(in_shared_schema) and not in_tenants_schemas


def _moved(app: str, found: list[Finding]) -> Cause:
    schemas = _schemas(found)
    seen = (
        f"{app} is in {tenants_setting()}, is recorded in {schemas_in_words(schemas)} and has no table "
        f"there; its tables are in the shared schema: {some(_objects(found), 3)}"
    )
    shows = "shows the SQL, or where rows are in the way what to decide about them"
    return cause("app.moved", seen, commands.repair(schemas, shows=shows), schemas)


def _inherited_from(template: str, found: list[Finding], context: DiagnosisContext) -> list[Finding]:
    """The findings of tenants that lack what their template lacks, too."""
    if not found or template not in {one.schema.name for one in context.plan.tenants}:
        return []
    there = catalog.tables(context.connection, {one.object for one in found}).get(template, frozenset())
    others = {one.schema for one in found if one.object in there}
    shared = context.plan.shared.schema.name
    others |= {shared, template}
    return [one for one in found if one.schema not in others]


def _stale(template: str, found: list[Finding]) -> Cause:
    schemas = _schemas(found)
    seen = f"{schemas_in_words(schemas)} and the template {template} lack {some(_objects(found), 3)}"
    return cause("template.stale", seen, commands.repair([template, *schemas]), schemas)


def _others(id: str, found: Iterable[Finding], context: DiagnosisContext) -> Iterator[Cause]:
    """The remaining causes: one for each set of schemas that lack the same tables."""
    by_schema: dict[str, list[Finding]] = {}
    for one in found:
        if one.id == id:
            by_schema.setdefault(one.schema, []).append(one)
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for ones in by_schema.values():
        groups.setdefault(tuple(_objects(ones)), []).extend(ones)
    largest = sorted(groups.values(), key=lambda ones: -len(_schemas(ones)))
    for ones in largest[:_MOST_GROUPS]:
        yield _one_group(id, ones, context)
    if rest := [one for ones in largest[_MOST_GROUPS:] for one in ones]:
        yield _one_group(id, rest, context)


def _one_group(id: str, found: list[Finding], context: DiagnosisContext) -> Cause:
    schemas = _schemas(found)
    seen = f"{some(_objects(found), 3)} in {schemas_in_words(schemas)}{_recorded_at(found[0], context)}"
    severity = worst([one.severity for one in found])
    return cause(id, seen, commands.repair(schemas), schemas, severity)


def _recorded_at(finding: Finding, context: DiagnosisContext) -> str:
    """When a migration was recorded, in words, to be compared with a restore or a run with --fake."""
    select = _RECORDED.replace("{app}", escaped(literal(finding.app)))
    rows = list(context.reader.read([finding.schema], select, {}))
    if not rows or rows[0][1] is None:
        return ""
    ((_, first, last, number),) = rows
    when = f"at {first}" if first == last else f"from {first} to {last}"
    return f"; {finding.app} recorded in {finding.schema} {when} ({count(number, 'migration')})"


def _tables_of(app: str) -> set[str]:
    return {table_of(one) for one in _models(app)}


def _models(app: str) -> list[Any]:
    """The models of an app; none if it is not installed any more."""
    return list(apps.all_models.get(app, {}).values())


def _schemas(found: Iterable[Finding]) -> list[str]:
    return list(dict.fromkeys(one.schema for one in found))


def _objects(found: Iterable[Finding]) -> list[str]:
    return list(dict.fromkeys(one.object for one in found))


_RECORDED = """
(SELECT {literal}, to_char(min(applied), 'YYYY-MM-DD HH24:MI'), to_char(max(applied), 'YYYY-MM-DD HH24:MI'),
        count(*) FROM {schema}.django_migrations WHERE app = {app})
"""
