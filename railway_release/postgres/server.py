"""What a server allows: its size, what a role may do, and what is set for its sessions; one statement each.

pg_stat_activity hides the kind and the state of other roles' sessions from a role without pg_monitor, never
the sessions themselves: what is hidden may be anything.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from railway_release.postgres.session import Connection, fetch


@dataclass(frozen=True)
class Limits:
    """Settings of the server, and what this database makes of them."""

    version: int  # major
    locks_per_session: int
    lock_slots: int
    tables: int  # of user schemas; a dump of the database locks each


def limits(connection: Connection) -> Limits:
    """As they are now."""
    (row,) = fetch(connection, _LIMITS)
    return Limits(*row)


@dataclass(frozen=True)
class Room:
    """A bound on the number of connections, and how far it is used up."""

    bound: str
    most: int
    in_use: int
    change: str  # the statement that raises it

    @property
    def free(self) -> int:
        """How many more may be opened now."""
        return max(0, self.most - self.in_use)


def narrowest_room(connection: Connection) -> Room:
    """Of the bounds on this login's connections the one that leaves the fewest; this one is in use."""
    return _narrowest(fetch(connection, _ROOMS))


def _narrowest(rows: Iterable[Sequence[Any]]) -> Room:
    rooms = [Room(bound, most, in_use, f"{change} {_ENOUGH};") for bound, most, in_use, change in rows]
    return min(rooms, key=lambda room: room.free)


@dataclass(frozen=True)
class Setting:
    """Something that is set for the sessions of this login, where a release needs it otherwise."""

    name: str
    value: str
    change: str  # what takes it away


def hindrances_and_room(connection: Connection) -> tuple[tuple[Setting, ...], Room]:
    """Timeouts, and why nothing can be written, whatever this session has set since it was opened; and the
    narrowest room. Both in one statement, since a release that writes waits for it."""
    ((text,),) = fetch(connection, _HINDRANCES_AND_ROOMS)
    hindrances, rooms = json.loads(text)
    found = tuple(Setting(name, value, _taken_away(name, whose)) for name, value, whose in hindrances or ())
    return found, _narrowest(rooms)


def _taken_away(name: str, whose: str | None) -> str:
    if whose:
        # As one transaction that may write, since it may be typed in a session that may not by default.
        return f"BEGIN READ WRITE; {whose} RESET {name}; COMMIT;"
    return (
        f"ALTER SYSTEM SET {name} = 0; then SELECT pg_reload_conf(); or take it out of PGOPTIONS, or of "
        "OPTIONS in settings.DATABASES"
    )


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


_LIMITS = """
SELECT current_setting('server_version_num')::int / 10000,
    current_setting('max_locks_per_transaction')::int,
    current_setting('max_locks_per_transaction')::int
        * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int),
    (SELECT count(*)::int FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p')
       AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema')
"""
_ENOUGH = 20
# The limits of a role, the one that logged in, and of a database do not hold for superusers, for whom some
# connections are reserved instead. What works for the server itself lacks a role or a database.
_ROOMS = """
WITH sessions AS (
    SELECT usesysid, datid FROM pg_catalog.pg_stat_activity
    WHERE datid IS NOT NULL AND usesysid IS NOT NULL
      AND coalesce(backend_type, 'client backend') = 'client backend'
)
SELECT 'max_connections of the server', current_setting('max_connections')::int
    - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true)::int, 0),
    (SELECT count(*)::int FROM sessions), 'ALTER SYSTEM SET max_connections ='
UNION ALL
SELECT format('CONNECTION LIMIT of role %I', rolname), rolconnlimit,
    (SELECT count(*)::int FROM sessions WHERE usesysid = r.oid),
    format('ALTER ROLE %I CONNECTION LIMIT', rolname)
FROM pg_catalog.pg_roles r WHERE rolname = session_user AND rolconnlimit >= 0 AND NOT rolsuper
UNION ALL
SELECT format('CONNECTION LIMIT of database %I', datname), datconnlimit,
    (SELECT count(*)::int FROM sessions WHERE datid = d.oid),
    format('ALTER DATABASE %I CONNECTION LIMIT', datname)
FROM pg_catalog.pg_database d
WHERE datname = current_database() AND datconnlimit >= 0
  AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user)
"""
# Meant for the application's sessions, they would end ours, which wait for one another and work for long.
LIFT_TIMEOUTS = """
SELECT count(pg_catalog.set_config(name, '0', false)) FROM pg_catalog.pg_settings
WHERE setting <> '0' AND name IN (
    'statement_timeout', 'transaction_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout')
"""
# What a session begins with is the value that RESET goes back to; the most special of the places counts.
_HINDRANCES = """
WITH settings AS (
    SELECT name, CASE name WHEN 'in_hot_standby' THEN setting ELSE reset_val END AS value, unit
    FROM pg_catalog.pg_settings WHERE name IN (
        'statement_timeout', 'transaction_timeout', 'idle_session_timeout',
        'idle_in_transaction_session_timeout', 'default_transaction_read_only', 'in_hot_standby')
)
SELECT name, concat(value, ' ' || unit), (
    SELECT CASE WHEN setrole <> 0 AND setdatabase <> 0
                THEN format('ALTER ROLE %I IN DATABASE %I', session_user, current_database())
                WHEN setrole <> 0 THEN format('ALTER ROLE %I', session_user)
                WHEN setdatabase <> 0 THEN format('ALTER DATABASE %I', current_database())
                ELSE 'ALTER ROLE ALL' END
    FROM pg_catalog.pg_db_role_setting, unnest(setconfig) AS entry
    WHERE lower(split_part(entry, '=', 1)) = name AND split_part(entry, '=', 2) NOT IN ('0', 'off')
      AND setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))
      AND setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
    ORDER BY setrole <> 0 DESC, setdatabase <> 0 DESC LIMIT 1
) FROM settings WHERE value NOT IN ('0', 'off') ORDER BY name
"""
_HINDRANCES_AND_ROOMS = f"""
SELECT jsonb_build_array(
    (SELECT jsonb_agg(jsonb_build_array(name, value, whose))
     FROM ({_HINDRANCES}) AS h (name, value, whose)),
    (SELECT jsonb_agg(jsonb_build_array(bound, most, in_use, change))
     FROM ({_ROOMS}) AS r (bound, most, in_use, change)))::text
"""  # noqa: S608 - constants
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
