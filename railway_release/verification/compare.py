"""Compare: expected against what is there, for all schemas at once."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

from railway_release.config.config import Config
from railway_release.migrations.outcome import in_words
from railway_release.migrations.plan import Plan, SchemaPlan
from railway_release.postgres import catalog, locations
from railway_release.postgres.batch_reader import BatchReader
from railway_release.verification import findings, structure
from railway_release.verification.contents import TABLES, Contents
from railway_release.verification.expected import Table
from railway_release.verification.findings import Finding, Severity
from railway_release.verification.levels import Levels

Depth = Literal["tables", "columns", "everything"]


Present = dict[str, frozenset[str]]  # of the tables that are asked for, those that each schema has


@dataclass(frozen=True)
class Compared:
    """What of a table is looked at beside that it is there, and in which schemas."""

    depth: Depth
    within: Collection[SchemaPlan]


def present(reader: BatchReader, levels: Levels) -> Present:
    """Which of all tables that are expected anywhere, or are to be read, each schema has."""
    names = {table.name for tables in set(levels.tables.values()) for table in tables}
    return catalog.tables(reader.connection, {*names, *TABLES})


def verify(
    reader: BatchReader, levels: Levels, contents: Contents, present: Present, compared: Compared
) -> tuple[Finding, ...]:
    """All findings."""
    plan = levels.plan
    everything = {table for tables in set(levels.tables.values()) for table in tables}
    columns = catalog.columns(
        reader.connection,
        {table.name for table in everything if table.column},
        {table.column for table in everything if table.column},
    )
    found = [*_missing_tables(levels, present), *_missing_columns(levels, present, columns)]
    found += [*_missing_rows(contents), *_of_topology(plan)]
    if compared.depth != "tables":
        found += _half_created(reader, compared.within)
        found += structure.verify(reader, levels, compared.depth, compared.within)
    return tuple(_judged(finding, levels.config) for finding in found)


def _missing_tables(levels: Levels, present: Mapping[str, frozenset[str]]) -> Iterator[Finding]:
    plan, wanted = levels.plan, levels.tables
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
    return Finding(id, severity, one.schema.name, str(table), table.app)


def _missing_columns(
    levels: Levels, present: Mapping[str, frozenset[str]], columns: Collection[tuple[str, str, str]]
) -> Iterator[Finding]:
    """Of the user's own list, where the table is there."""
    listed = {id(tables): [t for t in tables if t.column] for tables in levels.tables.values()}
    for name, tables in levels.tables.items():
        for table in listed[id(tables)]:
            schema = table.schema or name
            is_table = table.name in present.get(schema, ())
            if is_table and (schema, table.name, table.column) not in columns:
                yield Finding(findings.MISSING, "error", name, str(table))


def _missing_rows(contents: Contents) -> Iterator[Finding]:
    for name, words in contents.absent.items():
        yield Finding(findings.INCOMPLETE, "warning", name, "rows", found=words)


def _half_created(reader: BatchReader, within: Iterable[SchemaPlan]) -> Iterator[Finding]:
    marked = locations.commented(reader.connection, findings.CREATING)
    for one in within:
        if one.schema.name in marked:
            yield Finding(findings.HALF_CREATED, "warning", one.schema.name, "schema")


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
        if one.unfinished:
            what = in_words(one.unfinished)
            yield Finding(findings.UNFINISHED, "error", one.schema.name, "django_migrations", found=what)
        for app in sorted(one.ahead):
            yield Finding(findings.AHEAD, "warning", one.schema.name, app, app)


def _judged(finding: Finding, config: Config) -> Finding:
    """As the user judges it: accepted with a reason, or graver or less grave than it is by itself."""
    for pattern, severity in config.severity:
        if fnmatch.fnmatchcase(finding.id, pattern):
            finding = replace(finding, severity=cast("Severity", severity))
    for entry in config.accept:
        if entry.covers(finding.id, finding.schema, finding.object):
            if not entry.has_expired:
                return replace(finding, severity="accepted", reason=entry.reason)
            finding = replace(finding, reason=f"accepted until {entry.expires}: {entry.reason}")
    return finding


def mark_known(after: Iterable[Finding], before: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, with those that were there before the first write marked."""
    old = {(f.id, f.schema, f.object) for f in before}
    return tuple(replace(f, known=(f.id, f.schema, f.object) in old) for f in after)
