"""The roles and the table spaces of the server."""

from __future__ import annotations

from railway_release.postgres.session import Queryable, fetch


def role_names(connection: Queryable) -> frozenset[str]:
    """The name of every role."""
    return frozenset(name for (name,) in fetch(connection, "SELECT rolname::text FROM pg_catalog.pg_roles"))


def space_names(connection: Queryable) -> frozenset[str]:
    """The name of every table space."""
    sql = "SELECT spcname::text FROM pg_catalog.pg_tablespace"
    return frozenset(name for (name,) in fetch(connection, sql))
