"""Blocking: the findings that make migrating a schema dangerous."""

from __future__ import annotations

from collections.abc import Iterable

from railway_release.migrations.plan import Plan, SchemaPlan
from railway_release.verification.findings import GHOST, MASKED, Finding


def held_up(plan: Plan, findings: Iterable[Finding]) -> frozenset[str]:
    """The schemas with pending migrations that no release touches: all of them, if the shared one is so."""
    of_schema: dict[str, list[Finding]] = {}
    for finding in findings:
        of_schema.setdefault(finding.schema, []).append(finding)
    stuck = {one.schema.name for one in plan.pending if blocking(one, of_schema.get(one.schema.name, ()))}
    everyone = plan.shared.schema.name in stuck
    return frozenset(one.schema.name for one in plan.pending) if everyone else frozenset(stuck)


def blocking(one: SchemaPlan, findings: Iterable[Finding]) -> list[Finding]:
    """Of a schema's findings, those because of which it is not migrated.

    A migration of an app fails where a table of that app is a ghost. In place of a masked table it would
    reach the shared one, also by a foreign key from another app, so the apps that it depends on count, too.
    """
    dangerous = {GHOST: one.cohort.pending_apps, MASKED: one.cohort.foundations}
    return [finding for finding in findings if finding.app in dangerous.get(finding.id, ())]
