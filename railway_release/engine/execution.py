"""Hand: which migration is in hand in the schema whose turn it is, and what is done there."""

from __future__ import annotations

import re
from collections.abc import Callable

from railway_release.migrations.outcome import Key

_TAKES_CONTENTS = re.compile(
    r"\b(DELETE|UPDATE|TRUNCATE)\b.*\b(django_content_type|auth_permission)\b", re.IGNORECASE | re.DOTALL
)


class Execution:
    """Told by an engine where it is; whoever reports or interrupts asks here.

    `tell` hears of each migration that is not atomic before it begins, and of nothing when it has ended.
    """

    def __init__(self, tell: Callable[[Key | None], None] = lambda _: None) -> None:
        self._tell = tell
        self.reconnected = False  # whether this process has lost a connection: another server may answer now
        self.take_up()

    def take_up(self) -> None:
        """A schema's turn, or another attempt at it, begins."""
        self.done: list[Key] = []
        self.statements = 0
        self.receiving = False  # whether other people's signal receivers may be at work
        self.receivers = 0.0  # seconds spent in other people's signal receivers
        self.statement = ""  # the last one sent
        self.only_rows = True  # whether user code has sent nothing but what reads and writes rows
        self.contents_changed = False  # whether content types or permissions may have been taken away
        self._step: Key | None = None
        self._atomic = True

    @property
    def step(self) -> Key | None:
        """The migration in hand."""
        return self._step

    @property
    def tearable(self) -> bool:
        """Whether the work in hand may be cancelled without leaving anything half done."""
        return self._step is None or self._atomic

    def begin(self, step: Key, *, atomic: bool) -> None:
        """A migration is about to begin; nothing of it has been sent yet."""
        if not atomic:
            self._tell(step)
        # In this order: a migration that is not atomic must never look tearable.
        self._atomic = atomic
        self._step = step
        self.statement = ""

    def end(self, *recorded: Key) -> None:
        """Migrations and their records are committed."""
        self.done += recorded
        self._step = None
        if not self._atomic:
            self._tell(None)

    def send(self, *statements: str) -> None:
        """These are about to go to the server; which one fails can be told if it is alone."""
        self.statements += len(statements)
        self.contents_changed |= any(map(_TAKES_CONTENTS.search, statements))
        self.statement = statements[0] if len(statements) == 1 else ""
