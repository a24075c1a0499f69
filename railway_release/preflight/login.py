"""Checks what is set for the role of the release: timeouts are lifted, other obstacles are errors."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from railway_release.errors import ConnectionsTooFew, ServerReadOnly
from railway_release.postgres.server import (
    LIFT_TIMEOUTS,
    ConnectionLimit,
    Setting,
    settings_and_connection_limit,
)
from railway_release.postgres.session import fetch
from railway_release.preflight.target import Target
from railway_release.runtime.log import get_logger

# The release lock's, one that reads, and Django's. Workers are started only as connections allow.
_NEEDED = 3
# The lock's, one that reads, the one that keeps the snapshot, the one that counts, and pg_dump's.
_NEEDED_FOR_DUMPS = 5
# With fewer free connections, reads use a single one, so that workers can have the others.
_PLENTY = 8
_LIFTS = "railway-release: timeouts"  # by which Django's signal knows the receiver


def check(target: Target) -> None:
    """Raise ServerReadOnly or ConnectionsTooFew if the release cannot write or connect often enough."""
    settings, limit = target.read_pool.read(settings_and_connection_limit)
    found = {one.name: one for one in settings}
    if found.pop("in_hot_standby", None):
        raise ServerReadOnly(
            "The server is a standby: nothing can be written there.",
            f"Let the address (from {target.choice.why}) be the primary's; with several hosts, "
            "target_session_attrs=read-write finds it. plan, status, verify and doctor work here, too.",
        )
    if read_only := found.pop("default_transaction_read_only", None):
        raise ServerReadOnly(
            "default_transaction_read_only is on for this login: nothing can be written.",
            f"If that is not on purpose: {read_only.change}",
        )
    _check_limit(limit, _NEEDED_FOR_DUMPS if target.config.takes_dumps else _NEEDED)
    target.read_pool.single = limit.free < _PLENTY
    if found:
        _log_lifted([*found.values()])


def lift_timeouts(alias: str) -> None:
    """Let each new connection of Django to this database work for as long as it takes."""

    def lift(connection: BaseDatabaseWrapper, **_: Any) -> None:
        if connection.alias == alias:
            try:
                fetch(connection.connection, LIFT_TIMEOUTS)
            except BaseException:
                connection.close()  # or the next statement would use it as it is
                raise

    connection_created.connect(lift, weak=False, dispatch_uid=_LIFTS)


def leave_timeouts() -> bool:
    """Let new connections of Django begin as the server has it again; returns whether they did not."""
    return connection_created.disconnect(dispatch_uid=_LIFTS)


def _check_limit(limit: ConnectionLimit, needed: int) -> None:
    if limit.maximum < needed:
        raise ConnectionsTooFew(
            f"{limit.bound} is {limit.maximum}, and a release needs {needed} connections at a time.",
            limit.change,
        )
    if limit.free + 1 < needed:  # the connection that asks is closed before the release begins
        text = f"{limit.bound} is {limit.maximum}, of which {limit.in_use} are in use; {needed} are needed"
        get_logger().warning("connections.few", message=f"{text}. To have more: {limit.change}")


def _log_lifted(settings: list[Setting]) -> None:
    words = ", ".join(f"{one.name} ({one.value})" for one in settings)
    text = f"set for this login, but not for the sessions of the release: {words}"
    get_logger().info("timeouts.lifted", message=text, settings=[one.name for one in settings])
