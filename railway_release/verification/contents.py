"""Contents: which schemas lack content types or permissions of their models, and which lack none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from railway_release.migrations.plan import Plan, Planner
from railway_release.migrations.rows import Rows
from railway_release.postgres.batch_reader import BatchReader
from railway_release.postgres.records import ContentRows, content_rows
from railway_release.runtime.text import some


@dataclass(frozen=True)
class Contents:
    """Both by schema.

    In neither: without the tables, with rows that cannot be read, or with records that have a gap or are
    newer than the code.
    """

    absent: Mapping[str, str]  # what is missing, in words
    complete: Mapping[str, Rows]  # all that was expected in the tables that there are


# Where they are.
TABLES = ("django_content_type", "auth_permission")
NOTHING_KNOWN = Contents({}, {})


def read(
    reader: BatchReader, plan: Plan, planner: Planner, earlier: Contents, there: Mapping[str, Collection[str]]
) -> Contents:
    """What was complete is taken to be so still; only those of which more is expected are read again.

    It is the dearest read of all: in each schema, the server opens two tables and their indexes. What a
    migration takes away unseen, inside a function of its own, is found by the next release.
    """
    fit = [one for one in plan.schemas if not one.cohort.inconsistency and not one.ahead]
    wanted = {one.schema.name: planner.rows_of(one.cohort) for one in fit}
    complete = {name: rows for name, rows in wanted.items() if earlier.complete.get(name) == rows}
    actual = content_rows(reader, wanted.keys() - complete.keys(), there)
    absent = _absent({name: (rows, actual[name]) for name, rows in wanted.items() if name in actual})
    complete |= {name: wanted[name] for name in actual if name not in absent}
    return Contents(absent, complete)


def _absent(pairs: Mapping[str, tuple[Rows, ContentRows]]) -> dict[str, str]:
    """Equal ones share their objects, so each comparison is made once for all schemas."""
    known: dict[tuple[int, int], str] = {}
    for wanted, here in pairs.values():
        if (key := (id(wanted), id(here))) not in known:
            known[key] = _difference(wanted, here)
    found = {name: known[id(wanted), id(here)] for name, (wanted, here) in pairs.items()}
    return {name: words for name, words in found.items() if words}


def _difference(wanted: Rows, here: ContentRows) -> str:
    names = {f"{app}.{model}" for app, model in wanted.content_types}
    if here.with_permissions:
        names |= {f"{app}.{model}.{codename}" for app, model, codename, _ in wanted.permissions}
    return some(sorted(names - here.names), 3)
