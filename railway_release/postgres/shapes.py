"""Reads the definitions of tables in many schemas, equal tables only once.

The server computes a digest of each table; of tables with equal names and digests one is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from railway_release.postgres.batch_reader import BatchReader, Rows
from railway_release.postgres.session import Connection, fetch
from railway_release.postgres.shape import Check, Column, ForeignKey, Index, Part, Shape, Unique
from railway_release.postgres.shape_queries import DETAILS, DIGESTS, GROUPS, OBJECTS, SHARES, TABLES

Depth = Literal["columns", "models", "everything"]  # "models" is everything that models define

_COLUMNS = ("columns", "partitions")
_MODELS = (*_COLUMNS, "uniques", "foreign_keys", "checks", "indexes")
_PARTS: dict[Depth, tuple[str, ...]] = {
    "columns": _COLUMNS,
    "models": _MODELS,
    "everything": (*_MODELS, "undeclared"),
}
_OF_COLUMNS = ("columns", "defaults", "sequences", "partitions")
_OF_MODELS = (*_OF_COLUMNS, "constraints", "indexes")
_DIGESTED: dict[Depth, tuple[str, ...]] = {
    "columns": _OF_COLUMNS,
    "models": _OF_MODELS,
    "everything": (*_OF_MODELS, "undeclared"),
}
# So few schemas are read through indexes of the catalog, or one of so many; digests take all of it, however
# many schemas there are.
_FEW, _OF_MANY = 2, 20


@dataclass(frozen=True)
class EqualTables:
    """Tables of one name that are equal in these schemas, and their definition."""

    table: str
    schemas: tuple[str, ...]
    shape: Shape


@dataclass(frozen=True)
class Definitions:
    """What was read of some schemas: their tables, and beside these functions, views, types and sequences."""

    tables: Sequence[EqualTables]
    objects: Sequence[tuple[str, list[str]]] = ()  # each described, with the schemas that have it

    def updated(self, now: Definitions, changed: Collection[str]) -> Definitions:
        """The same but for the changed schemas, which are as they are in `now`."""
        tables: dict[tuple[str, Shape], list[str]] = defaultdict(list)
        for one in self.tables:
            tables[one.table, one.shape] += (name for name in one.schemas if name not in changed)
        for one in now.tables:
            tables[one.table, one.shape] += one.schemas
        objects: dict[str, list[str]] = defaultdict(list)
        for text, holders in self.objects:
            objects[text] += (name for name in holders if name not in changed)
        for text, holders in now.objects:
            objects[text] += holders
        equal = [EqualTables(table, tuple(names), shape) for (table, shape), names in tables.items() if names]
        return Definitions(equal, [(text, holders) for text, holders in objects.items() if holders])


def read_definitions(
    reader: BatchReader, schemas: Collection[str], depth: Depth, among: int = 0
) -> Definitions:
    """The tables of these schemas, of `among`; with the depth "everything" also their other objects."""
    found = objects(reader.connection, schemas) if depth == "everything" else []
    return Definitions(read(reader, schemas, depth, among=among), found)


def read(
    reader: BatchReader,
    schemas: Iterable[str],
    depth: Depth,
    tables: Collection[str] | None = None,
    among: int = 0,
) -> list[EqualTables]:
    """The tables and views of these schemas, of `among`; with `tables`, only those of these names.

    With the depth "columns", their constraints, indexes and what models cannot declare are not read.
    """
    names = sorted(schemas)
    if len(names) <= max(_FEW, among // _OF_MANY) or tables is not None:
        return _each(reader.connection, names, depth, tables)
    groups = _groups(reader, names, " UNION ALL ".join(DIGESTS[name] for name in _DIGESTED[depth]))
    shapes = _shapes(reader.connection, [example for _, example in groups.values()], depth)
    return [
        EqualTables(name, tuple(members), shapes(example, kind))
        for (name, _, kind), (members, example) in groups.items()
    ]


def _each(
    connection: Connection, schemas: Sequence[str], depth: Depth, tables: Collection[str] | None
) -> list[EqualTables]:
    """Every table read by itself, without digests."""
    there = [row for name in schemas for row in fetch(connection, TABLES, (name,))]
    found = [row for row in there if tables is None or row[1] in tables]
    shapes = _shapes(connection, [oid for *_, oid in found], depth)
    return [EqualTables(name, (schema,), shapes(oid, kind)) for schema, name, kind, oid in found]


def _groups(reader: BatchReader, schemas: list[str], digests: str) -> dict[Any, tuple[list[str], int]]:
    """The schemas with equal tables, and the OID of one table, by name, digest and kind."""
    found: dict[Any, tuple[list[str], int]] = {}
    shares = fetch(reader.connection, SHARES, (reader.open(len(schemas)), schemas))

    def read(connection: Connection, share: tuple[int, int]) -> Rows:
        first, last = share
        inside = digests.format(first=first, last=last)
        return fetch(connection, GROUPS.format(digests=inside, first=first, last=last), (schemas,))

    for rows in reader.read_each(shares, read):
        for *key, members, example in rows:
            found.setdefault(tuple(key), ([], example))[0].extend(members)
    return found


def objects(connection: Connection, schemas: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Functions, views, types and sequences of these schemas, described, with the schemas that have each."""
    return [(text, list(holders)) for text, holders in fetch(connection, OBJECTS, (sorted(schemas),))]


