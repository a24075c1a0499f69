"""Work: what the phases share that migrate."""

from __future__ import annotations

from dataclasses import dataclass, field

from railway_release.backup.once import Backup
from railway_release.engine.engine import Engine
from railway_release.migrations.outcome import Outcome
from railway_release.migrations.plan import Planner
from railway_release.preflight.target import Target
from railway_release.report.progress import Progress
from railway_release.snapshot import Snapshot


@dataclass(frozen=True)
class Work:
    """The migration of a project that is under way."""

    target: Target
    planner: Planner
    before: Snapshot  # the first look
    engine: Engine
    backup: Backup
    progress: Progress
    own: frozenset[str] = frozenset()  # schemas that this run has made, so that nobody else is creating them
    outcomes: list[Outcome] = field(default_factory=list)  # so far; complete in the end, however it ends
