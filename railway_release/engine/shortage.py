"""What to do where the server had no lock slot left for a migration."""

from __future__ import annotations

from railway_release.postgres import slots
from railway_release.postgres.slots import Slots
from railway_release.topology import tenant_connection

_MUCH = 0.1  # of all slots


def is_retryable(error: BaseException) -> bool:
    """Whether other sessions hold so many slots that a retry may succeed: a pg_dump, or another worker.

    They may hold all of them, so that the slots cannot even be counted.
    """
    if not slots.ran_out(error):
        return False
    now = _now()
    return now is None or now.used > now.total * _MUCH


def hint(error: BaseException) -> str:
    """What helps, in words; empty for another error."""
    if not slots.ran_out(error):
        return ""
    now = _now()
    if now is None:
        return f"Raise {slots.SETTING} and restart the server, or split the migration."
    raised = slots.statement_to_raise(now.per_session * 2)
    return (
        f"It locks more than there is room for; now {now}. {raised}; or split the migration, or release with"
        " --jobs 1 while nobody else holds many locks."
    )


def _now() -> Slots | None:
    try:
        connection = tenant_connection()
        connection.set_schema_to_public()
        return slots.read(connection)
    except Exception:  # noqa: BLE001 - the server may be gone, or out of whatever else
        return None
