"""What is there: schemas, tables and migration records, for all schemas in a few statements.

Only pg_catalog, never information_schema, which is much slower at thousands of tables. What many schemas
have in common crosses the wire once: the server groups by digest, and one of each group is fetched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from railway_release.postgres.failures import describe, sqlstate
from railway_release.postgres.session import Connection, fetch, literal, quote

Record = tuple[str, str]  # app label and migration name

# One statement takes a lock on each table it reads, and lock slots are few: 64 for each connection.
_BATCH = 100
# Without a privilege, with another table of that name, or behind a lock: that schema's trouble alone.
_UNREADABLE = {"42501", "42703", "42804", "55P03"}


def schema_names(connection: Connection) -> frozenset[str]:
    """Every schema of the database that is not the system's."""
    rows = fetch(
        connection,
        "SELECT nspname FROM pg_catalog.pg_namespace"
        " WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'",
    )
    return frozenset(name for (name,) in rows)


def schemas_with_records(connection: Connection) -> frozenset[str]:
    """The schemas that hold a django_migrations table."""
    rows = fetch(connection, _WITH_RECORDS)
    return frozenset(name for (name,) in rows)


@dataclass(frozen=True)
class Records:
    """The migration records of many schemas; equal histories are one shared object."""

    histories: dict[str, tuple[Record, ...]]  # in the order in which they were made
    unreadable: dict[str, str]  # schema to the reason
    fresh: frozenset[str]  # with a record of the last hour


def records(connection: Connection, schemas: Collection[str]) -> Records:
    """The migration records of each schema; schemas without django_migrations have none."""
    unreadable: dict[str, str] = {}
    recorded = sorted(schemas_with_records(connection) & set(schemas))
    summaries = list(_in_batches(connection, recorded, _DIGEST, unreadable))
    digests: dict[str, str] = {schema: digest for schema, digest, _ in summaries}
    one_of_each = {digest: schema for schema, digest in digests.items()}
    read: dict[str, list[Record]] = {schema: [] for schema in one_of_each.values()}
    for schema, app, name in _in_batches(connection, sorted(read), _HISTORY, unreadable):
        read[schema].append((app, name))
    shared = {digest: tuple(read[schema]) for digest, schema in one_of_each.items()}
    readable = (schema for schema in schemas if schema not in unreadable)
    histories = {schema: shared[digests[schema]] if schema in digests else () for schema in readable}
    return Records(histories, unreadable, frozenset(schema for schema, _, fresh in summaries if fresh))


def tables(connection: Connection, names: Collection[str]) -> dict[str, frozenset[str]]:
    """Which of these tables each schema has; schemas with none of them are left out.

    `names` must be clipped. Equal sets are one shared object.
    """
    wanted = sorted(names)
    groups = fetch(connection, _TABLE_GROUPS, (wanted,))
    sets = {digest: frozenset(present) for digest, _, present in groups}
    return {schema: sets[digest] for digest, schemas, _ in groups for schema in schemas}


@dataclass(frozen=True)
class ContentRows:
    """``app.model`` of each content type, ``app.model.codename`` of each permission if there are any."""

    names: frozenset[str]
    with_permissions: bool


def content_rows(connection: Connection, schemas: Collection[str]) -> dict[str, ContentRows]:
    """The content types and permissions of each schema; equal ones are one shared object.

    Schemas without their tables, or in which they cannot be read, are left out.
    """
    there = tables(connection, ("django_content_type", "auth_permission"))
    found: dict[str, ContentRows] = {}
    for select, wanted in _ROWS.items():
        alike = sorted(schema for schema in schemas if there.get(schema) == wanted)
        digests = dict(_in_batches(connection, alike, _ROWS_DIGEST.replace("{rows}", select), {}))
        one_of_each = {digest: schema for schema, digest in digests.items()}
        rows = _in_batches(connection, sorted(one_of_each.values()), _ROWS_LIST.replace("{rows}", select), {})
        read = {schema: ContentRows(frozenset(names), len(wanted) > 1) for schema, names in rows}
        found |= {schema: read[one_of_each[digest]] for schema, digest in digests.items()}
    return found


