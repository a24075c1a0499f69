"""What a server allows: limits, privileges of a role, and settings of sessions; one statement each.

pg_stat_activity hides the type and the state of other roles' sessions from a role without pg_monitor, but
never the sessions themselves.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from railway_release.postgres.session import Connection, fetch


@dataclass(frozen=True)
class ConnectionLimit:
    """A limit on the number of connections, and how many are in use."""

    bound: str  # the name of the setting or attribute
    maximum: int
    in_use: int
    change: str  # the statement that raises it

    @property
    def free(self) -> int:
        """How many more connections may be opened now."""
        return max(0, self.maximum - self.in_use)


def tightest_connection_limit(connection: Connection) -> ConnectionLimit:
    """The limit on this login's connections that leaves the fewest; this connection counts as in use."""
    return _tightest(fetch(connection, _CONNECTION_LIMITS))


def _tightest(rows: Iterable[Sequence[Any]]) -> ConnectionLimit:
    found = [
        ConnectionLimit(bound, maximum, in_use, f"{change} {_ENOUGH};")
        for bound, maximum, in_use, change in rows
    ]
    return min(found, key=lambda limit: limit.free)


@dataclass(frozen=True)
class Setting:
    """A setting for the sessions of this login with which a release cannot run."""

    name: str
    value: str
    change: str  # the statement that resets it


def settings_and_connection_limit(connection: Connection) -> tuple[tuple[Setting, ...], ConnectionLimit]:
    """Timeouts and read-only settings that new sessions of this login get, and tightest_connection_limit().

    What this session has set itself does not matter. One statement, since every release waits for it.
    """
    ((text,),) = fetch(connection, _SETTINGS_AND_CONNECTION_LIMITS)
    settings, limits = json.loads(text)
    found = tuple(
        Setting(name, value, _statement_to_reset(name, whose)) for name, value, whose in settings or ()
    )
    return found, _tightest(limits)


def _statement_to_reset(name: str, whose: str | None) -> str:
    if whose:
        # As a transaction that may write, since it may be typed in a session that is read-only by default.
        return f"BEGIN READ WRITE; {whose} RESET {name}; COMMIT;"
    return (
        f"ALTER SYSTEM SET {name} = 0; then SELECT pg_reload_conf(); or take it out of PGOPTIONS, or of "
        "OPTIONS in settings.DATABASES"
    )


@dataclass(frozen=True)
class Privileges:
    """The privileges that the current role lacks."""

    role: str
    no_create_on_database: bool
    no_usage: tuple[str, ...]  # schemas
    no_create: tuple[str, ...]
    not_owned: tuple[str, ...]  # schemas with tables of a role that it is not a member of


def privileges(connection: Connection, schemas: Collection[str]) -> Privileges:
    """The privileges that the current role lacks in these schemas."""
    (row,) = fetch(connection, _PRIVILEGES, (sorted(schemas),))
    role, may_create, no_usage, no_create, not_owned = row
    return Privileges(
        role, not may_create, *(tuple(names or ()) for names in (no_usage, no_create, not_owned))
    )


def system_identifier(connection: Connection) -> str:
    """The number that the server's files got when they were made; empty if it is not to be known.

    Copies of a server have the same one.
    """
    ((allowed,),) = fetch(connection, _MAY_KNOW_IDENTIFIER)
    return str(fetch(connection, _IDENTIFIER)[0][0]) if allowed else ""


_MAY_KNOW_IDENTIFIER = "SELECT has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')"
_IDENTIFIER = "SELECT system_identifier FROM pg_catalog.pg_control_system()"
_ENOUGH = 20
# The limits of the login role and of the database do not apply to superusers, for whom some connections are
# reserved instead. Processes of the server itself have no role or no database.
_CONNECTION_LIMITS = """
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
# Timeouts that are meant for the application would end the sessions of a release, which wait and work for
# long. The first holds for the statement that lifts it, too: so that is one of its own, and names them, since
# reading pg_settings takes milliseconds in a new session.
LIFT_TIMEOUTS = """
SELECT count(pg_catalog.set_config(name, '0', false)) FROM unnest(ARRAY[
    'statement_timeout', 'transaction_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout',
    'lock_timeout']) AS name
WHERE pg_catalog.current_setting(name, true) <> '0'
"""
# A session begins with the value that RESET restores; the most specific ALTER ROLE or ALTER DATABASE counts.
_SETTINGS = """
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
_SETTINGS_AND_CONNECTION_LIMITS = f"""
SELECT jsonb_build_array(
    (SELECT jsonb_agg(jsonb_build_array(name, value, whose))
     FROM ({_SETTINGS}) AS h (name, value, whose)),
    (SELECT jsonb_agg(jsonb_build_array(bound, maximum, in_use, change))
     FROM ({_CONNECTION_LIMITS}) AS r (bound, maximum, in_use, change)))::text
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
