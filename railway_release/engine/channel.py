"""A channel between a worker and its parent: messages as lines of JSON on a socket.

JSON and not pickles: whatever a migration put into an error or a log line, the parent gets plain values, and
runs no code of the project to read them. The parent never waits for the rest of a line: a worker may die in
the middle of one, while a process that a migration started holds the worker's end open.
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

_MAX_BYTES = 1 << 16  # bytes at a time


class Channel:
    """One end of the channel."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._sending = threading.Lock()
        self._rest = b""

    def send(self, kind: str, **content: Any) -> None:
        """Send a message. Nothing is raised if the other side is gone, since `receive` finds that out."""
        line = json.dumps([kind, content]).encode() + b"\n"
        with self._sending, contextlib.suppress(OSError):
            self._end.sendall(line)

    def receive(self) -> list[Message]:
        """The messages that have arrived, at least part of one; the part is kept for the next call.

        Raises EOFError if the other side is gone, ValueError if it has sent something else than messages.
        """
        if not (data := self._end.recv(_MAX_BYTES)):
            raise EOFError
        *lines, self._rest = (self._rest + data).split(b"\n")
        return list(map(_message, lines))

    def messages(self) -> Iterator[Message]:
        """Wait for each message, until the other side is gone."""
        with contextlib.suppress(EOFError, OSError, ValueError):
            while True:
                yield from self.receive()

    def fileno(self) -> int:
        """The socket's file descriptor, for select()."""
        return self._end.fileno()

    def close(self) -> None:
        """Close this end. The other side notices, unless another process has inherited it."""
        self._end.close()

    def replace_lock(self) -> None:
        """In a forked process: free the lock, whose thread does not exist here."""
        self._sending = threading.Lock()


def readable(channels: Sequence[Channel], seconds: float) -> list[Channel]:
    """The channels with messages, or whose other side is gone; waits up to `seconds` for the first."""
    by_number = {one.fileno(): one for one in channels}
    return [by_number[cast("int", number)] for number in wait(list(by_number), seconds)]


def channel_pair() -> tuple[Channel, Channel]:
    """The parent's end, which never blocks, and the worker's end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return Channel(ours), Channel(theirs)


def _message(line: bytes) -> Message:
    match json.loads(line):
        case [str(kind), dict(content)]:
            return kind, content
    raise ValueError("not a message")
