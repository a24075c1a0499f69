"""restore --discard: drop what restores from a backup have put aside, or made beside others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from railway_release import topology
from railway_release.backup.stored import is_called
from railway_release.commands.in_turn import InTurn
from railway_release.commands.phases import locked, phase, preflight, preflight_to_write
from railway_release.errors import RestoreFailed, UnknownName
from railway_release.migrations.outcome import Outcome
from railway_release.postgres.dropping import drop_schema
from railway_release.postgres.followers import followers
from railway_release.postgres.put_aside import put_aside
from railway_release.postgres.session import Connection
from railway_release.preflight.target import Target
from railway_release.report.backup_results import RestoreResult
from railway_release.report.report import Report
from railway_release.runtime.text import count, some


def discard(target: Target, report: Report) -> None:
    """Show what would be dropped; with --apply, drop it. What others depend on stays."""
    if not target.config.apply:
        preflight(target, report)
        with phase(report, "plan"):
            _Discard(target, report).plan()
        return
    preflight_to_write(target, report)
    with locked(target, report) as token:
        with phase(report, "plan"):
            one = _Discard(target, report)
            planned = one.plan()
        with phase(report, "discard"), one.working_on(planned):
            for name in planned:
                token.check()
                one.attempt(name, target.choice, _dropping(name), token)
            token.check()


class _Discard(InTurn):
    """Schemas whose comments say that a restore has put them aside; the backup may be gone by now."""

    def plan(self) -> Sequence[str]:
        """The schemas to drop; they are in the report. A tenant is never one, whatever its comment says."""
        known = self.target.read_pool.read(topology.read)
        marked = self.target.read_pool.read(put_aside)
        there = [one for one in marked if one.schema in known.put_aside]
        backup, shared = self._backup(sorted({one.backup for one in there})), known.shared.name
        found = [one for one in there if one.backup == backup and self._includes(one.origin, shared)]
        discards = tuple((one.schema, one.words) for one in found)
        nothing = "" if found else "nothing like that is put aside"
        self.report.result = RestoreResult(shared, backup_name=backup, discards=discards, nothing=nothing)
        return [one.schema for one in found]

    def _backup(self, names: Sequence[str]) -> str:
        """Which of these backups is meant; for ``latest`` the newest; raises UnknownName."""
        run = self.config.run
        found = list(names[-1:]) if run == "latest" else [name for name in names if is_called(name, run)]
        if len(found) > 1 and run not in found:
            raise UnknownName(f"{run} may mean {' or '.join(found)}.", "Name the whole of it.")
        return run if run in found or not found else found[0]

    def _includes(self, schema: str, shared: str) -> bool:
        return self.config.includes(schema, shared=schema == shared)


def _dropping(name: str) -> Callable[[Connection], Outcome]:
    def work(connection: Connection) -> Outcome:
        if found := followers(connection, name):
            what = f"{count(len(found), 'object')} outside of it ({some(found)})"
            raise RestoreFailed(f"{what} would lose what they need.", "Drop or change these first.")
        drop_schema(connection, name)
        return Outcome(name, "dropped", attempts=1)

    return work
