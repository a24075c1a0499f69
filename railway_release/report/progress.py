"""Progress on log and terminal: every failure, and of what goes well a few lines a second, with a bar."""

from __future__ import annotations

import time
from collections import Counter

from railway_release.migrations.outcome import Outcome
from railway_release.runtime.log import get_logger
from railway_release.runtime.screen import Screen
from railway_release.runtime.text import count, in_time

# Railway drops what exceeds 500 lines a second; people stop reading long before.
_LINES_A_SECOND = 5
_REPORT_EVERY_SECONDS = 10.0
_BAR_WIDTH, _SHORTEST_BAR = 30, 10
_USUAL_COLUMNS = 80
_WHOLE = 1.5  # schemas a second, below which a minute says more
_TOLD = ("migrated", "repaired")  # of the others, none or all have lines


class Progress:
    """Counts the schemas that have ended."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._total = self._done = 0
        self._started = self._reported = time.monotonic()
        self._second, self._lines = 0, 0
        self._not_shown: Counter[str] = Counter()

    def expect(self, total: int) -> None:
        """Begin to count anew: `total` schemas are to be migrated, from now on."""
        self._total, self._done = total, 0
        self._reported = time.monotonic()

    def advance(self, outcome: Outcome) -> None:
        """Count one more schema, log its outcome and draw the bar."""
        if not self._done:  # what was prepared for all of them is no part of what is left
            self._started = time.monotonic() - outcome.duration
        self._done += 1
        quietly = outcome.state in _TOLD and not self._may_write()
        self._not_shown[outcome.state] += quietly
        tell(outcome, quietly=quietly)
        if self._screen.stream.isatty():
            self._screen.status(self._bar())
        elif time.monotonic() - self._reported >= _REPORT_EVERY_SECONDS:
            self._reported = time.monotonic()
            get_logger().info(
                "tenants.progressed", message=self._in_words(), done=self._done, total=self._total
            )

    def end(self) -> None:
        """Remove the bar from the terminal, and count what had no line of its own."""
        self._screen.status("")
        for state, number in self._not_shown.items():
            if number:
                get_logger().info("outcomes.counted", message=f"and {number} more {state}", schemas=number)
        self._not_shown.clear()

    def _may_write(self) -> bool:
        second = int(time.monotonic())
        self._lines = self._lines + 1 if second == self._second else 1
        self._second = second
        return self._lines <= _LINES_A_SECOND

    def _bar(self) -> str:
        text = self._in_words()
        free = (self._screen.columns or _USUAL_COLUMNS) - len(text) - len("[]  ")
        if (width := min(_BAR_WIDTH, free)) < _SHORTEST_BAR:
            return text
        filled = width * self._done // max(self._total, 1)
        return f"[{'#' * filled}{'.' * (width - filled)}] {text}"

    def _in_words(self) -> str:
        seconds = max(time.monotonic() - self._started, 0.001)
        text = f"{self._done} of {self._total} schemas, {_rate(self._done / seconds)}"
        left = self._total - self._done
        return f"{text}, about {in_time(seconds / self._done * left)} left" if left else text


def _rate(a_second: float) -> str:
    return f"{a_second:.0f} a second" if a_second >= _WHOLE else f"{a_second * 60:.0f} a minute"


def tell(outcome: Outcome, quietly: bool = False) -> None:
    """Log an outcome if the schema failed, was migrated or repaired; `quietly` is at debug level."""
    fields = {
        "schema": outcome.schema,
        "duration_ms": round(outcome.duration * 1000),
        "attempts": outcome.attempts,
        "statements": outcome.statements,
    }
    if outcome.state == "failed":
        at = f" at {outcome.failed_at}" if outcome.failed_at else ""
        get_logger().error(
            "schema.failed",
            message=f"{outcome.schema} failed{at}: {outcome.message}",
            migration=outcome.failed_at,
            sqlstate=outcome.sqlstate,
            statement=outcome.statement,
            hint=outcome.hint,
            **fields,
        )
        return
    log = get_logger().debug if quietly else get_logger().info
    seconds, steps = f"{outcome.duration:.1f} s", len(outcome.applied)
    if outcome.state == "repaired":
        what = f"repaired ({count(len(outcome.repairs), 'repair')} in {seconds})"
        log("schema.repaired", message=f"{outcome.schema} {what}", **fields)
    if outcome.state == "migrated":
        what = f"migrated ({count(steps, 'migration')} in {seconds})" if steps else "completed (no migration)"
        log("schema.migrated", message=f"{outcome.schema} {what}", migrations=steps, **fields)
