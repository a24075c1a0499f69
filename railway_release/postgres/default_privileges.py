"""The privileges that a role's new objects get: what is restored has its own."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from railway_release.postgres.session import Connection, fetch, quote

# As ALTER DEFAULT PRIVILEGES calls pg_default_acl.defaclobjtype.
_KINDS = {
    "r": "TABLES",
    "S": "SEQUENCES",
    "f": "FUNCTIONS",
    "T": "TYPES",
    "n": "SCHEMAS",
    "L": "LARGE OBJECTS",
}


@dataclass(frozen=True)
class _Privilege:
    kind: str
    grantee: str  # as it is written in a statement
    name: str
    grantable: bool


@contextlib.contextmanager
def usual_privileges(connection: Connection) -> Iterator[None]:
    """While entered, in a transaction, what is created gets the built-in privileges; others see no change.

    A script of pg_restore takes that for granted: it has what is to be added, and what is to be revoked.
    https://www.postgresql.org/docs/current/sql-alterdefaultprivileges.html
    """
    own, usual = _privileges(connection)
    _replace(connection, own, usual)
    yield
    _replace(connection, usual, own)


def _privileges(connection: Connection) -> tuple[set[_Privilege], set[_Privilege]]:
    """Those that the current role has set for all schemas, and the built-in ones for the same kinds."""
    found: dict[bool, set[_Privilege]] = defaultdict(set)
    for is_usual, kind, grantee, name, grantable in fetch(connection, _PRIVILEGES):
        role = "PUBLIC" if grantee is None else quote(grantee)
        found[is_usual].add(_Privilege(_KINDS[kind], role, name, grantable))
    return found[False], found[True]


def _replace(connection: Connection, old: Collection[_Privilege], new: Collection[_Privilege]) -> None:
    cursor = connection.cursor()
    for kind, grantee in sorted({(one.kind, one.grantee) for one in (*old, *new)}):
        cursor.execute(f"ALTER DEFAULT PRIVILEGES REVOKE ALL ON {kind} FROM {grantee}")
    for one in sorted(new, key=str):
        option = " WITH GRANT OPTION" if one.grantable else ""
        cursor.execute(f"ALTER DEFAULT PRIVILEGES GRANT {one.name} ON {one.kind} TO {one.grantee}{option}")


_PRIVILEGES = """
SELECT x.is_usual, d.defaclobjtype::text, r.rolname::text, x.privilege_type, x.is_grantable
FROM pg_catalog.pg_default_acl d
CROSS JOIN LATERAL (
    SELECT false AS is_usual, a.* FROM pg_catalog.aclexplode(d.defaclacl) AS a
    UNION ALL
    SELECT true, a.* FROM pg_catalog.aclexplode(pg_catalog.acldefault(
        CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole)) AS a
) AS x
LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
WHERE d.defaclnamespace = 0 AND d.defaclrole = (
    SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
"""
