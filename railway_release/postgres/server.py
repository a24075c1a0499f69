"""What a server allows: its size, and what a role may do; one statement each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from railway_release.postgres.session import Connection, fetch


@dataclass(frozen=True)
class Limits:
    """Settings of the server, and what this database makes of them."""

    version: int  # major
    locks_per_session: int
    lock_slots: int
    max_connections: int
    reserved: int  # for superusers
    in_use: int  # sessions, of all databases
    tables: int  # of user schemas; a dump of the database locks each


def limits(connection: Connection) -> Limits:
    """As they are now."""
    (row,) = fetch(connection, _LIMITS)
    return Limits(*row)


@dataclass(frozen=True)
class Privileges:
    """What the current role lacks."""

    role: str
    no_create_on_database: bool
    no_usage: tuple[str, ...]  # schemas
    no_create: tuple[str, ...]
    not_owned: tuple[str, ...]  # schemas with tables of somebody else


def privileges(connection: Connection, schemas: Collection[str]) -> Privileges:
    """For all schemas at once."""
    (row,) = fetch(connection, _PRIVILEGES, (sorted(schemas),))
    role, may_create, no_usage, no_create, not_owned = row
    return Privileges(
        role, not may_create, *(tuple(names or ()) for names in (no_usage, no_create, not_owned))
    )


# pg_stat_activity hides the kind of other roles' sessions; their number in each database is for everybody.
_LIMITS = """
SELECT current_setting('server_version_num')::int / 10000,
    current_setting('max_locks_per_transaction')::int,
    current_setting('max_locks_per_transaction')::int
        * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int),
    current_setting('max_connections')::int,
    current_setting('superuser_reserved_connections')::int,
    (SELECT sum(numbackends)::int FROM pg_catalog.pg_stat_database),
    (SELECT count(*)::int FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p')
       AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema')
"""
# ALTER TABLE asks for membership in the owning role, not for a privilege:
# https://www.postgresql.org/docs/current/ddl-priv.html
_PRIVILEGES = """
SELECT current_user::text, has_database_privilege(current_database(), 'CREATE'),
    array_agg(n.nspname::text ORDER BY n.nspname) FILTER (WHERE NOT has_schema_privilege(n.oid, 'USAGE')),
    array_agg(n.nspname::text ORDER BY n.nspname) FILTER (WHERE NOT has_schema_privilege(n.oid, 'CREATE')),
    array_agg(n.nspname::text ORDER BY n.nspname) FILTER (WHERE foreign_tables.relnamespace IS NOT NULL)
FROM pg_catalog.pg_namespace n
LEFT JOIN (
    SELECT DISTINCT relnamespace FROM pg_catalog.pg_class
    WHERE relkind IN ('r', 'p') AND NOT pg_has_role(relowner, 'USAGE')
) AS foreign_tables ON foreign_tables.relnamespace = n.oid
WHERE n.nspname = ANY(%s)
"""
