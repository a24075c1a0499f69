"""The definition of a table as values, which are equal for equal tables of two schemas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Creation:
    """How Django creates a table, or a part of one, with a schema editor; not compared."""

    run: Callable[[Any], None]  # with the schema editor
    column: str = ""  # the column that the part is created with, if it is
    needs_value: bool = False  # whether existing rows would need a value that has no default
    default: str = ""  # the default of a column, as Django writes it
    is_key: bool = False  # whether it makes a primary key


@dataclass(frozen=True)
class Column:
    """A column. `type` is as format_type writes it, with length and precision."""

    name: str
    type: str
    not_null: bool
    collation: str = ""  # "" for the type's own
    has_sequence: bool = False  # an identity column, or one whose default is nextval of its own sequence
    default: str = ""  # an expression; "" for none, and for nextval of its own sequence
    generated: str = ""  # an expression
    creation: Creation | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key. `schema` is that of the referenced table, "" if it is the table's own."""

    name: str
    columns: tuple[str, ...]
    schema: str
    table: str
    targets: tuple[str, ...]
    valid: bool = True
    rest: str = ""  # ON DELETE, ON UPDATE and DEFERRABLE clauses
    creation: Creation | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Unique:
    """A primary key or a unique constraint."""

    name: str
    columns: tuple[str, ...]
    primary: bool = False
    nulls_equal: bool = False
    rest: str = ""  # the DEFERRABLE clause
    creation: Creation | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Check:
    """A check or exclusion constraint, with its definition."""

    name: str
    text: str
    valid: bool = True
    exclusion: bool = False
    creation: Creation | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Part:
    """One key of an index: a column or an expression, with its operator class, order and collation."""

    text: str
    is_column: bool
    opclass: str = ""  # "" for the default one
    order: str = ""  # as in "DESC NULLS LAST", "" for the default
    collation: str = ""  # "" for the column's own


@dataclass(frozen=True)
class Index:
    """An index that does not belong to a constraint."""

    name: str
    method: str
    parts: tuple[Part, ...]
    unique: bool = False
    include: tuple[str, ...] = ()
    where: str = ""
    nulls_equal: bool = False
    valid: bool = True
    creation: Creation | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Shape:
    """A table or view. `undeclared` describes what models cannot declare: triggers, policies and so on.

    `kind` is PostgreSQL's word for it: table, partitioned table, partition, view, materialized view, foreign
    table. `partitioning` is how a partitioned one is parted, and `partition_key` the columns by which.
    """

    columns: tuple[Column, ...] = ()
    uniques: tuple[Unique, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[Check, ...] = ()
    indexes: tuple[Index, ...] = ()
    undeclared: tuple[str, ...] = ()  # in words
    kind: str = "table"
    partitioning: str = ""  # as in "RANGE (day)"
    partition_key: tuple[str, ...] = ()
    only_columns: bool = False  # whether nothing else was read
    creation: Creation | None = field(default=None, compare=False, repr=False)

    @property
    def is_table(self) -> bool:
        """Whether it has rows of its own; a view has only names and types of columns."""
        return self.kind in ("table", "partitioned table", "partition")

    @property
    def rules(self) -> tuple[Unique | Check | Index | ForeignKey, ...]:
        """Constraints and indexes, in an order in which they can be created."""
        return (*self.uniques, *self.checks, *self.indexes, *self.foreign_keys)


Definition = Column | ForeignKey | Unique | Check | Index | Shape
