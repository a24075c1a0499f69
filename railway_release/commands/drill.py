"""restore --into-database: restore into another database, to see that it works; nothing here is changed."""

from __future__ import annotations

from collections.abc import Sequence

from railway_release.backup.elsewhere import opened, restore_into
from railway_release.backup.extensions import create_extensions
from railway_release.backup.restore_plan import SchemaRestore
from railway_release.backup.restoring import Placement
from railway_release.commands.from_backup import FromBackup, restored_outcome
from railway_release.commands.phases import phase, preflight
from railway_release.migrations.outcome import Outcome
from railway_release.postgres.session import Connection
from railway_release.postgres.table_contents import relations
from railway_release.preflight.database import with_url
from railway_release.preflight.target import Target
from railway_release.report.report import Report


def drill(target: Target, report: Report) -> None:
    """Show what would be restored into the other database; with --apply, do it."""
    preflight(target, report)
    with phase(report, "plan"):
        one = _Drill(target, report)
        planned = one.plan()
    with phase(report, "restore") as this:
        this.idle = not target.config.apply
        names = [schema.schema for schema in planned] if target.config.apply else []
        with one.working_on(names):
            for name in names:
                one.carry_out(name)


class _Drill(FromBackup):
    """Schemas that are restored where there are none of these names."""

    def __init__(self, target: Target, report: Report) -> None:
        super().__init__(target, report)
        self._there = with_url(target.choice, self.config.into_database, "--into-database")

    def plan(self) -> Sequence[SchemaRestore]:
        """What is to be restored; the shared schema first, since tenants' keys point there."""
        chosen = set(self.chosen())
        with opened(self._there, self.target.application) as connection:
            if not relations(connection, [self.manifest.shared_schema]):
                chosen |= {self.manifest.shared_schema} & set(self.manifest.schemas)
            planned = [self._plan(connection, name) for name in sorted(chosen, key=self._place)]
        return self.propose(planned)

    def _place(self, name: str) -> tuple[bool, str]:
        return name != self.manifest.shared_schema, name

    def _plan(self, connection: Connection, name: str) -> SchemaRestore:
        contents = self.manifest.contents[name]
        rows = sum(one.rows or 0 for one in contents.values())
        taken = bool(relations(connection, [name]))
        refusals = (f"there is one in {self._there.where} already, and it is not empty",) if taken else ()
        return SchemaRestore(
            name, present=False, aside="", into="", tables=len(contents), rows=rows, refusals=refusals
        )

    def carry_out(self, name: str) -> None:
        """Restore one schema there."""

        def work(connection: Connection) -> Outcome:
            create_extensions(connection, self.manifest.extensions)
            where = Placement(not_valid=self.config.not_valid)
            restored = restore_into(connection, self.archived(name), where)
            return restored_outcome(name, f" into {self._there.where}", restored)

        self.attempt(name, self._there, work, None)