def busy_schemas(connection: Connection, schemas: Collection[str], application: str) -> dict[str, str]:
    """The schemas in which sessions other than ours may be migrating, and which sessions.

    It changes tables or writes rows, as a data migration does. The tables that a transaction is creating
    cannot be seen from outside, but its lock on their schema can: CREATE TABLE holds one until it commits.
    """
    return dict(fetch(connection, _BUSY, (sorted(schemas), application)))


# Ordinary and partitioned tables, views, materialized views and foreign tables all answer queries.
_WITH_RECORDS = """
SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = 'django_migrations' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
_DIGEST = (
    "(SELECT {literal}, coalesce(md5(string_agg(app || '.' || name, ',' ORDER BY id)), ''),"
    " coalesce(max(applied) > now() - interval '1 hour', false)"
    " FROM {schema}.django_migrations)"
)
_HISTORY = "(SELECT {literal}, app, name FROM {schema}.django_migrations ORDER BY id)"

_TABLE_GROUPS = """
SELECT digest, array_agg(nspname), min(present) FROM (
    SELECT n.nspname::text AS nspname, array_agg(c.relname::text ORDER BY c.relname) AS present,
           md5(string_agg(c.relname, ',' ORDER BY c.relname)) AS digest
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    GROUP BY n.nspname
) AS by_schema GROUP BY digest
"""

_CONTENT_TYPES = "SELECT app_label || '.' || model FROM {schema}.django_content_type"
_ROWS = {
    _CONTENT_TYPES: frozenset({"django_content_type"}),
    f"{_CONTENT_TYPES} UNION ALL"  # noqa: S608 - a constant
    " SELECT c.app_label || '.' || c.model || '.' || p.codename FROM {schema}.auth_permission p"
    " JOIN {schema}.django_content_type c ON c.id = p.content_type_id": frozenset(
        {"django_content_type", "auth_permission"}
    ),
}
# A sum of hashes does not depend on the order, so nothing needs to be sorted.
_ROWS_DIGEST = (
    "(SELECT {literal}, count(*) || '/' || coalesce(sum(hashtextextended(t, 0)::numeric), 0)"
    " FROM ({rows}) r (t))"
)
_ROWS_LIST = "(SELECT {literal}, coalesce(array_agg(t), ARRAY[]::text[]) FROM ({rows}) r (t))"

_BUSY = """
SELECT n.nspname, string_agg(
    DISTINCT 'pid ' || l.pid || ' (' || coalesce(nullif(a.application_name, ''), 'no name') || ')', ', ')
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_catalog.pg_class c ON l.locktype = 'relation' AND c.oid = l.relation
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    OR (l.locktype = 'object' AND l.classid = 'pg_catalog.pg_namespace'::regclass AND n.oid = l.objid)
WHERE l.granted AND n.nspname = ANY(%s) AND a.backend_type = 'client backend'
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND a.application_name <> %s AND l.pid <> pg_backend_pid()
  AND (l.locktype = 'object'
       OR l.mode IN ('RowExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                     'AccessExclusiveLock'))
GROUP BY n.nspname
"""


def _in_batches(
    connection: Connection, schemas: list[str], select: str, unreadable: dict[str, str]
) -> Iterator[tuple[Any, ...]]:
    for start in range(0, len(schemas), _BATCH):
        batch = schemas[start : start + _BATCH]
        try:
            yield from _read(connection, batch, select)
        except Exception as error:
            if sqlstate(error) not in _UNREADABLE:
                raise
            yield from _one_by_one(connection, batch, select, unreadable)


def _one_by_one(
    connection: Connection, schemas: list[str], select: str, unreadable: dict[str, str]
) -> Iterator[tuple[Any, ...]]:
    """What can be read, so that one schema's trouble stays its own."""
    for schema in schemas:
        try:
            yield from _read(connection, [schema], select)
        except Exception as error:
            if sqlstate(error) not in _UNREADABLE:
                raise
            unreadable[schema] = describe(error)


def _read(connection: Connection, schemas: list[str], select: str) -> list[tuple[Any, ...]]:
    parts = (select.format(literal=literal(name), schema=quote(name)) for name in schemas)
    return fetch(connection, " UNION ALL ".join(parts))
