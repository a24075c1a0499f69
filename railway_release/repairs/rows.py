"""Which tables hold rows, read before columns are added to them or tables created that hide them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from railway_release.postgres import locations
from railway_release.postgres.batch_reader import BatchReader, escaped
from railway_release.postgres.session import quote
from railway_release.verification.findings import COLUMN_MISSING, MASKED
from railway_release.verification.structure import Deviation


@dataclass(frozen=True)
class Rows:
    """What is known of the rows of the tables that were read."""

    filled: frozenset[tuple[str, str]]  # schema and table; also those that cannot be read
    in_shared: Mapping[str, int | str]  # masked table to the number of rows in the shared one, or an error


def read(reader: BatchReader, found: Iterable[Deviation], shared: str) -> Rows:
    """Read the tables that these deviations make necessary, many schemas at a time."""
    asked: dict[str, list[str]] = defaultdict(list)
    masked = set()
    for one in found:
        difference = one.difference
        if difference.id == MASKED:
            masked.add(difference.table)
        elif needs_value(one):
            asked[difference.table].append(one.plan.schema.name)
    filled = {
        (schema, table)
        for table, schemas in asked.items()
        for some in locations.schemas_with_rows(reader, table, schemas)
        for schema in some
    }
    return Rows(frozenset(filled), {table: _count(reader, shared, table) for table in masked})


def needs_value(one: Deviation) -> bool:
    """Whether it is a missing column that cannot be added where there are rows."""
    definition = one.difference.definition
    missing = one.difference.id == COLUMN_MISSING
    return bool(missing and definition and definition.creation and definition.creation.needs_value)


def _count(reader: BatchReader, shared: str, table: str) -> int | str:
    unreadable: dict[str, str] = {}
    select = f"SELECT count(*) FROM {{schema}}.{escaped(quote(table))}"  # noqa: S608 - quoted
    numbers = list(reader.read([shared], select, unreadable))
    return unreadable[shared] if unreadable else int(numbers[0][0])
