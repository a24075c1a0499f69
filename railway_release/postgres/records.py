"""Records: which migrations each schema has, and which content types and permissions.

What many schemas have in common crosses the wire once: the server makes digests, and one schema of each is
read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from railway_release.postgres.catalog import schemas_with_records, tables
from railway_release.postgres.sweep import Sweep

Record = tuple[str, str]  # app label and migration name
T = TypeVar("T")

# Beside the last record of a run, a schema is marked until what follows has been done: content types,
# permissions and receivers. No app has this label, so that Django passes over it.
MARK = "railway_release"


def mark(records: int) -> Record:
    """What is recorded beside the last of so many records."""
    return MARK, f"unfinished {records:06}"


def is_mark(record: Record) -> bool:
    """Whether it is no migration's record."""
    return record[0] == MARK


@dataclass(frozen=True)
class Records:
    """The migration records of many schemas; equal histories are one shared object."""

    histories: dict[str, tuple[Record, ...]]  # in the order in which they were made
    unreadable: dict[str, str]  # schema to the reason
    fresh: frozenset[str]  # with a record of the last hour
    unfinished: Mapping[str, tuple[Record, ...]]  # what a run has recorded and not seen to its end


def records(sweep: Sweep, schemas: Collection[str]) -> Records:
    """The migration records of each schema; schemas without django_migrations have none."""
    unreadable: dict[str, str] = {}
    recorded = sorted(schemas_with_records(sweep.connection) & set(schemas))
    summaries = list(sweep.ask(recorded, _with(_RECORDS, f"{_FRESH}, {_MARKED}"), unreadable))
    digests = {schema: digest for schema, digest, _, _ in summaries}
    read = _one_of_each(sweep, digests, _with(_RECORDS, _HISTORY), _history, unreadable)
    histories = {schema: read.get(schema, ()) for schema in schemas if schema not in unreadable}
    return Records(
        histories,
        unreadable,
        frozenset(schema for schema, _, fresh, _ in summaries if fresh),
        {schema: _last(histories.get(schema, ()), name) for schema, _, _, name in summaries if name},
    )


def _last(history: tuple[Record, ...], name: str) -> tuple[Record, ...]:
    """The records that a mark of this name speaks of; one at least, or nothing would be finished."""
    number = name.rpartition(" ")[2]
    return history[-max(1, int(number)) :] if number.isdecimal() else history


@dataclass(frozen=True)
class ContentRows:
    """``app.model`` of each content type, ``app.model.codename`` of each permission if there are any."""

    names: frozenset[str]
    with_permissions: bool


def content_rows(sweep: Sweep, schemas: Collection[str]) -> dict[str, ContentRows]:
    """The content types and permissions of each schema; equal ones are one shared object.

    Schemas without their tables, or in which they cannot be read, are left out.
    """
    there = tables(sweep.connection, ("django_content_type", "auth_permission"))
    with_types = sorted(schema for schema in schemas if "django_content_type" in there.get(schema, ()))
    with_both = [schema for schema in with_types if "auth_permission" in there[schema]]
    with_types_alone = sorted(set(with_types) - set(with_both))
    return {
        **_content_rows(sweep, with_types_alone, with_permissions=False),
        **_content_rows(sweep, with_both, with_permissions=True),
    }


def _content_rows(sweep: Sweep, schemas: list[str], *, with_permissions: bool) -> dict[str, ContentRows]:
    select, names = _TYPES_AND_PERMISSIONS if with_permissions else _TYPES
    known: dict[ContentRows, ContentRows] = {}

    def rows(found: list[str]) -> ContentRows:
        one = ContentRows(frozenset(found), with_permissions)
        return known.setdefault(one, one)  # the digests of equal ones differ with the ids

    digests = {schema: digest for schema, digest, _ in sweep.ask(schemas, _with(select, "NULL"), {})}
    return _one_of_each(sweep, digests, _with(select, names), rows, {})


def _with(select: str, more: str) -> str:
    return select.replace("{more}", more)


def _one_of_each(
    sweep: Sweep,
    digests: dict[str, Any],
    select: str,
    make: Callable[[Any], T],
    unreadable: dict[str, str],
) -> dict[str, T]:
    """What each schema holds, read from one of those with the same digest.

    It is read with its digest, since it may have changed meanwhile, or can no longer be read.
    """
    found: dict[Any, T] = {}
    digests = dict(digests)
    while unread := {digest: schema for schema, digest in digests.items() if digest not in found}:
        for schema in unread.values():
            del digests[schema]
        for schema, digest, content in sweep.ask(sorted(unread.values()), select, unreadable):
            digests[schema] = digest
            found[digest] = make(content)
    return {schema: found[digest] for schema, digest in digests.items()}


def _history(rows: list[list[str]] | None) -> tuple[Record, ...]:
    return tuple((app, name) for app, name in rows or ())


_RECORDS = """
(SELECT {literal},
    coalesce(md5(string_agg(app || '.' || name, ',' ORDER BY id)
        FILTER (WHERE app <> 'railway_release')), ''),
    {more}
 FROM {schema}.django_migrations)
"""
_MARKED = "max(name) FILTER (WHERE app = 'railway_release')"
_FRESH = "coalesce(max(applied) > now() - interval '1 hour', false)"
_HISTORY = "array_agg(ARRAY[app::text, name::text] ORDER BY id) FILTER (WHERE app <> 'railway_release')"

# Sums of hashes, with ids in them, need neither sorting nor joining.
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
