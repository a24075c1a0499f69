"""Sequences behind their columns: the next insert would take a key that is taken."""

from __future__ import annotations

from collections.abc import Iterator

from railway_release.diagnosis import commands
from railway_release.diagnosis.causes import Cause, cause
from railway_release.diagnosis.context import DiagnosisContext
from railway_release.postgres.batch_reader import escaped
from railway_release.postgres.locations import OwnedSequence, owned_sequences
from railway_release.postgres.session import quote
from railway_release.runtime.text import schemas_in_words, some


def causes(context: DiagnosisContext) -> Iterator[Cause]:
    """One cause for all sequences; each table is read in many schemas at once, by its key's index."""
    columns: dict[tuple[str, str], list[OwnedSequence]] = {}
    for one in owned_sequences(context.connection, [plan.schema.name for plan in context.schemas]):
        columns.setdefault((one.table, one.column), []).append(one)
    behind = [one for owned in columns.values() for one in _behind(context, owned)]
    if not behind:
        return
    schemas = list(dict.fromkeys(one.schema for one in behind))
    names = list(dict.fromkeys(f"{one.table}.{one.column}" for one in behind))
    seen = f"{some(names, 3)} in {schemas_in_words(schemas)}"
    yield cause("sequence.behind", seen, commands.set_sequences(behind), schemas)


def _behind(context: DiagnosisContext, owned: list[OwnedSequence]) -> Iterator[OwnedSequence]:
    by_schema = {one.schema: one for one in owned}
    select = _LARGEST.replace("{table}", escaped(quote(owned[0].table)))
    select = select.replace("{column}", escaped(quote(owned[0].column)))
    for schema, value in context.reader.read(sorted(by_schema), select, {}):
        if value is not None and value > (by_schema[schema].last or 0):
            yield by_schema[schema]


_LARGEST = "(SELECT {literal}, max({column}) FROM {schema}.{table})"
