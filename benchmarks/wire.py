"""A way to the server that delays, counts round trips, and keeps the statements that went through."""

import contextlib
import queue
import socket
import struct
import time
from collections.abc import Iterator

from tests.support.proxy import Proxy, pump, start
from tests.support.trips import Wire

Item = tuple[float, bytes]  # when it is to be delivered

_PROTOCOLS = {0x00030000, 0x00030002}
_LENGTH, _START = 4, 8


class StatementWire(Wire):
    """One connection, read as statements."""

    @property
    def statements(self) -> Iterator[str]:
        """The statements of the simple and the extended protocol, in order."""
        for kind, body in _messages(b"".join(self.trips)):
            if kind == b"Q":
                yield body[:-1].decode()
            elif kind == b"P":
                yield body.split(b"\0", 2)[1].decode()

    def trips_until(self, marks: list[bytes]) -> list[int]:
        """How many trips each of these took to be sent for the first time, counted from the one before."""
        waiting, counts, count = list(marks), [], 0
        for trip in self.trips:
            count += 1
            while waiting and waiting[0] in trip:
                waiting.pop(0)
                counts.append(count)
                count = 0
        return counts


class DelayingProxy(Proxy):
    """Stands before the server; `delay` seconds pass before it gets what a client has sent."""

    def __init__(self, url: str, delay: float = 0.0) -> None:
        super().__init__(url)
        self._delay = delay
        self.wires: list[StatementWire] = []

    def join(self, client: socket.socket, server: socket.socket) -> None:
        """Forward late, and keep what was sent."""
        wire = StatementWire()
        late: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self.wires.append(wire)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start(self._take, client, wire, late)
        start(self._deliver, server, late)
        start(pump, server, client, wire.answered)

    def _take(self, client: socket.socket, wire: StatementWire, late: "queue.SimpleQueue[Item]") -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                wire.sent(data)
                late.put((time.perf_counter() + self._delay, data))
        late.put((0.0, b""))

    def _deliver(self, server: socket.socket, late: "queue.SimpleQueue[Item]") -> None:
        with contextlib.suppress(OSError):
            while (item := late.get())[1]:
                time.sleep(max(0.0, item[0] - time.perf_counter()) if self._delay else 0.0)
                server.sendall(item[1])
            server.shutdown(socket.SHUT_WR)


def _messages(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each message; those at the start of a connection have no kind."""
    at = _after_start(data)
    while at + 1 + _LENGTH <= len(data):
        (length,) = struct.unpack_from("!i", data, at + 1)
        yield data[at : at + 1], data[at + 1 + _LENGTH : at + 1 + length]
        at += 1 + length


def _after_start(data: bytes) -> int:
    at = 0
    while at + _START <= len(data):
        length, code = struct.unpack_from("!ii", data, at)
        at += length
        if code in _PROTOCOLS:
            break
    return at
