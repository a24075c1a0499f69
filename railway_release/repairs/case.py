"""A case: everything from which the repair of one schema is planned."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from railway_release.postgres.dependents import Dependents
from railway_release.repairs.repair_plan import Named
from railway_release.repairs.rows import Rows
from railway_release.verification.expectations import Tables
from railway_release.verification.structure import Deviation


@dataclass(frozen=True)
class Case:
    """The deviations of a schema that are to be repaired, and what has to be known for that."""

    found: tuple[Deviation, ...]
    expected: Tables  # its tables by name
    later: Tables  # those once nothing is pending; none if nothing is
    actual: Tables  # as they are
    rows: Rows  # which tables hold any
    shared: str  # the name of the shared schema
    shared_tables: Collection[str]  # those that the shared schema should have
    mistyped: frozenset[tuple[str, str]] = frozenset()  # table and column of those of quite another type
    using: Mapping[Named, Dependents] = field(default_factory=dict)  # of columns to be changed by hand
