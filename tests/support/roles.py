"""Roles as production has them: no superuser among them, and none sees what another's sessions do."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .release import Database
from .urls import changed

_PASSWORD = "ordinary-word"
_HAND_OVER = """
ALTER DATABASE "{database}" OWNER TO {owner};
DO $do$ DECLARE statement text; BEGIN
FOR statement IN
    SELECT format('ALTER SCHEMA %I OWNER TO {owner}', nspname) FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL
    SELECT format('ALTER TABLE %s OWNER TO {owner}', c.oid::regclass)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
LOOP EXECUTE statement; END LOOP; END $do$
"""

# The release logs in as the owner of everything; as a member of it, which inherits; or as a member whose
# sessions SET ROLE, so that they do not even see themselves.
KINDS = ("owner", "member", "assumed")


@dataclass(frozen=True)
class Roles:
    """Three roles without special rights; the owner has all that is in the database."""

    database: Database
    owner: str
    deploy: str  # a member of the owner
    application: str  # another one

    def release_url(self, kind: str) -> str:
        """How a release connects."""
        return self.url(self.owner if kind == "owner" else self.deploy, assume=kind == "assumed")

    def url(self, role: str, *, assume: bool = False) -> str:
        """The database for this role; the settings of the example project take OPTIONS from the query."""
        query = f"assume_role={self.owner}" if assume else ""
        return changed(self.database.url, user=role, password=_PASSWORD, query=query)


@contextmanager
def roles(database: Database) -> Iterator[Roles]:
    """They exist while this is entered, and own the database."""
    number = uuid.uuid4().hex[:8]
    names = [f"{what}_{number}" for what in ("owner", "deploy", "application")]
    owner, *members = names
    database.sql(";".join(f"CREATE ROLE {name} LOGIN PASSWORD '{_PASSWORD}'" for name in names))
    database.sql(f"GRANT {owner} TO {', '.join(members)}")
    database.sql(_HAND_OVER.format(database=database.url.rpartition("/")[2], owner=owner))
    try:
        yield Roles(database, *names)
    finally:
        listed = ", ".join(names)
        database.sql(
            f"REASSIGN OWNED BY {listed} TO CURRENT_USER; DROP OWNED BY {listed}; DROP ROLE {listed}"
        )
