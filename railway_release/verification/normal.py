"""Shapes in a normal form: with types and expressions as the server prints them, they can be compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from railway_release.postgres import deparse
from railway_release.postgres.session import Connection, quote
from railway_release.postgres.shape import Check, Column, Index, Part, Shape

Words = Callable[[str], str]

# Two operator classes with the same effect; where a column's type has changed, Django leaves the old one.
_SAME = {"varchar_pattern_ops": "text_pattern_ops"}


class Server:
    """Has types and expressions printed by the server: each type once, each expression once for a table."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._types: dict[str, str] = {}
        self._expressions: dict[tuple[str, str, str], str] = {}
        self._default_opclasses = deparse.default_opclasses(connection)

    def normal_types(self, shapes: Iterable[Shape]) -> None:
        """Read the types of all these shapes in one statement, for later calls of normal()."""
        names = {column.type for shape in shapes for column in shape.columns} - self._types.keys()
        self._types |= deparse.types(self._connection, sorted(names))

    def normal(self, shape: Shape, schema: str, table: str) -> Shape:
        """The shape in normal form; its expressions are about the columns of this table.

        Without a privilege that is needed, they are left out.
        """
        self.normal_types([shape])
        try:
            self._ask(shape, schema, table)
        except deparse.Forbidden:
            shape = _without_expressions(shape)

        def words(text: str) -> str:
            return _without(schema, self._expressions.get((schema, table, text), text))

        return replace(
            shape,
            columns=tuple(_column(one, self._types, words) for one in shape.columns),
            checks=tuple(_check(one, words) for one in shape.checks),
            indexes=tuple(self._index(one, words) for one in shape.indexes),
        )

    def agreed(self, actual: Shape, expected: Shape, schema: str, table: str) -> Shape:
        """The actual shape, with the conditions that say the same as expected ones written as these are."""

        def like(text: str, others: Iterable[str]) -> str:
            same = (one for one in others if deparse.say_the_same(self._connection, schema, table, text, one))
            return next(same, text) if text else text

        checks = {one.text for one in expected.checks if not one.exclusion}
        wanted = checks - {one.text for one in actual.checks}
        wheres = {one.where for one in expected.indexes if one.where}
        wanted_wheres = wheres - {one.where for one in actual.indexes}
        return replace(
            actual,
            checks=tuple(
                one if one.exclusion or one.text in checks else replace(one, text=like(one.text, wanted))
                for one in actual.checks
            ),
            indexes=tuple(
                one if one.where in wheres else replace(one, where=like(one.where, wanted_wheres))
                for one in actual.indexes
            ),
        )

    def _ask(self, shape: Shape, schema: str, table: str) -> None:
        asked = {text for text in _texts(shape) if (schema, table, text) not in self._expressions}
        found = deparse.expressions(self._connection, schema, table, sorted(asked))
        self._expressions |= {(schema, table, text): one for text, one in found.items()}

    def _index(self, index: Index, words: Words) -> Index:
        parts = tuple(self._part(part, words) for part in index.parts)
        return replace(index, parts=parts, where=words(index.where))

    def _part(self, part: Part, words: Words) -> Part:
        opclass = "" if part.opclass in self._default_opclasses else _SAME.get(part.opclass, part.opclass)
        if part.is_column:
            return replace(part, opclass=opclass)
        # The collation of an expression is a part of its text, or the default.
        return replace(part, text=words(part.text), opclass=opclass, collation="")


def _without_expressions(shape: Shape) -> Shape:
    return replace(
        shape,
        columns=tuple(replace(one, default="", generated="") for one in shape.columns),
        checks=tuple(one for one in shape.checks if one.exclusion),
        indexes=tuple(
            one for one in shape.indexes if not one.where and all(part.is_column for part in one.parts)
        ),
    )


def _without(schema: str, text: str) -> str:
    """The text without the schema's name before its own functions and types; string constants are left."""
    names = "|".join(re.escape(name) for name in (schema, quote(schema)))
    own = re.compile(rf"('(?:[^']|'')*')|(?<![\\w.\"])(?:{names})\\.".replace("\\\\", "\\"))
    return own.sub(lambda found: found[1] or "", text)


def _texts(shape: Shape) -> Iterator[str]:
    for column in shape.columns:
        yield from filter(None, (_cast(column), column.generated))
    yield from (check.text for check in shape.checks if not check.exclusion)
    for index in shape.indexes:
        yield from (part.text for part in index.parts if not part.is_column)
        yield from filter(None, [index.where])


def _cast(column: Column) -> str:
    """The default, cast to the column's type: a constant by itself has another type."""
    return f"CAST({column.default} AS {column.type})" if column.default else ""


def _column(column: Column, types: dict[str, str], words: Words) -> Column:
    return replace(
        column,
        type=types.get(column.type, column.type),
        default=words(_cast(column)),
        generated=words(column.generated),
    )


def _check(check: Check, words: Words) -> Check:
    return check if check.exclusion else replace(check, text=words(check.text))
