"""Engine: what brings schemas to their plan. The seam where another engine fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from railway_release.migrations.outcome import Outcome
from railway_release.migrations.plan import SchemaPlan


class Engine(Protocol):
    """One outcome for each schema, lazily: whoever stops asking stops the work before the next schema."""

    def migrate(self, plans: Iterable[SchemaPlan]) -> Iterator[Outcome]:
        """Apply each schema's steps."""
        ...
