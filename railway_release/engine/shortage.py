"""What to do where the server had no lock slot left for a migration."""

from __future__ import annotations

from railway_release.postgres import slots
from railway_release.postgres.slots import Slots
from railway_release.topology import tenant_connection

_MUCH = 0.1  # of all slots
_SURE = 3  # failures in a row


class Shortage:
    """Tells, over the attempts at a schema, a migration that takes too many slots from others that hold them.

    The slots are counted after the failure, when the pg_dump or the other worker that held them may just have
    ended; so one count that finds them free proves nothing.
    """

    def __init__(self) -> None:
        self._unexplained = 0  # failures in a row after which the slots were free

    def is_retryable(self, error: BaseException) -> bool:
        """Whether the error is a want of slots, and a retry may succeed."""
        if not slots.ran_out(error):
            return False
        now = _now()  # none if so many are used that they cannot even be counted
        held_by_others = now is None or now.used > now.total * _MUCH
        self._unexplained = 0 if held_by_others else self._unexplained + 1
        return self._unexplained < _SURE


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
