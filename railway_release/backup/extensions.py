"""Extensions of a database: no archive of schemas holds them, and what is restored may need them."""

from __future__ import annotations

from collections.abc import Iterable

from railway_release.backup.manifest import Extension
from railway_release.postgres.session import Connection, fetch, quote


def create_extensions(connection: Connection, extensions: Iterable[Extension]) -> None:
    """Create the extensions of the backup's database in the same schemas, before what may need them."""
    for one in extensions:
        schema, name = quote(one.schema), quote(one.name)
        connection.cursor().execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        connection.cursor().execute(f"CREATE EXTENSION IF NOT EXISTS {name} SCHEMA {schema}")


def bring_along(connection: Connection, extensions: Iterable[Extension], old: str, new: str) -> None:
    """Move the extensions of the schema `old` to `new`, and create those that `new` had and are gone.

    What uses them goes on using them, wherever they are.
    """
    places = dict(fetch(connection, _PLACES))
    for name, place in places.items():
        if old and place == old:
            connection.cursor().execute(f"ALTER EXTENSION {quote(name)} SET SCHEMA {quote(new)}")
    for one in extensions:
        if one.schema == new and one.name not in places:
            connection.cursor().execute(f"CREATE EXTENSION {quote(one.name)} SCHEMA {quote(new)}")


def fixed(connection: Connection, schema: str) -> list[str]:
    """The extensions that the current role cannot move out of a schema, such as PostGIS."""
    return [name for (name,) in fetch(connection, _FIXED, (schema,))]


_FIXED = """
SELECT e.extname::text
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE n.nspname = %s AND NOT (e.extrelocatable AND pg_catalog.pg_has_role(e.extowner, 'MEMBER')) ORDER BY 1
"""
_PLACES = """
SELECT e.extname::text, n.nspname::text
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname <> 'plpgsql' ORDER BY e.oid
"""
