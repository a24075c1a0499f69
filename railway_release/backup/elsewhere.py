"""Restores into another database: a scratch database as proof of a backup, or one for a drill."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import replace

from railway_release.backup.archive import Tools
from railway_release.backup.destination import Destination
from railway_release.backup.extensions import create_extensions
from railway_release.backup.manifest import Manifest
from railway_release.backup.restoring import ArchivedSchema, Placement, Restored, restore_schema
from railway_release.errors import BackupFailed, RestoreFailed
from railway_release.postgres.dropping import drop_schema
from railway_release.postgres.failures import describe
from railway_release.postgres.session import Connection, fetch, quote
from railway_release.postgres.table_contents import existing, relations
from railway_release.preflight.database import Choice, connector, with_url
from railway_release.preflight.target import Target
from railway_release.runtime.text import sentence

_NAME = "railway_release_proof"
_OTHER_URL = "Name an empty database in RELEASE_PROOF_DATABASE_URL, or take --backup-proof read."


def prove_restoring(
    target: Target, destination: Destination, tools: Tools, manifest: Manifest
) -> tuple[str, ...]:
    """Restore the shared schema and a sample, or all, into a scratch database; returns what was restored.

    Rows are compared with the manifest. Raises BackupFailed.
    """
    every = target.config.backup_proof == "restore=all"
    wanted = manifest.schemas if every else sample(manifest)
    shared_first = sorted(wanted, key=lambda name: name != manifest.shared_schema)
    with _scratch(target) as connection:
        try:
            create_extensions(connection, manifest.extensions)
            for name in shared_first:
                restore_into(connection, ArchivedSchema(destination, tools, manifest, name), Placement())
        except Exception as error:
            text = error.message if isinstance(error, RestoreFailed) else describe(error)
            raise BackupFailed(f"The backup cannot be restored: {text}", _OTHER_URL) from error
    return tuple(shared_first)


def sample(manifest: Manifest) -> tuple[str, ...]:
    """The shared schema; of the others the one with most rows, one with the rarest tables, and any one."""
    tenants = [name for name in manifest.schemas if name != manifest.shared_schema]
    shared = [manifest.shared_schema] if manifest.shared_schema in manifest.schemas else []
    if not tenants:
        return tuple(shared)
    contents = manifest.contents
    kinds = [frozenset(contents[name]) for name in tenants]
    largest = max(tenants, key=lambda name: sum(one.rows or 0 for one in contents[name].values()))
    rarest = min(tenants, key=lambda name: kinds.count(frozenset(contents[name])))
    return tuple(dict.fromkeys((*shared, largest, rarest, secrets.choice(tenants))))


def restore_into(connection: Connection, archived: ArchivedSchema, where: Placement) -> Restored:
    """Restore a schema where there is none of that name, or an empty one; raises RestoreFailed."""
    there = bool(existing(connection, [archived.name]))
    if there and relations(connection, [archived.name]):
        raise RestoreFailed(f"There is a schema {archived.name} already, and it is not empty.")
    return restore_schema(connection, archived, replace(where, exists=there))


@contextlib.contextmanager
def opened(choice: Choice, application: str) -> Iterator[Connection]:
    """While entered, a connection to another database; raises BackupFailed."""
    connect = connector(choice, application)
    try:
        opened = connect()
    except Exception as error:
        raise BackupFailed(
            f"The database of {choice.why} cannot be reached: {sentence(describe(error))}"
        ) from error
    with contextlib.closing(opened) as connection:
        yield connection


@contextlib.contextmanager
def _scratch(target: Target) -> Iterator[Connection]:
    if url := target.config.proof_database_url:
        choice = with_url(target.choice, url, "RELEASE_PROOF_DATABASE_URL")
        with opened(choice, target.application) as connection, _emptied(connection):
            yield connection
        return
    with opened(target.choice, f"{target.application} proof") as owner, _made(owner, target) as name:
        entry = {**target.choice.entry, "NAME": name}
        options = {key: value for key, value in entry.get("OPTIONS", {}).items() if key != "dbname"}
        choice = replace(target.choice, entry={**entry, "OPTIONS": options})
        with opened(choice, target.application) as connection:
            yield connection


@contextlib.contextmanager
def _made(connection: Connection, target: Target) -> Iterator[str]:
    """While entered, the database exists; those that killed runs have left are dropped first."""
    ((oid, encoding, collate, ctype),) = fetch(connection, _DATABASE)
    for (left,) in fetch(connection, _LEFT, (f"{_NAME}_{oid}_",)):
        connection.cursor().execute(f"DROP DATABASE IF EXISTS {quote(left)} WITH (FORCE)")
    name = f"{_NAME}_{oid}_{target.invocation.run_id}"
    sql = (
        f"CREATE DATABASE {quote(name)} TEMPLATE template0 ENCODING '{encoding}' "
        f"LC_COLLATE '{collate}' LC_CTYPE '{ctype}'"
    )
    try:
        connection.cursor().execute(sql)
    except Exception as error:
        raise BackupFailed(f"No scratch database can be made: {describe(error)}.", _OTHER_URL) from error
    try:
        yield name
    finally:
        connection.cursor().execute(f"DROP DATABASE IF EXISTS {quote(name)} WITH (FORCE)")


@contextlib.contextmanager
def _emptied(connection: Connection) -> Iterator[None]:
    """While entered, a database that was empty is filled; then the schemas that came are dropped."""
    before = _schemas(connection)
    if relations(connection, before):
        raise BackupFailed("The database of RELEASE_PROOF_DATABASE_URL is not empty.", _OTHER_URL)
    try:
        yield
    finally:
        _drop(connection, [name for name in _schemas(connection) if name not in before])


def _drop(connection: Connection, schemas: Iterable[str]) -> None:
    for name in schemas:
        drop_schema(connection, name)


def _schemas(connection: Connection) -> list[str]:
    return [name for (name,) in fetch(connection, _SCHEMAS)]


# Another release of this database would hold the lock, so that its scratch databases are nobody's any more.
_LEFT = "SELECT datname::text FROM pg_catalog.pg_database WHERE starts_with(datname::text, %s)"
_DATABASE = """
SELECT oid::bigint, pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype
FROM pg_catalog.pg_database WHERE datname = current_database()
"""
_SCHEMAS = """
SELECT nspname::text FROM pg_catalog.pg_namespace
WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' ORDER BY oid
"""
