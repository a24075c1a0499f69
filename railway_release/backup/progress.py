"""How far a dump is: by the sizes of the tables that it has come to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from railway_release.runtime.text import in_time

_MEGABYTE = 1 << 20


def in_megabytes(size: int) -> str:
    """A size in bytes, as people want it: ``0.4 MB``, ``120 MB``, ``3.1 GB``."""
    megabytes = size / _MEGABYTE
    if megabytes >= 1000:  # noqa: PLR2004 - where the next unit begins
        return f"{megabytes / 1024:.1f} GB"
    return f"{megabytes:.1f} MB" if megabytes < 10 else f"{megabytes:.0f} MB"  # noqa: PLR2004 - two digits


@dataclass
class DumpProgress:
    """The tables of a dump with their sizes in bytes, and those that were begun."""

    sizes: Mapping[str, int]  # by schema.table
    started: float = field(default_factory=time.monotonic)
    _begun: list[int] = field(default_factory=list)

    @property
    def total(self) -> int:
        """The size in bytes of all tables."""
        return sum(self.sizes.values())

    def begun(self, table: str) -> None:
        """Note that the rows of a table are being dumped; any thread may call this."""
        self._begun.append(self.sizes.get(table, 0))

    def in_words(self) -> str:
        """How much is done, and how long the rest will take if it goes on like that."""
        done, total = sum(self._begun[:-1]), self.total
        if not self._begun:
            return f"pg_dump reads the catalog, then tables of {in_megabytes(total)}"
        text = f"pg_dump is running: tables of {in_megabytes(done)} of {in_megabytes(total)} are done"
        if not done:
            return text
        left = (time.monotonic() - self.started) * (total - done) / done
        return f"{text}, about {in_time(left)} left"
