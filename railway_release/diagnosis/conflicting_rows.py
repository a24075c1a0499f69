"""Rows that a pending migration's own statements forbid, so that it fails in these schemas alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from railway_release.diagnosis import commands
from railway_release.diagnosis.causes import Cause, cause
from railway_release.diagnosis.context import DiagnosisContext
from railway_release.migrations.outcome import Key, dotted
from railway_release.migrations.plan import SchemaPlan
from railway_release.migrations.statements import statements_about_rows
from railway_release.postgres import catalog
from railway_release.postgres.conflicts import Conflict, Table, conflicts, schemas_with
from railway_release.runtime.text import schemas_in_words
from railway_release.topology import Schema

_UNKNOWN = (
    "The rows of now break the rule that the migration adds. What code makes of them before cannot be known "
    "without running it: look whether it is meant to."
)


@dataclass(frozen=True)
class Forbidden:
    """A pending migration that fails in some schemas, on rows that are there."""

    step: Key
    conflict: Conflict
    schemas: tuple[str, ...]
    target_schema: str  # of the first schema's foreign key
    after: Key | None = None  # a migration whose code may change these rows before


def find(context: DiagnosisContext) -> list[Forbidden]:
    """What each pending migration is known to fail on, unless code before it changes the rows first."""
    groups: dict[tuple[frozenset[Key], Schema], list[SchemaPlan]] = {}
    for one in context.schemas:
        if one.pending:
            kind = Schema("", one.schema.role, one.schema.type)
            groups.setdefault((one.cohort.applied, kind), []).append(one)
    found: dict[tuple[Key, Conflict, Key | None], Forbidden] = {}
    for alike in groups.values():
        for new in _in_group(context, alike):
            key = (new.step, new.conflict, new.after)
            known = found.get(key, new)
            found[key] = replace(known, schemas=tuple(dict.fromkeys((*known.schemas, *new.schemas))))
    return list(found.values())


def causes(found: Sequence[Forbidden]) -> Iterator[Cause]:
    """A cause for each of them, with the query that lists the rows of the first schema."""
    for one in found:
        where, command = schemas_in_words(one.schemas), commands.sql(_query(one))
        if one.after is None:
            seen = f"{dotted(one.step)} fails in {where}: {one.conflict.what}"
            yield cause("rows.in_the_way", seen, command, one.schemas)
        else:
            code = f"code of {dotted(one.after)}, which runs before"
            seen = f"{dotted(one.step)} fails in {where} unless {code}, changes this: {one.conflict.what}"
            yield replace(cause("rows.in_the_way", seen, command, one.schemas, "warning"), meaning=_UNKNOWN)


def _query(one: Forbidden) -> str:
    return one.conflict.query(one.schemas[0], one.target_schema)


def _in_group(context: DiagnosisContext, alike: Sequence[SchemaPlan]) -> Iterator[Forbidden]:
    """The same for schemas of one kind with the same records."""
    first, shared = alike[0], context.plan.shared.schema.name
    graph = first.cohort.graph
    asked = [
        (statement, conflict)
        for statement in statements_about_rows(graph, first.cohort, first.schema)
        for conflict in conflicts(statement.text)
    ]
    named = {table.name for _, one in asked for table in (one.table, one.target) if table}
    tables = catalog.tables(context.connection, named) if named else {}
    for of, conflict in asked:
        for target_schema, schemas in _by_target(conflict, alike, tables, shared).items():
            free = [name for name in schemas if name not in context.reader.locked]
            if hit := schemas_with(context.reader, conflict, free, target_schema):
                yield Forbidden(of.key, conflict, tuple(hit), target_schema or hit[0], of.after)


def _by_target(
    conflict: Conflict, alike: Sequence[SchemaPlan], tables: Mapping[str, frozenset[str]], shared: str
) -> dict[str, list[str]]:
    """The schemas with the table, by where the key's target is: the shared schema, or ``""``: their own."""
    found: dict[str, list[str]] = {}
    for one in alike:
        name = one.schema.name
        if _is_there(conflict.table, name, tables):
            own = conflict.target is None or _is_there(conflict.target, name, tables)
            if own or _is_there(conflict.target, shared, tables):
                found.setdefault("" if own else shared, []).append(name)
    return found


def _is_there(table: Table | None, schema: str, tables: Mapping[str, frozenset[str]]) -> bool:
    return table is not None and (bool(table.schema) or table.name in tables.get(schema, ()))
