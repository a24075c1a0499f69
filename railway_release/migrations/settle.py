"""Finds schemas that another process may still be creating; they are not migrated until they have settled.

django-tenants creates a tenant's schema and migrates it migration by migration; if that fails, it drops
schema and row. A release that migrates such a schema meanwhile makes it fail.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from railway_release.migrations.plan import Histories, SchemaPlan
from railway_release.postgres import catalog
from railway_release.postgres.batch_reader import BatchReader
from railway_release.postgres.records import Record, records
from railway_release.postgres.session import Connection


def suspects(
    plans: Iterable[SchemaPlan], known_before: Collection[str], fresh: Collection[str]
) -> frozenset[str]:
    """Pending schemas that may be incomplete, since another process is still creating them.

    They are new since the first plan, or at a level of their own, or, when several are created at once, at
    a level that is not the usual one, where a record was written in the last hour (`fresh`).
    """
    everyone = list(plans)
    levels = Counter((one.schema.type, one.cohort.applied) for one in everyone)
    usual = {type: max(n for (t, _), n in levels.items() if t == type) for type, _ in levels}

    def may_be_incomplete(one: SchemaPlan) -> bool:
        name, alike = one.schema.name, levels[one.schema.type, one.cohort.applied]
        unusual = alike == 1 or (name in fresh and alike < usual[one.schema.type])
        return one.pending and (unusual or name not in known_before)

    return frozenset(one.schema.name for one in everyone if may_be_incomplete(one))


@dataclass(frozen=True)
class SettlePolicy:
    """When a schema counts as settled."""

    apart: float  # seconds between two equal reads of its records
    application: str  # our own application_name, whose locks do not count


def settled(
    connection: Connection, names: Collection[str], seen: Histories, seen_at: float, policy: SettlePolicy
) -> tuple[frozenset[str], Histories]:
    """The schemas whose records equal those `seen`, and that no other session changes; and the new records.

    Sleeps until `policy.apart` seconds have passed since `seen_at`, a time.monotonic().
    """
    time.sleep(max(0.0, seen_at + policy.apart - time.monotonic()))
    busy = catalog.busy_schemas(connection, names, policy.application)
    now = records(BatchReader(connection), names).histories
    return frozenset(name for name in names if name not in busy and now.get(name) == seen.get(name)), now


def wait_until_settled(
    connection: Connection, names: Collection[str], policy: SettlePolicy, deadline: float
) -> dict[str, tuple[Record, ...]]:
    """The records of the schemas that settle before `deadline`, a time.monotonic()."""
    seen: Histories = records(BatchReader(connection), names).histories
    seen_at = time.monotonic()
    ready: dict[str, tuple[Record, ...]] = {}
    while waiting := set(names) - set(ready):
        stable, seen = settled(connection, waiting, seen, seen_at, policy)
        seen_at = time.monotonic()
        ready |= {name: seen[name] for name in stable}
        if seen_at >= deadline:
            break
    return ready
