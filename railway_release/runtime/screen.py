"""The stream that people read: log lines scroll, a status line stays below them."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from typing import TextIO

from railway_release.runtime.visible import visible

_USUAL_COLUMNS = 80


class Screen:
    """Writes lines and the status line; several threads may use it. Errors of the stream are ignored.

    `| grep -m1` or a full disk must not end a release in the middle. `beside` is the process's other stream.
    """

    def __init__(self, stream: TextIO, beside: TextIO | None = None) -> None:
        self.stream = stream
        self._beside = beside
        self._status = ""
        self._lock = threading.Lock()

    @property
    def columns(self) -> int:
        """The width of the terminal that shows the lines, also through a pager; 0 if there is none."""
        return _columns(self.stream) or (_columns(self._beside) if _is_pipe(self.stream) else 0)

    def write(self, line: str) -> None:
        """Print a line above the status line."""
        self._print(f"{line}\n", self._status)

    def status(self, text: str) -> None:
        """Replace the status line; empty text takes it away."""
        # What reaches the last column may go on in a next row, which would stay behind.
        self._print("", visible(text)[: (self.columns or _USUAL_COLUMNS) - 1])

    def _print(self, scrolling: str, status: str) -> None:
        with self._lock, contextlib.suppress(OSError):
            clear = "\r\033[K" if self._status else ""
            self._status = status
            self.stream.write(f"{clear}{scrolling}{status}")
            self.stream.flush()


def _columns(stream: TextIO | None) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns if stream else 0
    except (OSError, ValueError):
        return 0


def _is_pipe(stream: TextIO) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False
