"""Channel: what a worker and its parent tell each other, as lines of JSON on a socket.

Text and no pickles: whatever a migration put into an error or a log line, the parent gets plain values and
runs nobody's code. The parent never waits for the rest of a line: a worker may die in the middle of one, and
a process that a migration started may hold the worker's end open for as long as it likes.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from typing import Any, cast

Message = tuple[str, dict[str, Any]]

_MOST = 1 << 16  # bytes at a time


class Channel:
    """One end."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._sending = threading.Lock()
        self._rest = b""

    def send(self, kind: str, **content: Any) -> None:
        """To the other side, if it is still there; its end is noticed by whoever receives."""
        line = json.dumps([kind, content]).encode() + b"\n"
        with self._sending, contextlib.suppress(OSError):
            self._end.sendall(line)

    def receive(self) -> list[Message]:
        """What has come by now, at least part of a message.

        Raises EOFError if the other side has gone, ValueError if it sends something else.
        """
        if not (data := self._end.recv(_MOST)):
            raise EOFError
        *lines, self._rest = (self._rest + data).split(b"\n")
        return list(map(_message, lines))

    def messages(self) -> Iterator[Message]:
        """Until the other side has gone; waits for each."""
        with contextlib.suppress(EOFError, OSError, ValueError):
            while True:
                yield from self.receive()

    def fileno(self) -> int:
        """For select()."""
        return self._end.fileno()

    def close(self) -> None:
        """The other side notices, unless somebody else has inherited this end."""
        self._end.close()

    def unlock(self) -> None:
        """In a forked process, where the thread that was sending does not exist."""
        self._sending = threading.Lock()


def readable(channels: Sequence[Channel], seconds: float) -> list[Channel]:
    """Those that have something to say, or have gone; waits for the first of them, but not for longer."""
    by_number = {one.fileno(): one for one in channels}
    return [by_number[cast("int", number)] for number in wait(list(by_number), seconds)]


def channels() -> tuple[Channel, Channel]:
    """The parent's end, which never waits, and the worker's."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return Channel(ours), Channel(theirs)


def _message(line: bytes) -> Message:
    match json.loads(line):
        case [str(kind), dict(content)]:
            return kind, content
    raise ValueError("not a message")
