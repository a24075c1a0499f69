"""Differences: what a table lacks or has otherwise than expected, and what no model declares."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from railway_release.postgres.shape import Check, Column, Definition, ForeignKey, Index, Part, Shape, Unique
from railway_release.verification import findings

THE_TABLE = "the table itself"  # of one that no model knows

# What a pending AlterField sets right, also where it was run before.
_ALTERED = (
    findings.COLUMN_TYPE,
    findings.COLUMN_NULL,
    findings.COLUMN_DEFAULT,
    findings.COLUMN_COLLATION,
)


@dataclass(frozen=True)
class Difference:
    """One difference; `object` is the table, with the column, constraint or index concerned."""

    id: str
    object: str
    expected: str = ""
    found: str = ""
    target: tuple[str, str] = ("", "")  # of a foreign key: schema ("" for the same one) and table
    table: str = ""
    definition: Definition | None = field(default=None, repr=False)  # what is expected
    instead: tuple[str, ...] = ()  # names of the constraints or the index that the table has instead
    is_early: bool = False  # whether a pending migration changes that part of the column
    made_by: tuple[str, ...] = ()  # of a missing table: the migrations whose SQL made what no model can


def differences(table: str, expected: Shape, actual: Shape, later: Shape) -> Iterator[Difference]:
    """All differences between an expected and an actual shape; names of constraints and indexes do not count.

    Types and expressions have to be as the server prints them. `later` is the shape that is expected once
    all migrations have run, in the same form.
    """
    changed = {(one.id, one.object) for one in _columns(table, later, expected, ()) if one.id in _ALTERED}
    for one in _differences(table, expected, actual, later):
        yield replace(one, table=table, is_early=(one.id, one.object) in changed)


def _differences(table: str, expected: Shape, actual: Shape, later: Shape) -> Iterator[Difference]:
    if actual.kind != expected.kind:
        words = " by ".join(filter(None, (actual.kind, actual.partitioning)))
        yield Difference(findings.TABLE_KIND, table, expected.kind, words)
    yield from _columns(table, expected, actual, {column.name for column in later.columns})
    if actual.is_table and not actual.only_columns:
        possible = without(expected, {column.name for column in expected.columns} - _names(actual))
        yield from _uniques(table, possible.uniques, actual)
        yield from _foreign_keys(table, possible.foreign_keys, actual.foreign_keys)
        yield from _checks(table, possible.checks, actual.checks)
        yield from _indexes(table, possible.indexes, actual)
        yield from _unfinished(table, actual)


def surplus(expected: Shape, actual: Shape) -> Iterator[str]:
    """What the table has that no model declares, in words that are the same in every schema."""
    yield from _own_defaults(expected, actual)
    uniques: list[Unique | Index] = [*expected.uniques, *expected.indexes]
    for unique in actual.uniques:
        if not any(_same_unique(unique, one, actual.partition_key) for one in uniques):
            yield f"{'primary key' if unique.primary else 'unique constraint'} {_list(unique.columns)}"
    for key in actual.foreign_keys:
        if key.columns not in {one.columns for one in expected.foreign_keys}:
            yield f"foreign key {_list(key.columns)} to {_target(key)}"
    for check in actual.checks:
        if not any(_same_check(check, one) or check.name == one.name for one in expected.checks):
            yield f"{'exclusion' if check.exclusion else 'check'} {check.text}"
    indexes = [*expected.indexes, *_as_indexes(expected.uniques)]
    for index in actual.indexes:
        if not any(_same_index(index, one, actual.partition_key) for one in indexes):
            yield f"index {_index_in_words(index)}"
    yield from actual.undeclared


def unknown(actual: Shape) -> Iterator[str]:
    """What there is of a table that no model knows; nothing of a view, which is compared as a whole."""
    if actual.kind in ("view", "materialized view"):
        return
    yield THE_TABLE
    if actual.kind != "table":
        yield f"kind: {actual.kind}"
    if actual.kind != "partition":  # it has what its table has
        for one in actual.columns:
            value = f" default {one.default}" if one.default else one.generated and f" as {one.generated}"
            yield f"column {one.name}: {_in_words(one)}{value}"
        yield from surplus(Shape(), actual)


def _own_defaults(expected: Shape, actual: Shape) -> Iterator[str]:
    plain = {column.name for column in expected.columns if not column.default}
    for column in actual.columns:
        if column.name in plain and column.default:
            yield f"default of {column.name}: {column.default}"


def _names(shape: Shape) -> set[str]:
    return {column.name for column in shape.columns}


def without(expected: Shape, missing: Collection[str]) -> Shape:
    """The shape without the constraints and indexes on missing columns: only the column is reported."""

    def is_possible(*texts: str) -> bool:
        # The server cannot parse an expression on a missing column, so its text is still Django's.
        return not any(text == name or f'"{name}"' in text for text in texts for name in missing)

    return replace(
        expected,
        uniques=tuple(one for one in expected.uniques if is_possible(*one.columns)),
        foreign_keys=tuple(one for one in expected.foreign_keys if is_possible(*one.columns)),
        checks=tuple(one for one in expected.checks if is_possible(one.text)),
        indexes=tuple(
            one
            for one in expected.indexes
            if is_possible(one.where, *one.include, *(part.text for part in one.parts))
        ),
    )


def _columns(table: str, expected: Shape, actual: Shape, later: Collection[str]) -> Iterator[Difference]:
    here, known = {column.name: column for column in actual.columns}, set()
    for column in expected.columns:
        known.add(column.name)
        name = f"{table}.{column.name}"
        if not (found := here.get(column.name)):
            yield Difference(findings.COLUMN_MISSING, name, _in_words(column), definition=column)
        else:
            yield from _type(name, column, found)
            yield from _rules(name, column, found, actual) if actual.is_table else ()
    for column in here.values():
        if column.name not in known:
            yield Difference(_kind(column, later), f"{table}.{column.name}", "", _in_words(column))


def _kind(column: Column, later: Collection[str]) -> str:
    """The finding's id for a column that no model has."""
    if column.name in later:
        return findings.COLUMN_EARLY
    filled = column.default or column.has_sequence or column.generated or not column.not_null
    return findings.COLUMN_EXTRA if filled else findings.COLUMN_IN_THE_WAY


