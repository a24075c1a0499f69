"""backup: take a backup now, and prove it."""

from __future__ import annotations

from railway_release.backup.once import Backup
from railway_release.commands.phases import locked, phase, preflight
from railway_release.preflight.target import Target
from railway_release.report.backup_results import BackupResult
from railway_release.report.report import Report
from railway_release.snapshot import take_topology


def backup(target: Target, report: Report) -> None:
    """Back up the schemas that the options choose, and the shared one; beside no release."""
    preflight(target, report)
    with locked(target, report):
        with phase(report, "plan"):
            there = take_topology(target)
        shared = there.shared
        chosen = [one.name for one in there.schemas if target.config.includes(one.name, shared=one == shared)]
        with phase(report, "backup"):
            taken = Backup(target, shared.name)
            taken.take(tuple(chosen))
        report.result = BackupResult(shared.name, backup=taken.result, backup_name=taken.name)
