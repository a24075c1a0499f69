"""backups: list the backups of a destination; no database is asked."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from railway_release.backup.places import open_destination
from railway_release.backup.stored import stored_backups
from railway_release.commands.phases import phase
from railway_release.errors import InvalidConfiguration
from railway_release.preflight.target import Target
from railway_release.report.backup_results import BackupsResult
from railway_release.report.report import Report


def backups(target: Target, report: Report) -> None:
    """List every backup that has a manifest, oldest first."""
    if not target.config.backup_to:
        raise InvalidConfiguration(
            "backups needs to know where they are.", "Set --backup-to or RELEASE_BACKUP_TO."
        )
    with phase(report, "backups"):
        destination = open_destination(target.config.backup_to, os.environ)
        found = stored_backups(destination)
    manifests = tuple(one.manifest for one in found.backups)
    report.result = BackupsResult(
        where=destination.where,
        backups=manifests,
        broken=found.broken,
        now=datetime.now(UTC),
        database=target.choice.name,
    )
