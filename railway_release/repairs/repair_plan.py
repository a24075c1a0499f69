"""The plan of a repair: what repairs a schema, and what a person has to decide."""

from __future__ import annotations

from dataclasses import dataclass

from railway_release.diagnosis.choices import Choice
from railway_release.migrations.outcome import Key

Named = tuple[str, str]  # the id and the object of a finding


@dataclass(frozen=True)
class Refusal:
    """Something that is left as it is, and why; then what a person can do about it."""

    id: str  # of the finding
    object: str
    why: str
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class RepairPlan:
    """What repairs a schema; schemas with equal plans are reported together.

    Tables are those of the schema itself; those of a field that begins with `shared` are the shared schema's.
    """

    repairs: tuple[Named, ...] = ()  # the findings that will be gone
    effects: tuple[str, ...] = ()  # what changes in behaviour, of each of them that is a warning
    statements: tuple[str, ...] = ()  # in one transaction, in this order
    owners: tuple[tuple[Named, ...], ...] = ()  # the findings that each statement is for
    alters: tuple[str, ...] = ()  # the tables that are locked
    must_be_empty: tuple[str, ...] = ()  # or a column would need values that nobody has given
    shared_must_be_empty: tuple[str, ...] = ()  # or rows would be left behind there
    reindexes: tuple[str, ...] = ()  # indexes, one after the other, outside of the transaction
    discards: tuple[str, ...] = ()  # indexes that an interrupted REINDEX has left, likewise
    records: tuple[Key, ...] = ()  # migrations whose work is there, to be recorded
    creates_schema: bool = False
    through_django_tenants: str = ""  # why nothing else can create it
    finishes_schema: bool = False  # whose creation was cut off
    refusals: tuple[Refusal, ...] = ()
    not_restored: tuple[str, ...] = ()  # migrations that may have made data in what was missing

    def __bool__(self) -> bool:
        return self.does_something or bool(self.refusals)

    @property
    def does_something(self) -> bool:
        """Whether there is anything to do in the schema."""
        return self.repairs_schema or self.creates_schema or self.finishes_schema

    @property
    def is_own(self) -> bool:
        """Whether this tool creates or completes the schema, rather than django-tenants."""
        return self.finishes_schema or (self.creates_schema and not self.through_django_tenants)

    @property
    def repairs_schema(self) -> bool:
        """Whether there is anything to repair in a schema that exists."""
        return bool(self.statements or self.reindexes or self.discards or self.records)


@dataclass(frozen=True)
class PlannedRepair:
    """A plan, and the schemas that it is for."""

    repair_plan: RepairPlan
    schemas: tuple[str, ...]
