"""restore: show how schemas are brought back from a backup; with --apply, do it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

from railway_release import topology
from railway_release.backup.pg_dump import tools_for
from railway_release.backup.places import open_destination
from railway_release.backup.restore_plan import (
    RestorePlanner,
    SchemaRestore,
    chosen_schemas,
    missing_roles,
)
from railway_release.backup.restoring import ArchivedSchema, Placement, Restored, restore_schema
from railway_release.backup.stored import find_backup, later_backups
from railway_release.commands.phases import locked, phase, preflight, preflight_to_write
from railway_release.engine.cancel_token import OwnCancelToken
from railway_release.errors import Exit, InvalidConfiguration, ReleaseError
from railway_release.migrations.outcome import Outcome
from railway_release.migrations.plan import Planner
from railway_release.postgres.dropping import drop_schema
from railway_release.postgres.failures import describe
from railway_release.postgres.put_aside import put_aside_by
from railway_release.postgres.server import LIFT_TIMEOUTS
from railway_release.postgres.session import Connection, fetch
from railway_release.preflight.database import connector
from railway_release.preflight.target import Target
from railway_release.report.report import Report
from railway_release.report.results import RestoreResult
from railway_release.runtime.text import count
from railway_release.runtime.waiting import told
from railway_release.snapshot import take_snapshot


def restore(target: Target, report: Report) -> None:
    """Plan the restore of each schema; with --apply, carry it out, each schema with an outcome."""
    if not target.config.backup_to:
        raise InvalidConfiguration("restore needs to know where backups are.", "Set RELEASE_BACKUP_TO.")
    discards = target.config.discard
    if not target.config.apply:
        preflight(target, report)
        with phase(report, "plan"):
            one = _Restore(target, report)
            one.plan_to_discard() if discards else one.plan()
        return
    preflight_to_write(target, report)
    with locked(target, report) as token:
        one = _Restore(target, report)
        if discards:
            with phase(report, "discard"):
                one.discard(token)
            return
        with phase(report, "plan"):
            planned = one.plan()
        with phase(report, "restore"):
            one.carry_out(planned, token)
        if not target.config.into:
            with phase(report, "verify"):
                one.verify()


class _Restore:
    """A restore from one backup."""

    def __init__(self, target: Target, report: Report) -> None:
        self._target, self._report, self._config = target, report, target.config
        self._destination = open_destination(self._config.backup_to, os.environ)
        self._manifest = find_backup(self._destination, self._config.run)
        if self._config.into and len(chosen_schemas(self._manifest, self._config)) != 1:
            raise InvalidConfiguration("--into takes one schema.", "Name it: --schema NAME.")

    def plan(self) -> Sequence[SchemaRestore]:
        """What is to be done; it is in the report, and fails for what is refused."""
        schemas = chosen_schemas(self._manifest, self._config)
        later = later_backups(self._destination, self._manifest)
        planned = self._target.read_pool.read(
            lambda connection: RestorePlanner(connection, self._manifest, later, self._config).plan(schemas)
        )
        result = RestoreResult(
            self._manifest.shared_schema, backup_name=self._manifest.name, restores=tuple(planned)
        )
        if refused := [one for one in planned if one.refusals]:
            text = f"{count(len(refused), 'schema')} cannot be restored like that; see above why."
            result = result.failing(Exit.VERIFICATION, text)
        self._report.result = result
        return [one for one in planned if not one.refusals]

    def plan_to_discard(self) -> Sequence[str]:
        """The schemas that restores from this backup have put aside or made; they are in the report."""
        name = self._manifest.name
        found = self._target.read_pool.read(lambda connection: put_aside_by(connection, name))
        there = self._target.read_pool.read(topology.read)
        marked = {one: what for one, what in found.items() if one in there.put_aside}
        self._report.result = RestoreResult(
            self._manifest.shared_schema, backup_name=name, discards=tuple(marked.items())
        )
        return tuple(marked)

    def discard(self, token: OwnCancelToken) -> None:
        """Drop them; what depends on one from elsewhere keeps it."""
        for name in self.plan_to_discard():
            token.check()
            outcome = self._outcome(name, token, self._dropped)
            self._report.result = self._with(outcome, f"{name} was not dropped, and is as it was.")
        token.check()

    def carry_out(self, planned: Sequence[SchemaRestore], token: OwnCancelToken) -> None:
        """Restore each schema; one that fails is as it was, and the others go on."""
        for one in planned:
            token.check()
            work = partial(self._restored, one, token)
            outcome = self._outcome(one.schema, token, work)
            self._report.result = self._with(outcome, f"{one.schema} was not restored, and is as it was.")
        token.check()

    def verify(self) -> None:
        """Compare what was restored with what its records say."""
        result = self._report.result
        restored = {one.schema for one in result.outcomes if one.state == "restored"}
        after = take_snapshot(self._target, Planner(gap_allowed=True), depth="everything")
        findings = tuple(one for one in after.findings if one.schema in restored)
        self._report.result = replace(result, findings=findings)

    def _with(self, outcome: Outcome, failure: str) -> RestoreResult:
        result = cast("RestoreResult", self._report.result)
        result = replace(result, outcomes=(*result.outcomes, outcome))
        return result.failing(Exit.BACKUP, failure) if outcome.state == "failed" else result

    def _outcome(
        self, name: str, token: OwnCancelToken, work: Callable[[Connection, str], Outcome]
    ) -> Outcome:
        """What became of a schema; the next one is another matter, whatever is raised."""
        try:
            with told(f"{name} is in work"), token.working(lambda: True), self._connected() as connection:
                return work(connection, name)
        except ReleaseError as error:
            return Outcome(name, "failed", message=error.message, hint=error.hint, attempts=1)
        except Exception as error:  # noqa: BLE001 - as the driver calls it
            return Outcome(name, "failed", message=describe(error), attempts=1)

    def _dropped(self, connection: Connection, name: str) -> Outcome:
        drop_schema(connection, name)
        return Outcome(name, "dropped", attempts=1)

    def _restored(
        self, one: SchemaRestore, token: OwnCancelToken, connection: Connection, name: str
    ) -> Outcome:
        manifest = self._manifest
        why = f"the backup was made by {manifest.client_version}"
        archived = ArchivedSchema(
            self._destination, tools_for(self._target, manifest.major, why), manifest, name
        )
        where = Placement(
            one.aside,
            one.into,
            missing_roles(connection, manifest, one.schema),
            self._config.not_valid,
            self._config.lock_timeout,
            token.raise_if_stopping,
        )
        restored = restore_schema(connection, archived, where)
        return Outcome(name, "restored", repairs=tuple(_in_words(one, restored)), attempts=1)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Connection]:
        """The connection that writes; its name is the one that a signal cancels."""
        with contextlib.closing(connector(self._target.choice, self._target.application)()) as connection:
            fetch(connection, LIFT_TIMEOUTS)
            yield connection


def _in_words(one: SchemaRestore, restored: Restored) -> Iterator[str]:
    place = (
        f"as {one.into}" if one.into else f"and what was there is now {one.aside}" if one.aside else "anew"
    )
    yield f"restored {place}: {count(restored.tables, 'table')}, {count(restored.rows, 'row')} compared"
    for orphans in restored.not_valid:
        yield f"NOT VALID: {orphans}"
