"""Which schemas, tables and columns exist, and which sessions are using them, in one statement each.

They read pg_catalog and never information_schema, which is much slower with thousands of tables. What many
schemas have in common is sent once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from railway_release.postgres.put_aside import MARK
from railway_release.postgres.session import Queryable, fetch


@dataclass(frozen=True)
class Schemas:
    """Every schema that is not the system's, with its OID, which it keeps when it is renamed."""

    oids: dict[str, int]
    with_records: frozenset[str]  # that hold a django_migrations table
    put_aside: frozenset[str]  # by a restore, as their comments say


def schemas(connection: Queryable) -> Schemas:
    """The schemas that there are."""
    rows = fetch(connection, _SCHEMAS, (f"{MARK}%",))
    return Schemas(
        {name: oid for name, oid, *_ in rows},
        frozenset(name for name, _, recorded, _ in rows if recorded),
        frozenset(name for name, *_, marked in rows if marked),
    )


def schemas_with_records(connection: Queryable) -> frozenset[str]:
    """The schemas that hold a django_migrations table."""
    return schemas(connection).with_records


def tables(connection: Queryable, names: Collection[str]) -> dict[str, frozenset[str]]:
    """Which of these tables each schema has; schemas with none of them are left out.

    `names` must be cut to 63 bytes (session.clip). Schemas with the same tables share one set.
    """
    wanted = sorted(names)
    groups = [
        (schemas, frozenset(present)) for schemas, present in fetch(connection, _TABLE_GROUPS, (wanted,) * 2)
    ]
    return {schema: present for schemas, present in groups for schema in schemas}


def columns(
    connection: Queryable, tables: Collection[str], names: Collection[str]
) -> frozenset[tuple[str, str, str]]:
    """Schema, table and column of each column that is in `names`, in a table that is in `tables`."""
    found = fetch(connection, _COLUMNS, (sorted(tables), sorted(names))) if names else ()
    return frozenset(found)


def busy_schemas(connection: Queryable, schemas: Collection[str], application: str) -> dict[str, str]:
    """The schemas in which other sessions may be migrating, and a description of these sessions.

    They hold locks for changing tables or writing rows, as a data migration does. Tables that a transaction
    is creating are not visible, but its lock on their schema is: CREATE TABLE holds it until it commits.
    `application` is the application_name of the sessions that do not count.
    """
    return dict(fetch(connection, _BUSY, (sorted(schemas), application)))


def number_of_tables(connection: Queryable) -> int:
    """The number of tables outside of the system's schemas; a dump of the database locks each of them."""
    return int(fetch(connection, _NUMBER_OF_TABLES)[0][0])


# Ordinary and partitioned tables, views, materialized views and foreign tables all answer queries.
_SCHEMAS = """
SELECT n.nspname, n.oid::bigint, EXISTS (
    SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid
    AND c.relname = 'django_migrations' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')),
    coalesce(d.description LIKE %s, false)
FROM pg_catalog.pg_namespace n
LEFT JOIN pg_catalog.pg_description d
    ON d.objoid = n.oid AND d.classoid = 'pg_catalog.pg_namespace'::regclass AND d.objsubid = 0
WHERE n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
"""
_NUMBER_OF_TABLES = """
SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
"""
# Tables are compared by a sum of hashes, which needs no sorting: that would double the time.
_TABLE_GROUPS = """
SELECT schemas, ARRAY(
    SELECT relname::text FROM pg_catalog.pg_class
    WHERE relnamespace = example::oid AND relname = ANY(%s) AND relkind IN ('r', 'p', 'v', 'm', 'f'))
FROM (
    SELECT array_agg(n.nspname::text) AS schemas, min(n.oid::bigint) AS example
    FROM pg_catalog.pg_namespace n JOIN (
        SELECT relnamespace, sum(hashtextextended(relname::text, 0)) AS digest FROM pg_catalog.pg_class
        WHERE relname = ANY(%s) AND relkind IN ('r', 'p', 'v', 'm', 'f') GROUP BY relnamespace
    ) AS by_schema ON by_schema.relnamespace = n.oid
    GROUP BY digest
) AS alike
"""

_COLUMNS = """
SELECT n.nspname::text, c.relname::text, a.attname::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
WHERE c.relname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND a.attname = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
"""

# A prepared transaction has no session. What pg_stat_activity hides from an ordinary role is NULL, and may
# be a client; only processes of the server itself have no role.
_BUSY = """
SELECT n.nspname, string_agg(DISTINCT coalesce(
    'pid ' || l.pid || ' (' || coalesce(nullif(a.application_name, ''), 'role ' || a.usename) || ')',
    'a prepared transaction'), ', ')
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_catalog.pg_class c ON l.locktype = 'relation' AND c.oid = l.relation
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    OR (l.locktype = 'object' AND l.classid = 'pg_catalog.pg_namespace'::regclass AND n.oid = l.objid)
WHERE l.granted AND n.nspname = ANY(%s)
  AND (l.pid IS NULL OR a.usesysid IS NOT NULL)
  AND coalesce(a.backend_type, 'client backend') = 'client backend'
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND a.application_name IS DISTINCT FROM %s AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND (l.locktype = 'object'
       OR l.mode IN ('RowExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                     'AccessExclusiveLock'))
GROUP BY n.nspname
"""
