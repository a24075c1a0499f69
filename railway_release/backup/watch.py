"""Says how far a dump is, and which sessions hold it up."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from railway_release.errors import BackupFailed, ReleaseError
from railway_release.postgres.blockers import blockers
from railway_release.postgres.failures import describe, is_loss
from railway_release.preflight import database
from railway_release.preflight.target import Target
from railway_release.runtime.text import sentence
from railway_release.runtime.waiting import told


@dataclass
class Watch:
    """What is waited for now, and by whom it is held up."""

    target: Target
    what: Callable[[], str] = lambda: "the tables to be dumped are being looked up"
    blocked_by: str = ""  # as the last line had it

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """While entered, lines say it, and so do errors, as BackupFailed unless the server is gone."""
        with told(self._in_words):
            try:
                yield
            except Exception as error:
                if is_loss(error) or (isinstance(error, ReleaseError) and not self.blocked_by):
                    raise
                raise self._explained(error) from error

    def _in_words(self) -> str:
        self.blocked_by = self._blockers()
        return f"{self.what()}; it waits for {self.blocked_by}" if self.blocked_by else self.what()

    def _explained(self, error: Exception) -> ReleaseError:
        ours = (
            error if isinstance(error, ReleaseError) else BackupFailed(f"The dump failed: {describe(error)}")
        )
        waited = f" It waited for {self.blocked_by}." if self.blocked_by else ""
        return BackupFailed(f"{sentence(ours.message)}{waited}", ours.hint)

    def _blockers(self) -> str:
        connect = database.connector(self.target.choice, f"{self.target.application} watch")
        with contextlib.suppress(Exception), contextlib.closing(connect()) as connection:
            return blockers(connection, f"{self.target.application} backup")
        return ""
