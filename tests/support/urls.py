"""Database URLs, and roles to put into them."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

from .release import Database


def changed(
    url: str,
    *,
    user: str = "",
    password: str = "",
    host: str = "",
    port: int = 0,
    name: str = "",
    query: str = "",
) -> str:
    """The URL with these parts replaced; user and password are percent-encoded here."""
    parts = urlsplit(url)
    login = f"{quote(user, safe='') or parts.username}:{quote(password, safe='') or parts.password}"
    place = f"{login}@{host or parts.hostname}:{port or parts.port}"
    return parts._replace(netloc=place, path=f"/{name}" if name else parts.path, query=query).geturl()


@contextmanager
def superuser(database: Database, password: str) -> Iterator[str]:
    """The name of a role that exists while this is entered; what it owns is handed over."""
    name = f"role_{uuid.uuid4().hex[:12]}"
    literal = password.replace("'", "''")
    database.sql(f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD '{literal}'")
    try:
        yield name
    finally:
        database.sql(f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP OWNED BY {name}; DROP ROLE {name}")
