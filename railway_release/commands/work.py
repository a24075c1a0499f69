"""Work: what the writing phases of one release share."""

from __future__ import annotations

from dataclasses import dataclass

from railway_release.backup.once import Backup
from railway_release.engine.engine import Engine
from railway_release.migrations.plan import Planner
from railway_release.preflight.target import Target
from railway_release.report.progress import Progress
from railway_release.report.report import Report
from railway_release.snapshot import Snapshot


@dataclass(frozen=True)
class Work:
    """One release under way."""

    target: Target
    report: Report
    planner: Planner
    before: Snapshot  # the first look
    engine: Engine
    backup: Backup
    progress: Progress
    own: frozenset[str] = frozenset()  # schemas that this run has made, so that nobody else is creating them
