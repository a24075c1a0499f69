"""Blocking: the findings that make migrating a schema dangerous."""

from __future__ import annotations

from collections.abc import Iterable

from railway_release.migrations.plan import SchemaPlan
from railway_release.verification.findings import GHOST, MASKED, Finding


def blocking(one: SchemaPlan, findings: Iterable[Finding]) -> list[Finding]:
    """Those of a schema's findings.

    A ghost in an app with pending work would fail. A masked table would be reached in the shared schema, by
    a foreign key from another app, too, so all the apps that the pending work builds on count.
    """
    dangerous = {GHOST: one.cohort.pending_apps, MASKED: one.cohort.foundations}
    return [finding for finding in findings if finding.app in dangerous.get(finding.id, ())]