def _shapes(connection: Connection, tables: Sequence[int], depth: Depth) -> Callable[[int, str], Shape]:
    """A function that makes the definition of a table, given its OID and its kind."""
    found: defaultdict[int, dict[str, Any]] = defaultdict(dict)  # by table, and by field of Shape
    for name in (name for name in _MAKERS if name in _PARTS[depth]):
        select = DETAILS[name]
        for table, *row in fetch(connection, select, (list(tables),) * select.count("%s")):
            found[table].setdefault(name, []).append(_MAKERS[name](*row))

    def shape(table: int, kind: str) -> Shape:
        parts: dict[str, Any] = {name: tuple(ones) for name, ones in found[table].items()}
        for partitioning, key in parts.pop("partitions", ()):
            parts |= {"partitioning": partitioning, "partition_key": tuple(key)}
        return Shape(**parts, kind=kind, only_columns=depth == "columns")

    return shape


def _unique(name: str, columns: list[str], primary: bool, nulls_equal: bool, *rest: Any) -> Unique:
    return Unique(name, tuple(columns), primary, nulls_equal, _rest(*rest))


def _foreign_key(  # noqa: PLR0913, PLR0917 - a row of the catalog
    name: str, columns: list[str], schema: str, table: str, targets: list[str], valid: bool, *rest: Any
) -> ForeignKey:
    return ForeignKey(name, tuple(columns), schema, table, tuple(targets), valid, _rest(*rest))


_ACTIONS = {"a": "", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT", " ": ""}


def _rest(deferrable: bool, deferred: bool, on_delete: str = "a", on_update: str = "a") -> str:
    words = [f"ON {verb} {_ACTIONS[code]}" for verb, code in (("DELETE", on_delete), ("UPDATE", on_update))]
    words = [text for text in words if not text.endswith(" ")]
    words += ["DEFERRABLE"] if deferrable else []
    return " ".join(words + (["INITIALLY DEFERRED"] if deferred else []))


def _index(  # noqa: PLR0913, PLR0917 - a row of the catalog
    name: str,
    method: str,
    texts: list[str],
    are_columns: list[bool],
    opclasses: list[str],
    orders: list[str],
    collations: list[str],
    unique: bool,
    include: list[str],
    where: str,
    nulls_equal: bool,
    valid: bool,
) -> Index:
    keys = zip(texts, are_columns, opclasses, orders, collations, strict=True)
    parts = tuple(Part(*key) for key in keys)
    return Index(name, method, parts, unique, tuple(include), where, nulls_equal, valid)


_MAKERS: dict[str, Callable[..., object]] = {
    "columns": Column,
    "partitions": lambda how, columns: (how, columns),
    "uniques": _unique,
    "foreign_keys": _foreign_key,
    "checks": Check,
    "indexes": _index,
    "undeclared": str,
}
