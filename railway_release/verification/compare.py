"""Comparing what is expected in the schemas with what they have, for all schemas at once."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

from django_tenants.utils import get_tenant_model

from railway_release.config.config import Config
from railway_release.migrations.outcome import in_words
from railway_release.migrations.plan import Cohort, Plan, SchemaPlan
from railway_release.postgres import catalog, locations
from railway_release.postgres.batch_reader import BatchReader
from railway_release.verification import findings, structure, tenants
from railway_release.verification.contents import TABLES, Contents
from railway_release.verification.findings import Finding, Severity
from railway_release.verification.levels import Levels, missing_tables
from railway_release.verification.structure import EarlierStructure, Structure

Depth = Literal["tables", "columns", "everything"]


Present = dict[str, frozenset[str]]  # by schema, those of the tables asked for that it has


@dataclass(frozen=True)
class Compared:
    """How deep tables are compared, beside whether they are there, and in which schemas."""

    depth: Depth
    schemas: Collection[SchemaPlan]
    earlier: EarlierStructure = EarlierStructure()  # noqa: RUF009 - frozen


@dataclass(frozen=True)
class Verified:
    """All findings, and the structure of the tables if that was compared."""

    findings: tuple[Finding, ...]
    structure: Structure | None = None


def present(reader: BatchReader, levels: Levels) -> Present:
    """Which tables each schema has, of all that are expected anywhere or read for their contents."""
    names = {table.name for level in set(levels.by_schema.values()) for table in level.tables}
    return catalog.tables(reader.connection, {*names, *TABLES})


def verify(
    reader: BatchReader, levels: Levels, contents: Contents, present: Present, compared: Compared
) -> Verified:
    """All findings, with the severities that the user's configuration gives them."""
    plan = levels.plan
    everything = {table for level in set(levels.by_schema.values()) for table in level.tables}
    columns = catalog.columns(
        reader.connection,
        {table.name for table in everything if table.column},
        {table.column for table in everything if table.column},
    )
    found = [*_missing_tables(levels, present), *_missing_columns(levels, present, columns)]
    found += [*_missing_rows(contents), *_of_topology(plan), *tenants.without_fit(reader.connection, plan)]
    seen = None
    if compared.depth != "tables":
        found += _half_created(reader, compared.schemas)
        seen, more = structure.verify(reader, levels, compared.depth, compared.schemas, compared.earlier)
        found = [*_with_kinds([*found, *more])]
    return Verified(tuple(_as_configured(finding, levels.config) for finding in found), seen)


def _with_kinds(found: Collection[Finding]) -> Iterator[Finding]:
    """The findings; missing tables and those of a third kind with what migrations made of them elsewhere."""
    kinds = {f.object: f.found for f in found if f.id == findings.TABLE_KIND and f.severity == "information"}
    for one in found:
        differs = one.id in (findings.GHOST, findings.MASKED, findings.TABLE_KIND) and one.is_open
        yield replace(one, expected=kinds[one.object]) if differs and one.object in kinds else one


def _missing_tables(levels: Levels, present: Present) -> Iterator[Finding]:
    for one, table, id in missing_tables(levels, levels.plan.schemas, present):
        harmless = id == findings.UNMIGRATED or table.app in one.ahead
        yield Finding(id, "warning" if harmless else "error", one.schema.name, str(table), table.app)


def _missing_columns(
    levels: Levels, present: Mapping[str, frozenset[str]], columns: Collection[tuple[str, str, str]]
) -> Iterator[Finding]:
    """Columns that the user lists as expected, in the schemas that have their tables."""
    listed = {level: [t for t in level.tables if t.column] for level in set(levels.by_schema.values())}
    for name, level in levels.by_schema.items():
        for table in listed[level]:
            schema = table.schema or name
            is_table = table.name in present.get(schema, ())
            if is_table and (schema, table.name, table.column) not in columns:
                yield Finding(findings.MISSING, "error", name, str(table))


def _missing_rows(contents: Contents) -> Iterator[Finding]:
    for name, words in contents.absent.items():
        yield Finding(findings.INCOMPLETE, "warning", name, "rows", found=words)


def _half_created(reader: BatchReader, schemas: Iterable[SchemaPlan]) -> Iterator[Finding]:
    marked = locations.commented(reader.connection, findings.CREATING)
    for one in schemas:
        if one.schema.name in marked:
            yield Finding(findings.HALF_CREATED, "warning", one.schema.name, "schema")


def _of_topology(plan: Plan) -> Iterator[Finding]:
    if not plan.topology.known and _has_tenants(plan.shared):
        yield Finding(findings.TENANTS_UNKNOWN, "error", plan.shared.schema.name, "schema")
    for unusable in plan.topology.unusable:
        if unusable.kind != "misnamed":
            id = findings.MISTYPED if unusable.kind == "mistyped" else findings.UNREADABLE
            yield Finding(id, "error", unusable.schema, "schema", found=unusable.why)
    for one in plan.schemas:
        if one.cohort.inconsistency:
            yield Finding(
                findings.INCONSISTENT,
                "error",
                one.schema.name,
                "django_migrations",
                found=f"{one.cohort.inconsistency}; not looked at: {_not_looked_at(one.cohort)}",
            )
        if one.unfinished:
            what = in_words(one.unfinished)
            yield Finding(findings.UNFINISHED, "error", one.schema.name, "django_migrations", found=what)
        for app in sorted(one.ahead):
            yield Finding(findings.AHEAD, "warning", one.schema.name, app, app)


def _has_tenants(shared: SchemaPlan) -> bool:
    """Whether the tenants' table was made once: before the first release nobody misses it."""
    return any(app == get_tenant_model()._meta.app_label for app, _ in shared.cohort.applied)


def _not_looked_at(cohort: Cohort) -> str:
    """What cannot be compared where a recorded migration depends on one that is not."""
    if not cohort.unrecorded:
        return "its tables"
    return f"the tables that {in_words(cohort.unrecorded)} would change, content types and permissions"


def _as_configured(finding: Finding, config: Config) -> Finding:
    """The finding with the severity that the configuration gives it, or accepted with its reason."""
    for pattern, severity in config.severity if finding.is_open else ():
        if fnmatch.fnmatchcase(finding.id, pattern):
            finding = replace(finding, severity=cast("Severity", severity))
    for entry in config.accept:
        if entry.covers(finding.id, finding.schema, finding.object):
            if not entry.has_expired:
                return replace(finding, severity="accepted", reason=entry.reason)
            finding = replace(finding, reason=f"accepted until {entry.expires}: {entry.reason}")
    return finding


def mark_known(after: Iterable[Finding], before: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings after a release; `known` is set where the same was found before its first write.

    A row without a schema is as grave as before: the release's own records do not make it older.
    """
    old = {(f.id, f.schema, f.object): f for f in before}
    return tuple(_known(one, old.get((one.id, one.schema, one.object))) for one in after)


def _known(after: Finding, before: Finding | None) -> Finding:
    if before is not None and after.id == findings.NO_SCHEMA:
        after = replace(after, severity=before.severity, found=before.found)
    return replace(after, known=before is not None)
