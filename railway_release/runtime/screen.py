"""The stream that people read: log lines scroll, a status line stays below them."""

from __future__ import annotations

import contextlib
import threading
from typing import TextIO

from railway_release.runtime.visible import visible


class Screen:
    """Writes lines and the status line; several threads may use it. Errors of the stream are ignored.

    `| grep -m1` or a full disk must not end a release in the middle.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._status = ""
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        """Print a line above the status line."""
        self._print(f"{line}\n", self._status)

    def status(self, text: str) -> None:
        """Replace the status line; empty text takes it away."""
        self._print("", visible(text))

    def _print(self, scrolling: str, status: str) -> None:
        with self._lock, contextlib.suppress(OSError):
            clear = "\r\033[K" if self._status else ""
            self._status = status
            self.stream.write(f"{clear}{scrolling}{status}")
            self.stream.flush()
