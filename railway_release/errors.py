"""The errors that end a command: each has a stable id, a message, a hint of what to do, and an exit code.

A tenant that failed or a missing table is no exception but a value in the report, since the release goes on.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; docs/reference/exit-codes.md says what each means."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    PREFLIGHT = 3
    LOCK = 4
    BACKUP = 5
    SHARED_FAILED = 6
    TENANTS_FAILED = 7
    VERIFICATION = 8
    PENDING = 9
    COLLECTSTATIC = 10
    DATABASE_LOST = 11
    INTERRUPTED = 130
    TERMINATED = 143


# With several causes, the first of these is the exit code; the report lists all.
PRECEDENCE = (
    Exit.UNEXPECTED,
    Exit.INTERRUPTED,
    Exit.TERMINATED,
    Exit.USAGE,
    Exit.PREFLIGHT,
    Exit.LOCK,
    Exit.DATABASE_LOST,
    Exit.BACKUP,
    Exit.SHARED_FAILED,
    Exit.TENANTS_FAILED,
    Exit.VERIFICATION,
    Exit.COLLECTSTATIC,
    Exit.PENDING,
)


def first(causes: set[Exit]) -> Exit:
    """The exit code for these causes: the first of PRECEDENCE among them, DONE for none."""
    return next((cause for cause in PRECEDENCE if cause in causes), Exit.DONE)


class ReleaseError(Exception):
    """An error that ends the command before its work, or instead of it."""

    id = "unexpected"
    exit_code = Exit.UNEXPECTED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidConfiguration(ReleaseError):
    """A flag, an environment variable or a setting has a value that cannot be used."""

    id = "configuration.invalid"
    exit_code = Exit.USAGE


class UnknownName(InvalidConfiguration):
    """A schema, app or migration was named that does not exist."""

    id = "name.unknown"


class NothingToExplain(InvalidConfiguration):
    """The text given to --explain holds no error that can be explained."""

    id = "explain.nothing"


class ProjectNotFound(InvalidConfiguration):
    """No Django project, or more than one, was found."""

    id = "project.not_found"


class SettingsFailed(InvalidConfiguration):
    """The project's own settings or apps raised while Django was being set up."""

    id = "settings.failed"


class PreflightError(ReleaseError):
    """A precondition does not hold; nothing was written."""

    id = "preflight.failed"
    exit_code = Exit.PREFLIGHT


class DatabaseUrlUnusable(PreflightError):
    """The database URL is empty, unresolved or not PostgreSQL's."""

    id = "database.url_unusable"


class DatabaseRefused(PreflightError):
    """The connection was refused: wrong password, role, database or options."""

    id = "database.refused"


class DatabaseUnreachable(PreflightError):
    """No server answered within the time allowed."""

    id = "database.unreachable"


class OtherDatabase(PreflightError):
    """The chosen URL leads to another database than the settings."""

    id = "database.other"


class PoolerFound(PreflightError):
    """A connection pooler stands between this process and the server."""

    id = "database.pooler"


class ServerReadOnly(PreflightError):
    """The server is a standby, or default_transaction_read_only is on for the role or the database."""

    id = "database.read_only"


class ConnectionsTooFew(PreflightError):
    """The role, the database or the server allows fewer connections than a release needs."""

    id = "database.connections"


class ServerUnsupported(PreflightError):
    """The server is older than this Django supports."""

    id = "database.unsupported"


class NotDjangoTenants(PreflightError):
    """The tenant model, backend or router is not django-tenants'."""

    id = "project.not_tenants"


class KeysUnreachable(PreflightError):
    """A shared model points to a table that only tenants have, so its foreign key cannot be made."""

    id = "settings.key_unreachable"


class SharedSchemaMissing(PreflightError):
    """The schema named by PUBLIC_SCHEMA_NAME does not exist."""

    id = "shared.missing"


class TenantsUnknown(PreflightError):
    """The tenants were named, or meant alone, and cannot be listed before the shared schema is migrated."""

    id = "tenants.unknown"


class MigrationsInvalid(PreflightError):
    """The migrations on disk conflict, or contradict the records of the shared schema."""

    id = "migrations.invalid"


class NotConfirmed(PreflightError):
    """The user did not confirm at the terminal."""

    id = "release.not_confirmed"


class LockHeld(ReleaseError):
    """Another release held the lock for longer than the time allowed."""

    id = "lock.held"
    exit_code = Exit.LOCK


class LockLost(ReleaseError):
    """The connection that held the release lock was lost."""

    id = "lock.lost"
    exit_code = Exit.LOCK


class DatabaseLost(ReleaseError):
    """The database stopped answering, for longer than the time allowed."""

    id = "database.lost"
    exit_code = Exit.DATABASE_LOST


class TooFewLockSlots(ReleaseError):
    """The server has no room for the few locks that reading and recording take."""

    id = "database.lock_slots"
    exit_code = Exit.PREFLIGHT


class BackupFailed(ReleaseError):
    """The backup or its proof failed, or none is configured although one is required."""

    id = "backup.failed"
    exit_code = Exit.BACKUP


class RestoreFailed(ReleaseError):
    """A schema could not be brought back; it is as it was."""

    id = "restore.failed"
    exit_code = Exit.BACKUP
