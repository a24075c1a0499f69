"""The roles and the table spaces of the server."""

from __future__ import annotations

from collections.abc import Collection

from railway_release.postgres.session import Queryable, fetch


def role_names(connection: Queryable) -> frozenset[str]:
    """The name of every role."""
    return frozenset(name for (name,) in fetch(connection, "SELECT rolname::text FROM pg_catalog.pg_roles"))


def lacked(connection: Queryable, roles: Collection[str]) -> tuple[str, list[str], str]:
    """The current role, those that it is no member of, and the database if it may make no schema there."""
    ((me, others, database),) = fetch(connection, _LACKED, (sorted(roles),))
    return me, list(others), database


_LACKED = """
SELECT current_user::text, ARRAY(
        SELECT rolname::text FROM pg_catalog.pg_roles
        WHERE rolname = ANY(%s) AND NOT pg_catalog.pg_has_role(oid, 'MEMBER') ORDER BY rolname),
    CASE WHEN pg_catalog.has_database_privilege(current_database(), 'CREATE') THEN ''
    ELSE current_database()::text END
"""


def space_names(connection: Queryable) -> frozenset[str]:
    """The name of every table space."""
    sql = "SELECT spcname::text FROM pg_catalog.pg_tablespace"
    return frozenset(name for (name,) in fetch(connection, sql))
