"""What an attempt at a schema is doing: the running migration, its statement, and what is done."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any

from railway_release.migrations.outcome import Key
from railway_release.postgres.failures import causes

_CHANGES_CONTENT_ROWS = re.compile(
    r"\b(DELETE|UPDATE|TRUNCATE)\b.*\b(django_content_type|auth_permission)\b", re.IGNORECASE | re.DOTALL
)
_MOST_ERRORS = 10
_OF_SAVEPOINTS = re.compile(r"\s*(SAVEPOINT|RELEASE|ROLLBACK)\b", re.IGNORECASE)


class Execution:
    """The state of the current attempt at a schema, written by the engine.

    `report_not_atomic` is called with each migration that is not atomic before it begins, and with None when
    it has ended.
    """

    def __init__(self, report_not_atomic: Callable[[Key | None], None] = lambda _: None) -> None:
        self._report_not_atomic = report_not_atomic
        self.reconnected = False  # whether this process has lost a connection: another server may answer now
        self.start_attempt()

    def start_attempt(self) -> None:
        """Forget the last attempt: a schema, or another attempt at it, begins."""
        self.done: list[Key] = []
        self.statements = 0
        self.receiving = False  # whether other people's signal receivers may be at work
        self.receivers = 0.0  # seconds spent in signal receivers of the project and its packages
        self.statement = ""  # the last one sent; empty if several were sent together
        self.only_rows = True  # whether the project's code has sent only statements about rows
        self.content_rows_changed = False  # whether content types or permissions may have been deleted
        # The last errors with their statements: what is sent after an error may raise others.
        self._raised: deque[tuple[BaseException, str]] = deque(maxlen=_MOST_ERRORS)
        self._step: Key | None = None
        self._atomic = True

    @property
    def step(self) -> Key | None:
        """The running migration; None between migrations."""
        return self._step

    @property
    def cancellable(self) -> bool:
        """Whether the running statement may be cancelled without leaving a migration half done."""
        return self._step is None or self._atomic

    def begin(self, step: Key, *, atomic: bool) -> None:
        """Note that a migration begins. To be called before any of its statements is sent."""
        if not atomic:
            self._report_not_atomic(step)
        # In this order, for other threads: a migration that is not atomic must never look cancellable.
        self._atomic = atomic
        self._step = step
        self.statement = ""

    def end(self, *recorded: Key) -> None:
        """Note that these migrations are committed, with their records."""
        self.done += recorded
        self._step = None
        if not self._atomic:
            self._report_not_atomic(None)

    def send(self, *statements: str) -> None:
        """Note statements that are about to be sent in one message.

        If one of several fails, the server does not say which, so none is kept as the `statement`; and those
        of savepoints, which Django sends after an error, too, leave the one before them there.
        """
        self.statements += len(statements)
        self.content_rows_changed |= any(map(_CHANGES_CONTENT_ROWS.search, statements))
        if not any(map(_OF_SAVEPOINTS.match, statements)):
            self.statement = statements[0] if len(statements) == 1 else ""

    def run(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        """Call `execute` with these arguments, and note an error as that of the last statement sent."""
        try:
            return execute(*arguments)
        except Exception as error:
            self._raised.append((error, self.statement))
            raise

    def statement_of(self, error: BaseException) -> str:
        """The statement that raised the error; if none is known to have, the last one sent.

        What Django sends to roll back to a savepoint, and what a migration's code sends before it gives up,
        comes after that one.
        """
        links = list(causes(error))
        found = (statement for raised, statement in self._raised if any(link is raised for link in links))
        return next(found, self.statement)
