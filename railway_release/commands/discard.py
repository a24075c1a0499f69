"""restore --discard: drop what restores from a backup have put aside, or made beside others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from railway_release import topology
from railway_release.commands.from_backup import FromBackup
from railway_release.commands.phases import locked, phase, preflight, preflight_to_write
from railway_release.errors import RestoreFailed
from railway_release.migrations.outcome import Outcome
from railway_release.postgres.dropping import drop_schema
from railway_release.postgres.followers import followers
from railway_release.postgres.put_aside import MARK, aside_words, copy_words, put_aside_by
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
        with phase(report, "discard"), one.in_turn(planned):
            for name in planned:
                token.check()
                one.attempt(name, target.choice, _dropping(name), token)
            token.check()


class _Discard(FromBackup):
    """Schemas whose comments say that a restore from this backup has put them aside."""

    def plan(self) -> Sequence[str]:
        """The schemas to drop; they are in the report. A tenant is never one, whatever its comment says."""
        read = self.target.read_pool.read
        found = read(lambda connection: put_aside_by(connection, self.manifest.name))
        no_tenants = read(topology.read).put_aside
        chosen = self._comments()
        marked = {name: what for name, what in found.items() if name in no_tenants and what in chosen}
        self.start(RestoreResult(discards=tuple(marked.items())))
        return tuple(marked)

    def _comments(self) -> set[str]:
        """What stands at schemas that came from those that the options choose."""
        backup, shared = self.manifest.name, self.manifest.shared_schema
        return {
            MARK + words(backup, schema)
            for schema in self.manifest.schemas
            if self.config.includes(schema, shared=schema == shared)
            for words in (aside_words, copy_words)
        }


def _dropping(name: str) -> Callable[[Connection], Outcome]:
    def work(connection: Connection) -> Outcome:
        if found := followers(connection, name):
            what = f"{count(len(found), 'object')} outside of it ({some(found)})"
            raise RestoreFailed(f"{what} would lose what they need.", "Drop or change these first.")
        drop_schema(connection, name)
        return Outcome(name, "dropped", attempts=1)

    return work
