"""Shape: what a table is made of, as values; nothing that differs between equal tables of two schemas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """How Django makes a part of which models tell; no part of the shape itself.

    `follow` is given a schema editor.
    """

    follow: Callable[[Any], None]
    column: str = ""  # of a part that comes with a column, that column
    invents: bool = False  # whether rows that are there would need a value that nobody has given
    default: str = ""  # of a column, as Django writes it


@dataclass(frozen=True)
class Column:
    """One column. `type` has length and precision, as format_type writes it."""

    name: str
    type: str
    not_null: bool
    collation: str = ""  # "" for the type's own
    counted: bool = False  # identity, or a sequence of its own that the default asks
    default: str = ""  # an expression; "" for none, and for that of the sequence
    generated: str = ""  # an expression
    recipe: Recipe | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class ForeignKey:
    """What it points to; `schema` is "" for the one in which it is itself."""

    name: str
    columns: tuple[str, ...]
    schema: str
    table: str
    targets: tuple[str, ...]
    valid: bool = True
    rest: str = ""  # deferrable, and what is done on delete and update
    recipe: Recipe | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Unique:
    """A primary key or a unique constraint."""

    name: str
    columns: tuple[str, ...]
    primary: bool = False
    nulls_equal: bool = False
    rest: str = ""  # deferrable
    recipe: Recipe | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Check:
    """A check, or an exclusion, with its definition."""

    name: str
    text: str
    valid: bool = True
    exclusion: bool = False
    recipe: Recipe | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Part:
    """One key of an index: a column or an expression, and how it is kept."""

    text: str
    is_column: bool
    opclass: str = ""  # "" for the default one
    order: str = ""  # as in "DESC NULLS LAST", "" for the default
    collation: str = ""  # "" for the column's own


@dataclass(frozen=True)
class Index:
    """An index, those of constraints left out."""

    name: str
    method: str
    parts: tuple[Part, ...]
    unique: bool = False
    include: tuple[str, ...] = ()
    where: str = ""
    nulls_equal: bool = False
    valid: bool = True
    recipe: Recipe | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Shape:
    """A table. `others` are what no model tells of: triggers, policies, row security."""

    columns: tuple[Column, ...] = ()
    uniques: tuple[Unique, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[Check, ...] = ()
    indexes: tuple[Index, ...] = ()
    others: tuple[str, ...] = ()
    is_table: bool = True  # a view, say, has nothing but names and types
    only_columns: bool = False  # nothing else was read
    recipe: Recipe | None = field(default=None, compare=False, repr=False)

    @property
    def rules(self) -> tuple[Unique | Check | Index | ForeignKey, ...]:
        """All but the columns, in an order in which they can be made."""
        return (*self.uniques, *self.checks, *self.indexes, *self.foreign_keys)


Piece = Column | ForeignKey | Unique | Check | Index | Shape
