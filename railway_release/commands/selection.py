"""Which tenants are migrated, and which are not to be touched, and why."""

from __future__ import annotations

from collections.abc import Iterator

from railway_release.config.config import Config
from railway_release.migrations.outcome import Outcome, dotted
from railway_release.migrations.plan import SchemaPlan
from railway_release.runtime.program import PROGRAM
from railway_release.runtime.text import schema_flag, some
from railway_release.snapshot import Snapshot
from railway_release.verification.blocking import blocking as dangers
from railway_release.verification.findings import GHOST, MASKED, NO_SCHEMA, Finding


def to_migrate(snapshot: Snapshot, config: Config) -> Iterator[SchemaPlan]:
    """The tenants that have something to do and whose state allows it."""
    for one in snapshot.plan.tenants:
        if one.is_chosen_by(config) and one.due and not not_to_be_touched(snapshot, one):
            yield one


def without_migrating(snapshot: Snapshot, config: Config) -> Iterator[Outcome]:
    """The outcomes of those that are not to be touched."""
    for one in snapshot.plan.tenants:
        name = one.schema.name
        if not one.is_chosen_by(config):
            yield Outcome(name, "skipped")
        elif one.cohort.inconsistency:
            yield Outcome(name, "failed", message=one.cohort.inconsistency, hint=_hint(name))
        elif not one.due:
            yield Outcome(name, "current")
        elif outcome := not_to_be_touched(snapshot, one):
            yield outcome
    for finding in snapshot.findings:
        if finding.id == NO_SCHEMA and config.includes(finding.schema):
            yield Outcome(finding.schema, "skipped", message="a tenant row without a schema")
    for unusable in snapshot.plan.topology.unusable:
        if config.includes(unusable.schema):
            yield Outcome(
                unusable.schema, "failed", message=f"not touched: {unusable.why}", hint=_hint(unusable.schema)
            )


def as_they_are(snapshot: Snapshot, config: Config) -> Iterator[Outcome]:
    """The outcomes of all schemas where nothing is due, or the shared schema's records have a gap."""
    shared = snapshot.plan.shared
    yield Outcome(shared.schema.name, "current" if shared.is_chosen_by(config) else "skipped")
    yield from without_migrating(snapshot, config)
    for one in to_migrate(snapshot, config):
        text = "not migrated, since the shared schema's records have a gap"
        yield Outcome(one.schema.name, "skipped", message=text)


def not_to_be_touched(snapshot: Snapshot, one: SchemaPlan) -> Outcome | None:
    """The outcome of a schema whose state forbids to migrate it; None if it may be migrated."""
    if findings := blocking(snapshot, one):
        return blocked(one, findings)
    if obstacle := snapshot.obstacles.get(one.schema.name):
        at, text = dotted(obstacle.step), f"not touched: {obstacle.message}"
        return Outcome(one.schema.name, "failed", failed_at=at, message=text, hint=obstacle.hint)
    return None


def blocking(snapshot: Snapshot, one: SchemaPlan) -> list[Finding]:
    """The findings that forbid to migrate a schema."""
    return dangers(one, snapshot.findings_by_schema.get(one.schema.name, []))


def blocked(one: SchemaPlan, findings: list[Finding]) -> Outcome:
    """The outcome of a schema that was not touched because of these findings."""
    named = some([f"{finding.id} {finding.object} ({_MEANINGS[finding.id]})" for finding in findings], 3)
    hint = f"What fixes it: `{PROGRAM} repair {schema_flag(one.schema.name)}`."
    return Outcome(one.schema.name, "failed", message=f"not touched: {named}", hint=hint)


_MEANINGS = {
    GHOST: "recorded as migrated, but not there",
    MASKED: "not there, so that migrations would change the one in the shared schema",
}


def _hint(schema: str) -> str:
    return f"Why, and what fixes it: `{PROGRAM} doctor {schema_flag(schema)}`."
