"""Causes on the server, and between it and this process: pooler, limits, privileges, pg_dump."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator

from railway_release.config.config import Config
from railway_release.diagnosis import commands
from railway_release.diagnosis.causes import Cause, Severity, cause
from railway_release.postgres import server, slots
from railway_release.postgres.catalog import number_of_tables, schemas_with_records
from railway_release.postgres.server import ConnectionLimit, Privileges
from railway_release.postgres.session import Connect, Connection
from railway_release.postgres.slots import Slots
from railway_release.preflight.read_pool import prepare
from railway_release.preflight.target import Target
from railway_release.runtime.text import schemas_in_words

# The lock, the reads, a worker or two, and whoever looks at them meanwhile.
_CONNECTIONS_OF_A_RELEASE = 6
_PG_DUMP = re.compile(r"(?:^|[\s;|&\"'])(?P<program>[\w./-]*\bpg_dump)\b(?P<rest>[^|;&]*)")
_ONLY_PART = re.compile(r"\s(?:-n|-t|--schema|--table)[\s=]")
_VERSION = re.compile(r"\d+")
_SECONDS = 10


def causes(connection: Connection, target: Target) -> Iterator[Cause]:
    """All of them, for the server that a release would use."""
    asked = [one for one in schemas_with_records(connection) if target.config.includes(one)]
    yield from of_poolers(target)
    yield from of_privileges(server.privileges(connection, asked))
    yield from of_lock_slots(number_of_tables(connection), slots.read(connection), target.config)
    yield from of_connection_limit(server.tightest_connection_limit(connection))
    yield from of_pg_dump(target.read_pool.server.version // 10000, target.config)


def of_poolers(target: Target) -> Iterator[Cause]:
    """A pooler in the connection of a release, or in the application's own where that is another one."""
    if target.config.pooler == "session":
        return
    if target.read_pool.server.pooled:
        seen = f"the release's URL (from {target.choice.why}) leads through a pooler"
        yield cause("database.pooled", seen, commands.UNPOOLED)
    elif not target.choice.from_settings and _is_pooled(target.settings_connector("pooler")):
        seen = "the application's own URL, in the settings, leads through a pooler"
        yield cause("database.pooled", seen, commands.SESSION_MODE)


def _is_pooled(connect: Connect) -> bool:
    try:
        with contextlib.closing(connect()) as connection:
            return prepare(connection).pooled
    except Exception:  # noqa: BLE001 - the settings' own host may be out of reach from here
        return False


def of_privileges(lacking: Privileges) -> Iterator[Cause]:
    """Privileges that the role of the release lacks."""
    parts = (
        ("USAGE on", lacking.no_usage),
        ("CREATE on", lacking.no_create),
        ("ownership of tables in", lacking.not_owned),
    )
    words = [f"{what} {schemas_in_words(names)}" for what, names in parts if names]
    severity: Severity = "error" if words else "warning"
    words += ["CREATE on the database, so it cannot create tenants"] if lacking.no_create_on_database else []
    if words:
        schemas = dict.fromkeys(name for _, names in parts for name in names)
        seen = f"{lacking.role} lacks {'; '.join(words)}"
        yield cause("role.unprivileged", seen, commands.grant(lacking), schemas, severity)


def of_lock_slots(tables: int, there: Slots, config: Config) -> Iterator[Cause]:
    """Too few lock slots for a pg_dump of everything."""
    if tables > there.total:
        seen = f"{tables} tables, and {there.total} locks that all sessions share"
        severity: Severity = "error" if _dumps_everything(config.backup_command) else "warning"
        yield cause(
            "server.lock_slots", seen, commands.set_locks(-(-tables // there.sessions) * 2), severity=severity
        )


def of_connection_limit(limit: ConnectionLimit) -> Iterator[Cause]:
    """Too few connections for a release; the one of this diagnosis ends before a release begins."""
    if limit.free + 1 < _CONNECTIONS_OF_A_RELEASE:
        seen = f"{limit.bound} is {limit.maximum}, {limit.in_use} are in use, {limit.free} are left"
        yield cause("server.connections", seen, commands.who_is_connected())


def of_pg_dump(server_version: int, config: Config) -> Iterator[Cause]:
    """A pg_dump in the backup command that is missing, or older than the server."""
    if not (match := _PG_DUMP.search(config.backup_command)):
        return
    version = _version(match["program"])
    if version is None:
        seen = f"the backup command calls {match['program']}, which is not to be found here"
        yield cause("pg_dump.missing", seen, commands.INSTALL_PG_DUMP)
    elif version < server_version:
        seen = f"{match['program']} is of version {version}, the server of {server_version}"
        yield cause("pg_dump.old", seen, commands.INSTALL_PG_DUMP)


def _dumps_everything(command: str) -> bool:
    match = _PG_DUMP.search(command)
    return match is not None and not _ONLY_PART.search(match["rest"])


def _version(program: str) -> int | None:
    """Its major version; None if it cannot be run."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    number = _VERSION.search(done.stdout)
    return int(number[0]) if number else None
