"""Ways out where something of another kind stands in a table's place: a view, partitions, a plain table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from railway_release.diagnosis.choices import Choice
from railway_release.migrations.operations import opaque
from railway_release.migrations.own_sql import own_sql
from railway_release.migrations.plan import SchemaPlan
from railway_release.postgres.session import clip, literal, quote
from railway_release.postgres.shape import Column, Shape
from railway_release.repairs import renamed
from railway_release.runtime.program import PROGRAM
from railway_release.runtime.text import schema_flag, some
from railway_release.topology import search_path
from railway_release.verification.expectations import Tables

_MAKES_A_VIEW = re.compile(r"\bCREATE\b[^(;]*\b(VIEW|FOREIGN)\b", re.IGNORECASE)
_VIEWS = ("view", "materialized view", "foreign table")


@dataclass(frozen=True)
class OtherKind:
    """A table of one schema that is of another kind than it should be."""

    plan: SchemaPlan
    table: str
    expected: Tables  # the schema's tables, as the models say
    actual: Tables  # as they are
    makers: Sequence[str]  # the migrations whose SQL makes it in the other schemas, as `app.name`

    def choices(self) -> Iterator[Choice]:
        """What can be done, with the statements for each."""
        if names := self._renamed():
            yield from map(self._back, names)
            return
        made = [*self._made()]
        if not made:
            yield Choice(f"Set it aside, and run the SQL of {some(self.makers)} in this schema by hand")
            return
        if any(map(_MAKES_A_VIEW.search, made)):
            yield Choice("If it is to be as in the others", (*self._set_aside(), *made))
            return
        yield Choice(
            "If its rows are to stay: set it aside, have the right one made, and copy them",
            (*self._set_aside(), *made, *self._copied(), *self._keys()),
        )
        yield Choice("If nobody needs it, nor any rows of it", (f"{self._drop} CASCADE;", *made))

    @property
    def _schema(self) -> str:
        return self.plan.schema.name

    @property
    def _there(self) -> Shape:
        return self.actual.get(self.table, Shape())

    @property
    def _drop(self) -> str:
        kind = self._there.kind.upper() if self._there.kind in _VIEWS else "TABLE"
        return f"DROP {kind} {self._of(self.table)}"

    @property
    def _aside(self) -> str:
        """A schema of its own, where neither the table's name nor those of its indexes are in the way."""
        return quote(clip(f"{self._schema[:50]}_before"))

    def _of(self, table: str) -> str:
        return f"{quote(self._schema)}.{quote(table)}"

    def _renamed(self) -> list[str]:
        """The tables that no model knows with its columns; beside a view, those that its keys point to."""
        found = {*renamed.alike(self.expected.get(self.table, Shape()), self.actual)}
        for name, shape in self.actual.items() if self._there.kind in _VIEWS else ():
            wanted = self.expected.get(name, Shape()).foreign_keys
            columns = {key.columns for key in wanted if key.table == self.table and not key.schema}
            found |= {key.table for key in shape.foreign_keys if key.columns in columns and not key.schema}
        return sorted(found - {self.table, *self.expected})

    def _back(self, name: str) -> Choice:
        rename = f"ALTER TABLE {self._of(name)} RENAME TO {quote(self.table)};"
        when = f"If the table is {name}, renamed by hand, and a {self._there.kind} has taken its place"
        away = [f"{self._drop};"] if self._there.kind in _VIEWS else self._set_aside()
        return Choice(when, (*away, rename, *([] if self._there.kind in _VIEWS else [self._repair])))

    def _set_aside(self) -> Iterator[str]:
        yield f"CREATE SCHEMA IF NOT EXISTS {self._aside};"
        yield f"ALTER TABLE {self._of(self.table)} SET SCHEMA {self._aside};"

    def _made(self) -> Iterator[str]:
        """What makes it as it should be; nothing if that is code."""
        if not self.makers:
            yield self._repair
        elif own := [*self._sql_of_makers()]:
            path = ", ".join(map(quote, dict.fromkeys((self._schema, *search_path()))))
            yield " ".join((f"SET search_path = {path};", *own))

    @property
    def _repair(self) -> str:
        return f"{PROGRAM} repair {schema_flag(self._schema)} --apply"

    def _sql_of_makers(self) -> Iterator[str]:
        """The SQL of the migrations that make it, as far as it can be read as it is sent."""
        nodes = self.plan.cohort.graph.graph.nodes
        for name in self.makers:
            app, _, migration = name.partition(".")
            if {*opaque(nodes[app, migration])} == {"RunSQL"}:
                found = own_sql((app, migration), nodes[app, migration])
                yield from (
                    f"{sql.text.rstrip('; ')};" for sql in found if sql.text and sql.names(self.table)
                )

    @property
    def _columns(self) -> list[Column]:
        """The columns that both have."""
        there = {column.name for column in self._there.columns}
        return [one for one in self.expected.get(self.table, Shape()).columns if one.name in there]

    def _copied(self) -> Iterator[str]:
        """The rows, and its sequences, which go on after them."""
        here, old = self._of(self.table), f"{self._aside}.{quote(self.table)}"
        names = ", ".join(quote(one.name) for one in self._columns if not one.generated)
        yield f"INSERT INTO {here} ({names}) SELECT {names} FROM {old};"  # noqa: S608 - printed, and quoted
        for one in self._columns:
            if one.has_sequence:
                sequence = f"pg_get_serial_sequence({literal(here)}, {literal(one.name)})"
                yield f"SELECT setval({sequence}, max({quote(one.name)})) FROM {here};"  # noqa: S608 - likewise

    def _keys(self) -> Iterator[str]:
        """What makes the keys that point to it anew, once its rows are there."""
        keys = (key for shape in self.expected.values() for key in shape.foreign_keys)
        if any(key.table == self.table and not key.schema for key in keys):
            yield self._repair
