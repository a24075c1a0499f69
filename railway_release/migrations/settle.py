"""Schemas that somebody else may still be creating are left alone until they have settled.

django-tenants creates a tenant's schema and migrates it migration by migration; if that fails, it drops
schema and row. A release that migrates such a schema meanwhile makes it fail.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from railway_release.migrations.plan import History, SchemaPlan
from railway_release.postgres import catalog
from railway_release.postgres.batch_reader import BatchReader
from railway_release.postgres.records import Record, records
from railway_release.postgres.session import Connection


def suspects(
    plans: Iterable[SchemaPlan], known_before: Collection[str], fresh: Collection[str]
) -> frozenset[str]:
    """Pending schemas that may be half made.

    They are new since the first plan, or at a level of their own, or, when several are created at once, at
    a level that is not the usual one, where somebody wrote a record of late (`fresh`).
    """
    everyone = list(plans)
    levels = Counter((one.schema.type, one.cohort.applied) for one in everyone)
    usual = {type: max(n for (t, _), n in levels.items() if t == type) for type, _ in levels}

    def half_made(one: SchemaPlan) -> bool:
        name, alike = one.schema.name, levels[one.schema.type, one.cohort.applied]
        unusual = alike == 1 or (name in fresh and alike < usual[one.schema.type])
        return one.pending and (unusual or name not in known_before)

    return frozenset(one.schema.name for one in everyone if half_made(one))


@dataclass(frozen=True)
class RetryPolicy:
    """How a schema proves that nobody is making it; seconds."""

    apart: float  # between two equal reads
    application: str  # our own, whose locks do not count


def settled(
    connection: Connection, names: Collection[str], seen: History, seen_at: float, retry_policy: RetryPolicy
) -> tuple[frozenset[str], History]:
    """Those whose records equal what was `seen`, while no other session changes them; and the new records.

    Sleeps until `patience.apart` seconds have passed since `seen_at`, a time.monotonic().
    """
    time.sleep(max(0.0, seen_at + retry_policy.apart - time.monotonic()))
    busy, with_records = catalog.states(connection, names, retry_policy.application)
    now = records(BatchReader(connection), names, with_records).histories
    return frozenset(name for name in names if name not in busy and now.get(name) == seen.get(name)), now


def wait_until_settled(
    connection: Connection, names: Collection[str], retry_policy: RetryPolicy, deadline: float
) -> dict[str, tuple[Record, ...]]:
    """The records of the schemas that settle before `deadline`; the others are still being made."""
    seen: History = records(BatchReader(connection), names).histories
    seen_at = time.monotonic()
    ready: dict[str, tuple[Record, ...]] = {}
    while waiting := set(names) - set(ready):
        calm, seen = settled(connection, waiting, seen, seen_at, retry_policy)
        seen_at = time.monotonic()
        ready |= {name: seen[name] for name in calm}
        if seen_at >= deadline:
            break
    return ready
