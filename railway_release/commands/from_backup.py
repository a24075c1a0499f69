"""What restore, its drill and --discard have in common: one backup, and an outcome for each schema."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

from railway_release.backup.archive import Tools
from railway_release.backup.pg_dump import tools_for
from railway_release.backup.places import open_destination
from railway_release.backup.proof import check_stored
from railway_release.backup.restore_plan import SchemaRestore
from railway_release.backup.restoring import ArchivedSchema, Restored
from railway_release.backup.stored import find_backup
from railway_release.engine.cancel_token import OwnCancelToken
from railway_release.errors import Exit, InvalidConfiguration, ReleaseError
from railway_release.migrations.outcome import Outcome, State
from railway_release.postgres.failures import HINTS, describe, sqlstate
from railway_release.postgres.server import LIFT_TIMEOUTS, system_identifier
from railway_release.postgres.session import Connection, fetch
from railway_release.preflight.database import Choice, connector
from railway_release.preflight.target import Target
from railway_release.report.backup_results import RestoreResult
from railway_release.report.report import Report
from railway_release.runtime.text import count
from railway_release.runtime.waiting import told

_ENDED = "the command ended before it was done, and it is as it was"


class FromBackup:
    """Work from one backup; what becomes of each schema goes to the report."""

    def __init__(self, target: Target, report: Report) -> None:
        self.target, self.report, self.config = target, report, target.config
        if not self.config.backup_to:
            raise InvalidConfiguration("restore needs to know where backups are.", "Set RELEASE_BACKUP_TO.")
        self.destination = open_destination(self.config.backup_to, os.environ)
        server, database = target.read_pool.read(_whose)
        self.manifest = find_backup(
            self.destination, self.config.run, lambda one: one.is_of(server, database)
        )
        self.is_of_here = self.manifest.is_of(server, database)
        self._read: set[str] = set()  # pieces whose bytes are those that were written

    def archived(self, name: str) -> ArchivedSchema:
        """A schema of the backup, whose archive is read once to see that it is as it was written."""
        piece = self.manifest.piece_of(name)
        if piece.name not in self._read:
            with told(f"{piece.name} is being read"):
                check_stored(self.destination, piece)
            self._read.add(piece.name)
        return ArchivedSchema(self.destination, self._tools, self.manifest, name)

    @property
    def _tools(self) -> Tools:
        version = self.manifest.client_version
        return tools_for(self.target, self.manifest.major, f"the backup was made by {version}")

    def start(self, result: RestoreResult) -> None:
        """Let this be the result so far."""
        names = {"backup_name": self.manifest.name, "taken_at": self.manifest.taken_at}
        self.report.result = replace(result, shared_schema=self.manifest.shared_schema, **names)  # type: ignore[arg-type]  # by name

    def propose(self, planned: Sequence[SchemaRestore]) -> list[SchemaRestore]:
        """Let this be what is to be done; returns what is not refused."""
        result = RestoreResult(restores=tuple(planned), drill=bool(self.config.into_database))
        if refused := [one for one in planned if one.refusals]:
            text = f"{count(len(refused), 'schema')} cannot be restored like that; see above why."
            result = result.failing(Exit.VERIFICATION, text)
        self.start(result)
        return [one for one in planned if not one.refusals]

    @contextlib.contextmanager
    def in_turn(self, names: Collection[str]) -> Iterator[None]:
        """While entered, these are dealt with; those that have no outcome by then were not reached."""
        try:
            yield
        finally:
            result = cast("RestoreResult", self.report.result)
            done = {one.schema for one in result.outcomes}
            rest = [Outcome(name, "not reached", message=_ENDED) for name in names if name not in done]
            self.report.result = replace(result, outcomes=(*result.outcomes, *rest))

    def attempt(
        self, name: str, choice: Choice, work: Callable[[Connection], Outcome], token: OwnCancelToken | None
    ) -> None:
        """Do the work for one schema, again after transient errors; whatever is raised is its outcome."""
        guard = token.working(lambda: True) if token else contextlib.nullcontext()
        once = partial(self._once, choice, work)
        try:
            with told(f"{name} is in work"), guard:
                outcome = self.target.retry_policy.call(once, event="restore.retried")
        except ReleaseError as error:
            outcome = Outcome(name, "failed", message=error.message, hint=error.hint, attempts=1)
        except Exception as error:  # noqa: BLE001 - as the driver calls it; the next schema is another matter
            if token and token.stopping:
                return
            code = sqlstate(error)
            outcome = Outcome(
                name, "failed", sqlstate=code, message=describe(error), hint=HINTS.get(code, ""), attempts=1
            )
        result = cast("RestoreResult", self.report.result)
        result = replace(result, outcomes=(*result.outcomes, outcome))
        if outcome.state == "failed":
            result = result.failing(Exit.BACKUP, f"{name} could not be dealt with, and is as it was.")
        self.report.result = result

    def _once(self, choice: Choice, work: Callable[[Connection], Outcome]) -> Outcome:
        # Its name is the one whose statements a signal cancels.
        with contextlib.closing(connector(choice, self.target.application)()) as connection:
            fetch(connection, LIFT_TIMEOUTS)
            return work(connection)


def _whose(connection: Connection) -> tuple[str, str]:
    """The identifier of the server, and the name of the database."""
    ((database,),) = fetch(connection, "SELECT current_database()::text")
    return system_identifier(connection), str(database)


def restored_outcome(name: str, place: str, restored: Restored, state: State = "restored") -> Outcome:
    """The outcome of a schema that was restored; `place` says where to."""
    return Outcome(name, state, repairs=tuple(_in_words(place, restored)), attempts=1)


def _in_words(place: str, restored: Restored) -> Iterator[str]:
    what = f"{count(restored.tables, 'table')}, {count(restored.rows, 'row')} compared"
    yield f"restored ({what}){place}"
    for orphans in restored.not_valid:
        yield f"NOT VALID: {orphans}"
