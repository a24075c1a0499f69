"""Which schemas lack content types or permissions of their models, and which lack none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from railway_release.migrations.outcome import Key
from railway_release.migrations.plan import Plan, Planner
from railway_release.migrations.rows import Rows
from railway_release.postgres.batch_reader import BatchReader
from railway_release.postgres.records import ContentRows, content_rows
from railway_release.runtime.text import some


@dataclass(frozen=True)
class Contents:
    """What schemas lack; schemas of which nothing can be said are left out.

    These have no such tables, rows that cannot be read, records with a gap, or some newer than the code.
    """

    absent: Mapping[str, str]  # schema to what is missing, in words
    complete: Mapping[str, Rows]  # schema that lacks nothing, to the rows that were expected in it

    def without(self, schemas: Collection[str]) -> Contents:
        """What is known of the other schemas."""
        return Contents(
            {name: one for name, one in self.absent.items() if name not in schemas},
            {name: one for name, one in self.complete.items() if name not in schemas},
        )


TABLES = ("django_content_type", "auth_permission")
NOTHING_KNOWN = Contents({}, {})


def read(
    reader: BatchReader, plan: Plan, planner: Planner, earlier: Contents, there: Mapping[str, Collection[str]]
) -> Contents:
    """Read the schemas but those that were complete `earlier` and of which nothing more is expected now.

    It is the most expensive read: in each schema, the server opens two tables and their indexes. If a
    migration's own function deletes rows, the next release finds that. `there` has the tables of each schema.
    """
    fit = [one for one in plan.schemas if not one.cohort.inconsistency and not one.ahead]
    wanted = {one.schema.name: planner.rows_of(one.cohort) for one in fit}
    applied = {one.schema.name: one.cohort.applied for one in fit}
    complete = {name: rows for name, rows in wanted.items() if earlier.complete.get(name) == rows}
    found = content_rows(reader, wanted.keys() - complete.keys(), there)
    actual = {name: found[name] for name in wanted if name in found}  # in an order that no reading changes
    absent = _absent(actual, wanted, applied)
    complete |= {name: wanted[name] for name in actual if name not in absent}
    return Contents(absent, complete)


def _absent(
    actual: Mapping[str, ContentRows], wanted: Mapping[str, Rows], applied: Mapping[str, frozenset[Key]]
) -> dict[str, str]:
    """What is missing, by schema; compared once for all with the same records and the same rows."""
    known: dict[tuple[frozenset[Key], ContentRows], str] = {}
    for name, here in actual.items():
        if (applied[name], here) not in known:
            known[applied[name], here] = _difference(wanted[name], here)
    return {name: words for name, here in actual.items() if (words := known[applied[name], here])}


def _difference(wanted: Rows, here: ContentRows) -> str:
    names = {f"{app}.{model}" for app, model in wanted.content_types}
    if here.with_permissions:
        names |= {f"{app}.{model}.{codename}" for app, model, codename, _ in wanted.permissions}
    return some(sorted(names - here.names), 3)
