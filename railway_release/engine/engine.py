"""Engine: what brings schemas to their plan. The seam where another engine fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from railway_release.migrations.outcome import Outcome
from railway_release.migrations.plan import SchemaPlan


@dataclass(frozen=True)
class ExecutionLimits:
    """What every migration runs under; seconds."""

    alias: str
    application: str  # application_name of the sessions that migrate
    lock_timeout: float
    statement_timeout: float
    retry_for: float
    grace: float  # how long what is in hand may go on after a signal
    show_values: bool
    lock_pid: int  # of the session that holds the release lock


class Engine(Protocol):
    """Brings schemas to their plan."""

    def migrate(self, plans: Sequence[SchemaPlan], enough: Callable[[], bool]) -> Iterator[Outcome]:
        """One outcome for each schema that had its turn, as they end.

        No schema is begun once `enough` says so; those in hand are finished. Raises Interrupted or LockLost
        after the outcomes of what was in hand.
        """
        ...
