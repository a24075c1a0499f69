"""What is known of the project and its schemas when causes are looked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from railway_release.config.config import Config
from railway_release.migrations.plan import Plan, SchemaPlan
from railway_release.postgres.batch_reader import BatchReader
from railway_release.postgres.session import Connection
from railway_release.verification.findings import Finding


@dataclass(frozen=True)
class DiagnosisContext:
    """A snapshot of everything, and a connection that cannot write."""

    connection: Connection
    plan: Plan
    config: Config
    findings: tuple[Finding, ...] = ()

    @property
    def schemas(self) -> list[SchemaPlan]:
        """The schemas that the command is about."""
        return [one for one in self.plan.schemas if one.is_chosen_by(self.config)]

    @cached_property
    def reader(self) -> BatchReader:
        """A reader that asks the same of many schemas, on the context's connection."""
        return BatchReader(self.connection)

    def found(self, *ids: str) -> list[Finding]:
        """The open findings with one of these ids."""
        return [one for one in self.findings if one.id in ids and one.is_open]
