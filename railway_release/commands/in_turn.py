"""What restore, its drill and --discard have in common: one schema after the other, each with an outcome."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import partial
from typing import cast

from railway_release.engine.cancel_token import OwnCancelToken
from railway_release.errors import Exit, ReleaseError
from railway_release.migrations.outcome import Outcome
from railway_release.postgres.failures import HINTS, describe, sqlstate
from railway_release.postgres.session import Connection
from railway_release.preflight.database import Choice, connector
from railway_release.preflight.target import Target
from railway_release.report.backup_results import RestoreResult
from railway_release.report.report import Report
from railway_release.runtime.text import schemas_in_words
from railway_release.runtime.waiting import told

_ENDED = "the command ended before it was done, and it is as it was"


class InTurn:
    """Schemas in turn; what becomes of each goes to the report."""

    def __init__(self, target: Target, report: Report) -> None:
        self.target, self.report, self.config = target, report, target.config
        self.hint = ""  # for errors that have none of their own

    @contextlib.contextmanager
    def working_on(self, names: Collection[str]) -> Iterator[None]:
        """While entered, these are dealt with; those that have no outcome by then were not reached."""
        try:
            yield
        finally:
            result = self._result
            done = {one.schema for one in result.outcomes}
            rest = [Outcome(name, "not reached", message=_ENDED) for name in names if name not in done]
            result = replace(result, outcomes=(*result.outcomes, *rest))
            if failed := [one.schema for one in result.outcomes if one.state == "failed"]:
                text = f"{schemas_in_words(failed)} could not be dealt with; what fails is left as it was."
                result = result.failing(Exit.BACKUP, text)
            self.report.result = result

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
            outcome = Outcome(name, "failed", message=error.message, hint=error.hint or self.hint, attempts=1)
        except Exception as error:  # noqa: BLE001 - as the driver calls it; the next schema is another matter
            if token and token.stopping:
                return
            code = sqlstate(error)
            outcome = Outcome(
                name, "failed", sqlstate=code, message=describe(error), hint=HINTS.get(code, ""), attempts=1
            )
        result = self._result
        self.report.result = replace(result, outcomes=(*result.outcomes, outcome))

    @property
    def _result(self) -> RestoreResult:
        return cast("RestoreResult", self.report.result)

    def _once(self, choice: Choice, work: Callable[[Connection], Outcome]) -> Outcome:
        # Its name is the one whose statements a signal cancels.
        with contextlib.closing(connector(choice, self.target.application)()) as connection:
            connection.cursor().execute(f"SET lock_timeout = {round(self.config.lock_timeout * 1000)}")
            return work(connection)
