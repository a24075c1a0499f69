"""The roles of the server."""

from __future__ import annotations

from railway_release.postgres.session import Queryable, fetch


def role_names(connection: Queryable) -> frozenset[str]:
    """The name of every role."""
    return frozenset(name for (name,) in fetch(connection, "SELECT rolname::text FROM pg_catalog.pg_roles"))
