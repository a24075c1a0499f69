"""The commands by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from railway_release.commands.backup import backup
from railway_release.commands.backups import backups
from railway_release.commands.doctor import doctor
from railway_release.commands.fake import fake
from railway_release.commands.inspect import check, plan, status, verify
from railway_release.commands.release import release
from railway_release.commands.repair import repair
from railway_release.commands.restore import restore
from railway_release.preflight.target import Target
from railway_release.report.report import Report

# Each sets the report's result whenever there is a newer one, so that what ends it finds the latest there.
Command = Callable[[Target, Report], None]
COMMANDS: Mapping[str, Command] = {
    "release": release,
    "plan": plan,
    "verify": verify,
    "status": status,
    "check": check,
    "doctor": doctor,
    "repair": repair,
    "fake": fake,
    "backup": backup,
    "backups": backups,
    "restore": restore,
}
