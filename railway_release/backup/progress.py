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
    """The tables of a dump, their sizes, and those that were begun; any thread may call the methods."""

    tables: Mapping[str, int]  # the OID by schema.table
    started: float = field(default_factory=time.monotonic)
    _sizes: Mapping[int, int] = field(default_factory=dict)  # bytes by OID; none until they are known
    _begun: list[int] = field(default_factory=list)

    def learn(self, sizes: Mapping[int, int]) -> None:
        """Take in the sizes of the tables in bytes, by OID."""
        self._sizes = sizes

    def begun(self, table: str) -> None:
        """Note that the rows of a table are being dumped."""
        self._begun.append(self.tables.get(table, 0))

    def in_words(self) -> str:
        """How much is done, and how long the rest will take if it goes on like that."""
        begun, sizes = list(self._begun), self._sizes
        if not sizes:
            return "pg_dump is running"
        done, total = sum(sizes.get(one, 0) for one in begun[:-1]), sum(sizes.values())
        if not begun:
            return f"pg_dump reads the catalog, then tables of {in_megabytes(total)}"
        text = f"pg_dump is running: tables of {in_megabytes(done)} of {in_megabytes(total)} are done"
        if not done:
            return text
        left = (time.monotonic() - self.started) * (total - done) / done
        return f"{text}, about {in_time(left)} left"
