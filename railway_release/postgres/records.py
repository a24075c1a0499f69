"""The migration records of many schemas, and their content types and permissions.

What many schemas have in common is sent once: the server groups equal histories, or computes a digest of each
schema, and one schema of each digest is read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar

from railway_release.postgres.batch_reader import BatchReader
from railway_release.postgres.catalog import schemas_with_records

Record = tuple[str, str]  # app label and migration name
T = TypeVar("T")

# Of so few schemas, digests would save less than the round trip that they take.
_FEW = 8

# Locks for one schema: its tables and their indexes.
_LOCKS_OF_RECORDS, _LOCKS_OF_CONTENTS = 2, 8

# The app label of a record that marks a schema as unfinished: its migrations are applied, and content types,
# permissions or receivers are still to follow. No app has this label, so Django ignores the record.
MARK = "railway_release"


def mark(records: int) -> Record:
    """The record that marks the last `records` records of a schema as unfinished."""
    return MARK, f"unfinished {records:06}"


def is_mark(record: Record) -> bool:
    """Whether the record is such a mark, and not that of a migration."""
    return record[0] == MARK


class History(tuple[Record, ...]):
    """The migration records of a schema, oldest first. A cheap key: its hash is computed once."""

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return super().__hash__()


@dataclass(frozen=True)
class Records:
    """The migration records of many schemas, which share equal histories."""

    histories: dict[str, History]  # by schema
    unreadable: dict[str, str]  # schema to the reason
    fresh: frozenset[str]  # schemas with a record of the last hour
    unfinished: Mapping[str, tuple[Record, ...]]  # records that a run left unfinished, by schema

    def without(self, schemas: Collection[str]) -> Records:
        """The records of the other schemas."""
        return Records(
            {name: one for name, one in self.histories.items() if name not in schemas},
            {name: one for name, one in self.unreadable.items() if name not in schemas},
            self.fresh - frozenset(schemas),
            {name: one for name, one in self.unfinished.items() if name not in schemas},
        )


NO_RECORDS = Records({}, {}, frozenset(), {})


def records(
    reader: BatchReader, schemas: Collection[str], with_records: Collection[str] | None = None
) -> Records:
    """The migration records of each schema; none for schemas without a django_migrations table.

    `with_records` are the schemas that have one, if the caller knows them.
    """
    if with_records is None:
        with_records = schemas_with_records(reader.connection)
    unreadable: dict[str, str] = {}
    read: dict[str, History] = {}
    known: dict[str, History] = {}
    fresh: set[str] = set()
    marks: dict[str, str] = {}
    asked = sorted(set(with_records) & set(schemas))
    for members, of_late, marked, text in reader.read(
        asked, _RECORDS, unreadable, _ALIKE, locks=_LOCKS_OF_RECORDS
    ):
        read |= dict.fromkeys(members, known.setdefault(text, _history(text)))
        fresh |= {name for name, is_fresh in zip(members, of_late, strict=True) if is_fresh}
        marks |= {name: mark for name, mark in zip(members, marked, strict=True) if mark}
    none = History()
    histories = {schema: read.get(schema, none) for schema in schemas if schema not in unreadable}
    unfinished = {name: _last(histories.get(name, ()), mark) for name, mark in marks.items()}
    return Records(histories, unreadable, frozenset(fresh), unfinished)


def _last(history: tuple[Record, ...], name: str) -> tuple[Record, ...]:
    """The unfinished records, from the name of the mark; at least one, since something has to be finished."""
    number = name.rpartition(" ")[2]
    return history[-max(1, int(number)) :] if number.isdecimal() else history


@dataclass(frozen=True)
class ContentRows:
    """``app.model`` of each content type, and ``app.model.codename`` of each permission."""

    names: frozenset[str]
    with_permissions: bool  # whether there is a table of permissions


def content_rows(
    reader: BatchReader, schemas: Collection[str], there: Mapping[str, Collection[str]]
) -> dict[str, ContentRows]:
    """The content types and permissions of each schema, which share equal ones.

    `there` has the tables of each schema. Schemas without these tables, or where they cannot be read, are
    left out.
    """
    asked = sorted(schema for schema in schemas if "django_content_type" in there.get(schema, ()))
    with_permissions = {schema: "auth_permission" in there[schema] for schema in asked}
    known: dict[ContentRows, ContentRows] = {}

    def select(schema: str, *, names: bool) -> str:
        text, of_names = _TYPES_AND_PERMISSIONS if with_permissions[schema] else _TYPES
        return text.replace("{more}", of_names if names else "NULL::text[]")

    def rows(schema: str, found: list[str]) -> ContentRows:
        one = ContentRows(frozenset(found), with_permissions[schema])
        return known.setdefault(one, one)  # equal ones may have different digests, since those include ids

    if len(asked) > _FEW:
        asking = reader.read(asked, partial(select, names=False), {}, locks=_LOCKS_OF_CONTENTS)
        digests = {schema: (digest, with_permissions[schema]) for schema, digest, _ in asking}
    else:
        digests = {schema: (schema, with_permissions[schema]) for schema in asked}  # as if all differed
    return _one_of_each(reader, digests, partial(select, names=True), rows)


def _one_of_each(
    reader: BatchReader, digests: dict[str, Any], select: Callable[[str], str], make: Callable[[str, Any], T]
) -> dict[str, T]:
    """The contents of each schema, read from one schema of each digest.

    The digest is read again with them, since the schema may have changed, or be unreadable by now.
    """
    found: dict[Any, T] = {}
    digests = dict(digests)
    while unread := {digest: schema for schema, digest in digests.items() if digest not in found}:
        kinds = {schema: kind for (_, kind), schema in unread.items()}
        for schema in kinds:
            del digests[schema]
        for schema, digest, content in reader.read(sorted(kinds), select, {}, locks=_LOCKS_OF_CONTENTS):
            digests[schema] = digest, kinds[schema]
            found[digests[schema]] = make(schema, content)
    return {schema: found[digest] for schema, digest in digests.items()}


def _history(text: str) -> History:
    """The records from the text of _RECORDS, whose separators (ASCII RS and US) are in no name."""
    pairs = (record.partition("\x1f") for record in text.split("\x1e") if record)
    return History((app, name) for app, _, name in pairs)


_RECORDS = """
(SELECT {literal}, coalesce(max(applied) > now() - interval '1 hour', false),
    max(name) FILTER (WHERE app = 'railway_release'),
    coalesce(string_agg(app || E'\\x1f' || name, E'\\x1e' ORDER BY id)
        FILTER (WHERE app <> 'railway_release'), '')
 FROM {schema}.django_migrations)
"""
_ALIKE = """
SELECT array_agg(schema), array_agg(fresh), array_agg(mark), history
FROM ({rows}) AS one (schema, fresh, mark, history) GROUP BY history
"""

# A sum of hashes needs no sorting, and ids in place of names need no join.
_TYPES = (
    """
    SELECT {literal},
        (SELECT sum(hashtextextended(app_label || '.' || model, id)) FROM {schema}.django_content_type)::text,
        {more}
    """,
    "ARRAY(SELECT app_label || '.' || model FROM {schema}.django_content_type)",
)
_TYPES_AND_PERMISSIONS = (
    """
    SELECT {literal}, concat_ws('/',
        (SELECT sum(hashtextextended(app_label || '.' || model, id)) FROM {schema}.django_content_type),
        (SELECT sum(hashtextextended(codename, content_type_id)) FROM {schema}.auth_permission)),
        {more}
    """,
    """ARRAY(
        SELECT app_label || '.' || model FROM {schema}.django_content_type
        UNION ALL
        SELECT c.app_label || '.' || c.model || '.' || p.codename
        FROM {schema}.auth_permission p JOIN {schema}.django_content_type c ON c.id = p.content_type_id)""",
)