def _type(name: str, expected: Column, found: Column) -> Iterator[Difference]:
    if expected.type != found.type:
        yield Difference(findings.COLUMN_TYPE, name, expected.type, found.type, definition=expected)


def _rules(name: str, expected: Column, found: Column, actual: Shape) -> Iterator[Difference]:
    # A column of a key is NOT NULL, and the key of a partitioned table has the columns that part it.
    forced = found.not_null and found.name in actual.partition_key
    pairs = (
        (findings.COLUMN_NULL, _null(found if forced else expected), _null(found)),
        (findings.COLUMN_COLLATION, _collated(expected, expected), _collated(expected, found)),
        (findings.COLUMN_GENERATED, expected.generated, found.generated),
    )
    for id, wanted, there in pairs:
        if wanted != there:
            words = (wanted or "not generated", there or "not generated")
            yield Difference(id, name, *words, definition=expected)
    # A sequence that the column does not own, as of a table that SQL has made, numbers rows as well.
    if expected.has_sequence and not found.has_sequence and not found.default.startswith("nextval("):
        words = ("identity or a sequence of its own", "neither")
        yield Difference(findings.COLUMN_UNCOUNTED, name, *words, definition=expected)
    # In a column of another type, the server prints the same default differently.
    if expected.default and expected.type == found.type and expected.default != found.default:
        words = (expected.default, found.default or "no default")
        yield Difference(findings.COLUMN_DEFAULT, name, *words, definition=expected)


def _collated(typed: Column, column: Column) -> str:
    """A type with the collation of a column, as ALTER COLUMN TYPE takes it."""
    return f'{typed.type} COLLATE "{column.collation or "default"}"'


def _uniques(table: str, expected: Iterable[Unique], actual: Shape) -> Iterator[Difference]:
    there: list[Unique | Index] = [*actual.uniques, *actual.indexes]
    for unique in dict.fromkeys(expected):
        if not any(_same_unique(unique, one, actual.partition_key) for one in there):
            id = findings.KEY_MISSING if unique.primary else findings.UNIQUE_MISSING
            yield Difference(id, f"{table}{_list(unique.columns)}", definition=unique)


def _foreign_keys(
    table: str, expected: Iterable[ForeignKey], actual: Iterable[ForeignKey]
) -> Iterator[Difference]:
    for key in expected:
        name = f"{table}{_list(key.columns)}"
        alike = [one for one in actual if one.columns == key.columns]
        right = [one for one in alike if _same_target(one, key)]
        if not alike:
            target = (key.schema, key.table)
            yield Difference(findings.FOREIGN_KEY_MISSING, name, _target(key), target=target, definition=key)
        elif not right:
            words = (_target(key), ", ".join(_target(one) for one in alike))
            names = tuple(one.name for one in alike)
            yield Difference(findings.FOREIGN_KEY_ELSEWHERE, name, *words, definition=key, instead=names)
        elif all(one.rest != key.rest for one in right):
            words = (key.rest, right[0].rest or "not deferrable")
            names = tuple(one.name for one in right)
            yield Difference(findings.FOREIGN_KEY_RULES, name, *words, definition=key, instead=names)


