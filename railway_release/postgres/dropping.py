"""Drops a schema with all that is in it, but never what is elsewhere and depends on it: without CASCADE."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from railway_release.postgres.failures import is_transient
from railway_release.postgres.session import Connection, fetch, quote

# As pg_identify_object() calls them, in an order in which most depend on none before them.
_IN_ORDER = (
    "view",
    "materialized view",
    "table",
    "foreign table",
    "sequence",
    "function",
    "procedure",
    "aggregate",
)
# These may be named together, so that they may depend on each other.
_TOGETHER = {*_IN_ORDER, "type"}
_OTHERWISE_CALLED = {"statistics object": "statistics"}


def drop_schema(connection: Connection, schema: str) -> None:
    """Drop everything in a schema, and the schema, in one transaction; raises what the server says."""
    cursor = connection.cursor()
    cursor.execute("BEGIN")
    try:
        _empty(connection, schema)
        cursor.execute(f"DROP SCHEMA {quote(schema)}")
        cursor.execute("COMMIT")
    except BaseException:
        cursor.execute("ROLLBACK")
        raise


def _empty(connection: Connection, schema: str) -> None:
    """Drop what is in a schema; what else depends on is tried again after the rest."""
    left, loosened = _objects(connection, schema), False
    while left:
        refused = _drop_each(connection, left)
        before, left = left, _objects(connection, schema)
        if left == before and refused:
            if loosened:
                raise refused
            _loosen(connection, schema)
            loosened = True


def _loosen(connection: Connection, schema: str) -> None:
    """Drop what tables have that may depend on functions, which may depend on the tables."""
    for (sql,) in fetch(connection, _PARTS, (schema,)):
        _attempt(connection, sql)


def _drop_each(connection: Connection, objects: Iterable[tuple[str, str]]) -> Exception | None:
    """Drop these, as far as they can be dropped; returns the last error."""
    refused: Exception | None = None
    for kind, several in groupby(objects, key=lambda one: one[0]):
        names = [name for _, name in several]
        if kind in _TOGETHER and not _drop(connection, kind, ", ".join(names)):
            continue
        for name in names:
            refused = _drop(connection, kind, name) or refused
    return refused


def _drop(connection: Connection, kind: str, names: str) -> Exception | None:
    """Drop what is named, or return why not."""
    return _attempt(connection, f"DROP {_OTHERWISE_CALLED.get(kind, kind)} {names}")


def _attempt(connection: Connection, sql: str) -> Exception | None:
    """Run a statement, or return why it cannot be run; raises what may pass, as a wait for a lock."""
    cursor = connection.cursor()
    cursor.execute("SAVEPOINT one")
    try:
        cursor.execute(sql)
    except Exception as error:
        if is_transient(error):
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT one")
        return error
    cursor.execute("RELEASE SAVEPOINT one")  # or thousands of them would be kept to the end
    return None


def _objects(connection: Connection, schema: str) -> list[tuple[str, str]]:
    """Kind and name of what is in a schema and is no part of another object there."""
    found = [(str(kind), str(name)) for kind, name in fetch(connection, _OBJECTS, (schema,))]
    return sorted(found, key=lambda one: (_rank(one[0]), one))


def _rank(kind: str) -> int:
    return _IN_ORDER.index(kind) if kind in _IN_ORDER else len(_IN_ORDER)


_PARTS = """
WITH tables AS (
    SELECT c.oid, format('%%I.%%I', nspname, relname) AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace WHERE nspname = %s
)
SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', name, conname)
FROM tables JOIN pg_catalog.pg_constraint ON conrelid = tables.oid
UNION ALL
SELECT format('DROP POLICY %%I ON %%s', polname, name)
FROM tables JOIN pg_catalog.pg_policy ON polrelid = tables.oid
UNION ALL
SELECT format('ALTER TABLE %%s ALTER %%I DROP DEFAULT', name, attname)
FROM tables JOIN pg_catalog.pg_attribute ON attrelid = tables.oid AND atthasdef
UNION ALL
SELECT format('DROP INDEX %%s', own.name)
FROM tables JOIN pg_catalog.pg_index ON indrelid = tables.oid JOIN tables AS own ON own.oid = indexrelid
"""
_OBJECTS = """
SELECT i.type, i.identity
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_namespace n ON d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = n.oid
CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) AS i
WHERE n.nspname = %s AND d.deptype = 'n' AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_depend o
    WHERE o.classid = d.classid AND o.objid = d.objid AND o.refobjid <> d.objid
    AND o.deptype IN ('a', 'i', 'e')
    AND o.refclassid = 'pg_catalog.pg_class'::regclass)
"""
