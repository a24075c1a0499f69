"""restore: show how schemas are brought back from a backup; with --apply, do it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import cast

from railway_release import topology
from railway_release.backup.restore_plan import RestorePlanner, SchemaRestore
from railway_release.backup.restoring import Placement, restore_schema
from railway_release.backup.stored import later_backups
from railway_release.commands.discard import discard
from railway_release.commands.drill import drill
from railway_release.commands.from_backup import FromBackup, restored_outcome
from railway_release.commands.inspect import errors_in_words
from railway_release.commands.phases import locked, phase, preflight, preflight_to_write
from railway_release.engine.cancel_token import OwnCancelToken
from railway_release.errors import Exit, InvalidConfiguration
from railway_release.migrations.outcome import Outcome
from railway_release.migrations.plan import Planner
from railway_release.postgres.session import Connection
from railway_release.postgres.table_contents import existing
from railway_release.preflight.target import Target
from railway_release.report.report import Report
from railway_release.snapshot import take_snapshot


def restore(target: Target, report: Report) -> None:
    """Plan the restore of each schema; with --apply, carry it out, each schema with an outcome."""
    if target.config.discard:
        discard(target, report)
    elif target.config.into_database:
        drill(target, report)
    elif target.config.apply:
        preflight_to_write(target, report)
        with locked(target, report) as token:
            _carry_out(target, report, token)
    else:
        preflight(target, report)
        with phase(report, "plan"):
            _Restore(target, report).plan()


def _carry_out(target: Target, report: Report, token: OwnCancelToken) -> None:
    with phase(report, "plan"):
        one = _Restore(target, report)
        planned = one.plan()
    with phase(report, "restore"), one.working_on([schema.schema for schema in planned]):
        for schema in planned:
            token.check()
            one.carry_out(schema, token)
        token.check()
    with phase(report, "verify") as this:
        this.idle = bool(target.config.into)
        if not this.idle:
            one.verify()


class _Restore(FromBackup):
    """Schemas that take the place of the present ones, or copies beside them."""

    def plan(self) -> Sequence[SchemaRestore]:
        """What is to be done; it is in the report, and fails for what is refused."""
        schemas = self.chosen()
        if self.config.into and len(schemas) != 1:
            raise InvalidConfiguration("--into takes one schema.", "Name it: --schema NAME.")
        later = later_backups(self.destination, self.manifest)
        in_table = self.target.read_pool.read(topology.read).in_table
        planned = self.target.read_pool.read(
            lambda connection: RestorePlanner(
                connection, self.manifest, later, self.config, self.is_of_here, in_table
            ).plan(schemas)
        )
        return self.propose(planned)

    def carry_out(self, one: SchemaRestore, token: OwnCancelToken) -> None:
        """Restore a schema; if that fails it is as it was."""

        def work(connection: Connection) -> Outcome:
            if existing(connection, [one.into or one.aside]):  # by an earlier try, since it was free
                text = "restored; the connection was lost while that was committed"
                return Outcome(one.schema, "restored", repairs=(text,), attempts=1)
            where = Placement(
                aside=one.aside,
                into=one.into,
                not_valid=self.config.not_valid,
                lock_timeout=self.config.lock_timeout,
                check=token.raise_if_stopping,
            )
            restored = restore_schema(connection, self.archived(one.schema), where)
            return restored_outcome(one.schema, _place(one), restored)

        self.attempt(one.schema, self.target.choice, work, token)

    def verify(self) -> None:
        """Compare what was restored with what its records say."""
        result = self.report.result
        restored = {one.schema for one in result.outcomes if one.state == "restored"}
        planner = Planner(gap_allowed=True)
        target, only = self.target, cast("Collection[str] | None", restored)
        if self.config.leave_followers:  # what follows another schema now is found where it is
            everywhere = replace(self.config, schema=(), exclude=(), shared_only=False, tenants_only=False)
            target, only = replace(target, config=everywhere), None
        after = take_snapshot(target, planner, depth="everything", extent="tables", only=only)
        findings = tuple(
            one for one in after.findings if one.schema in restored or one.id == "foreign_key.elsewhere"
        )
        result = replace(result, findings=findings)
        if result.errors:
            result = result.failing(Exit.VERIFICATION, errors_in_words(len(result.errors)))
        self.report.result = result


def _place(one: SchemaRestore) -> str:
    if one.into:
        return f" as {one.into}"
    return f"; what was there before is now {one.aside}" if one.aside else ""
