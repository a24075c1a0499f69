"""The interface of the two engines, and the limits that every migration runs with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from railway_release.config.config import Config
from railway_release.migrations.outcome import Outcome
from railway_release.migrations.plan import SchemaPlan


@dataclass(frozen=True)
class ExecutionLimits:
    """What every migration runs with; the limits themselves are options."""

    config: Config
    alias: str  # of the tenants' database in settings.DATABASES
    application: str  # application_name of the sessions that migrate
    lock_pid: int  # of the session that holds the release lock


class Engine(Protocol):
    """Applies the migrations of plans."""

    def migrate(self, plans: Sequence[SchemaPlan], enough: Callable[[], bool]) -> Iterator[Outcome]:
        """One outcome for each schema that was run, as they end.

        No schema is begun once `enough` returns true; those that run are finished. Raises Interrupted or
        LockLost after the outcomes of those that ran.
        """
