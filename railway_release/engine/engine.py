"""The interface of the two engines, and the limits that every migration runs with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from railway_release.migrations.outcome import Outcome
from railway_release.migrations.plan import SchemaPlan


@dataclass(frozen=True)
class ExecutionLimits:
    """The limits that every migration runs with; times in seconds."""

    alias: str  # of the tenants' database in settings.DATABASES
    application: str  # application_name of the sessions that migrate
    lock_timeout: float
    statement_timeout: float
    retry_for: float
    grace: float  # how long a running migration may go on after a signal
    show_values: bool  # whether messages may quote values of rows
    lock_pid: int  # of the session that holds the release lock


class Engine(Protocol):
    """Applies the migrations of plans."""

    def migrate(self, plans: Sequence[SchemaPlan], enough: Callable[[], bool]) -> Iterator[Outcome]:
        """One outcome for each schema that was run, as they end.

        No schema is begun once `enough` returns true; those that run are finished. Raises Interrupted or
        LockLost after the outcomes of those that ran.
        """
        ...
