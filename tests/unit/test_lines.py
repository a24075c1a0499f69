"""Lines on a terminal: broken between words, with a bar below that fits."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog

from railway_release.migrations.outcome import Outcome
from railway_release.report.progress import Progress
from railway_release.runtime.processors import to_line
from railway_release.runtime.screen import Screen
from railway_release.runtime.wrapping import wrapped

LONG = "A migration is recorded as applied but its table is not there: an app moved, or a restored backup."
COMMAND = "python run_migrations.py repair --schema athena --schema ilion --schema kypseli --schema zografou"


class Terminal:
    """A pseudo-terminal of a width."""

    def __init__(self, columns: int, stack: ExitStack) -> None:
        self._master, slave = pty.openpty()
        stack.callback(os.close, self._master)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.stream = stack.enter_context(os.fdopen(slave, "w", encoding="utf-8"))

    @property
    def text(self) -> str:
        """What was written so far."""
        self.stream.flush()
        read = b""
        while select.select([self._master], [], [], 0.05)[0]:
            read += os.read(self._master, 1 << 16)
        return read.decode()


@pytest.fixture
def terminal() -> Iterator[Callable[[int], Terminal]]:
    with ExitStack() as stack:
        yield lambda columns: Terminal(columns, stack)


def line(screen: Screen, event: str, message: str) -> str:
    fields = {"event": event, "level": "info", "timestamp": "2026-11-29T15:42:59Z", "message": message}
    return str(to_line(screen, colors=False)(None, "info", fields))


def test_a_row_is_broken_between_words_and_keeps_its_indentation() -> None:
    assert list(wrapped(f"   {LONG}", 60)) == [
        "   A migration is recorded as applied but its table is not",
        "   there: an app moved, or a restored backup.",
    ]


def test_what_stands_in_backquotes_stays_in_one_row() -> None:
    rows = list(wrapped(f"What fixes it is the following: `{COMMAND}`, in every case.", 60))

    assert rows == ["What fixes it is the following:", f"`{COMMAND}`,", "in every case."]


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_lines_on_a_terminal_fit_it(terminal: Callable[[int], Terminal], columns: int) -> None:
    rows = line(Screen(terminal(columns).stream), "finding.reported", LONG).split("\n")

    assert max(map(len, rows)) <= columns
    assert " ".join(row[10:] for row in rows) == LONG
    assert [row[:10] for row in rows[1:]] == [" " * 10] * (len(rows) - 1)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ("release.hinted", f"Run again with: {COMMAND}"),
        ("cause.found", f"1. table.ghost: x\n   -> {COMMAND}"),
        ("remedy.proposed", f"athena: would repair it\n   {COMMAND}"),
        ("remedy.refused", f"athena: x is left as it is.\n   If nobody needs it:\n      {COMMAND}"),
    ],
)
def test_what_is_to_be_copied_is_not_broken(
    terminal: Callable[[int], Terminal], event: str, message: str
) -> None:
    assert COMMAND in line(Screen(terminal(60).stream), event, message)


def test_where_no_terminal_shows_them_lines_are_not_broken(terminal: Callable[[int], Terminal]) -> None:
    with Path(os.devnull).open("w", encoding="utf-8") as stream:
        assert line(Screen(stream, terminal(60).stream), "finding.reported", LONG).endswith(LONG)


def test_a_pager_shows_lines_on_the_terminal(terminal: Callable[[int], Terminal]) -> None:
    """`doctor | less`: the errors still go to the terminal."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "w", encoding="utf-8") as stream:
        assert Screen(stream, terminal(60).stream).columns == 60


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_bar_fits_the_terminal_and_leaves_nothing_behind(
    terminal: Callable[[int], Terminal], columns: int
) -> None:
    shown = terminal(columns)
    progress = Progress(Screen(shown.stream))
    progress.expect(10_000)
    with structlog.testing.capture_logs():
        for number in range(20):
            progress.advance(Outcome(f"t{number}", "migrated", duration=0.01))
        progress.end()

    first, *bars = shown.text.split("\r\033[K")
    assert (bars.pop(), max(map(len, [first, *bars])) < columns) == ("", True)
    bar = r"\[#*\.+\] " if columns >= 80 else ""
    words = r"20 of 10000 schemas, \d+ a second, about \d+ (s|min) left"
    assert re.fullmatch(bar + words, bars[-1]), bars[-1]


def test_what_had_no_line_is_counted_at_the_end() -> None:
    with Path(os.devnull).open("w", encoding="utf-8") as stream, structlog.testing.capture_logs() as lines:
        progress = Progress(Screen(stream))
        progress.expect(300)
        for number in range(300):
            progress.advance(Outcome(f"t{number}", "migrated" if number else "failed"))
        progress.end()

    shown = sum(one["log_level"] == "info" and one["event"] == "schema.migrated" for one in lines)
    assert lines[-1]["message"] == f"and {299 - shown} more migrated"


def test_time_left_counts_neither_what_was_done_before_nor_what_is_done() -> None:
    """What is prepared for all schemas comes before the first of them, and is over."""
    with Path(os.devnull).open("w", encoding="utf-8") as stream, structlog.testing.capture_logs():
        progress = Progress(Screen(stream))
        progress.expect(2)
        progress._started -= 1000
        progress.advance(Outcome("a", "migrated", duration=2.0))
        assert re.search(r"1 of 2 schemas, 30 a minute, about 2 s left$", progress._in_words())
        progress.advance(Outcome("b", "migrated", duration=2.0))
        assert "left" not in progress._in_words()