def _checks(table: str, expected: Iterable[Check], actual: Iterable[Check]) -> Iterator[Difference]:
    for check in expected:
        if any(_same_check(check, one) for one in actual):
            continue
        same_name = [one for one in actual if check.name and one.name == check.name]
        if not same_name:
            id = findings.EXCLUSION_MISSING if check.exclusion else findings.CHECK_MISSING
            name = f"{table}.{check.name}" if check.name else table
            yield Difference(id, name, check.text, definition=check)
        elif not check.exclusion:  # the server prints an exclusion otherwise than Django writes it
            words = (check.text, same_name[0].text)
            name, names = f"{table}.{check.name}", (check.name,)
            yield Difference(findings.CHECK_OTHER, name, *words, definition=check, instead=names)


def _indexes(table: str, expected: Iterable[Index], actual: Shape) -> Iterator[Difference]:
    there = [*actual.indexes, *_as_indexes(actual.uniques)]
    for index in dict.fromkeys(replace(one, name="") for one in expected):
        if not any(_same_index(index, one, actual.partition_key) for one in there):
            id = findings.UNIQUE_MISSING if index.unique else findings.INDEX_MISSING
            name = f"{table}({_parts(index)})"
            yield Difference(id, name, _index_in_words(index), definition=index)


def _unfinished(table: str, actual: Shape) -> Iterator[Difference]:
    for index in actual.indexes:
        if not index.valid:
            name = f"{table}.{index.name}"
            yield Difference(findings.INDEX_INVALID, name, "", "invalid", instead=(index.name,))
    unchecked = [one.name for one in actual.checks if not one.valid]
    unchecked += [one.name for one in actual.foreign_keys if not one.valid]
    for name in unchecked:
        of_table = f"{table}.{name}"
        yield Difference(findings.CONSTRAINT_UNCHECKED, of_table, "", "not valid", instead=(name,))


def _same_unique(one: Unique, other: Unique | Index, partition_key: Collection[str]) -> bool:
    """Whether both keep the same columns unique.

    What is unique in a partitioned table has the columns that part it beside its own.
    """
    if isinstance(other, Index):
        keeps_all = other.unique and other.valid and not other.where
        plain = keeps_all and all(part.is_column and not part.opclass for part in other.parts)
        columns, rules = tuple(part.text for part in other.parts), ("", other.nulls_equal)
        same = {*one.columns, *partition_key} == {*columns, *partition_key}
        return plain and same and (one.rest, one.nulls_equal) == rules
    # A primary key serves as a unique constraint, but a unique constraint does not serve as a primary key.
    fits = other.primary or not one.primary
    same = {*one.columns, *partition_key} == {*other.columns, *partition_key}
    return fits and same and (other.primary or (one.rest, one.nulls_equal) == (other.rest, other.nulls_equal))


def _same_target(one: ForeignKey, other: ForeignKey) -> bool:
    return (one.schema, one.table, one.targets) == (other.schema, other.table, other.targets)


def _same_check(one: Check, other: Check) -> bool:
    return (one.exclusion, one.text) == (other.exclusion, other.text)


def _same_index(one: Index, other: Index, partition_key: Collection[str]) -> bool:
    def comparable(index: Index) -> Index:
        own = (part for part in index.parts if not (index.unique and part.text in partition_key))
        return replace(index, name="", valid=True, parts=tuple(own))

    return comparable(one) == comparable(other)


def _as_indexes(uniques: Iterable[Unique]) -> Iterator[Index]:
    """The indexes by which PostgreSQL enforces unique constraints, and which serve queries as well."""
    for one in uniques:
        parts = tuple(Part(column, True) for column in one.columns)
        yield Index(one.name, "btree", parts, True, nulls_equal=one.nulls_equal)


def _null(column: Column) -> str:
    return "NOT NULL" if column.not_null else "NULL"


def _in_words(column: Column) -> str:
    return f"{column.type} {_null(column)}"


def _list(columns: Iterable[str]) -> str:
    return f"({', '.join(columns)})"


def _target(key: ForeignKey) -> str:
    schema = f"{key.schema}." if key.schema else ""
    return f"{schema}{key.table}{_list(key.targets)}"


def _parts(index: Index) -> str:
    return ", ".join(
        " ".join(filter(None, (part.text, part.collation, part.opclass, part.order))) for part in index.parts
    )


def _index_in_words(index: Index) -> str:
    kind = f"{'unique ' if index.unique else ''}{index.method} ({_parts(index)})"
    include = f" include {_list(index.include)}" if index.include else ""
    return f"{kind}{include}" + (f" where {index.where}" if index.where else "")
