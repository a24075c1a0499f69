"""A way to the server that delays, counts round trips, and keeps the statements that went through."""

import contextlib
import queue
import socket
import struct
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

_PROTOCOLS = {0x00030000, 0x00030002}
_LENGTH, _START = 4, 8


class Wire:
    """One connection: what the client sends, and in how many turns."""

    def __init__(self) -> None:
        self.turns: list[bytearray] = []  # what was sent before the server was heard again
        self._answered = True

    def sent(self, data: bytes) -> None:
        """The client has sent something."""
        if self._answered:
            self.turns.append(bytearray())
        self._answered = False
        self.turns[-1] += data

    def answered(self, _data: bytes) -> None:
        """The server has sent something."""
        self._answered = True

    @property
    def statements(self) -> Iterator[str]:
        """The statements of the simple and the extended protocol, in order."""
        for kind, body in _messages(b"".join(self.turns)):
            if kind == b"Q":
                yield body[:-1].decode()
            elif kind == b"P":
                yield body.split(b"\0", 2)[1].decode()

    def turns_until(self, marks: list[bytes]) -> list[int]:
        """How many turns each of these took to be sent for the first time, counted from the one before."""
        waiting, counts, count = list(marks), [], 0
        for turn in self.turns:
            count += 1
            while waiting and waiting[0] in turn:
                waiting.pop(0)
                counts.append(count)
                count = 0
        return counts


class Proxy:
    """Stands before the server; `delay` seconds pass before it gets what a client has sent."""

    def __init__(self, url: str, delay: float = 0.0) -> None:
        self._url = urlsplit(url)
        self._delay = delay
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self.wires: list[Wire] = []

    @property
    def url(self) -> str:
        """The same database through this proxy."""
        place = f"{self._url.username}:{self._url.password}@127.0.0.1:{self._listener.getsockname()[1]}"
        return self._url._replace(netloc=place).geturl()

    @contextlib.contextmanager
    def running(self) -> Iterator["Proxy"]:
        """Accept connections while entered."""
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield self
        finally:
            for end in (self._listener, *self._ends):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection((self._url.hostname, self._url.port))
            except OSError:
                return
            wire = Wire()
            self.wires.append(wire)
            self._ends += [client, server]
            self._forward(client, server, wire)

    def _forward(self, client: socket.socket, server: socket.socket, wire: Wire) -> None:
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        late: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        pumps = (
            (self._take, (client, wire, late)),
            (self._deliver, (server, late)),
            (self._return, (server, client, wire)),
        )
        for pump, arguments in pumps:
            threading.Thread(target=pump, args=arguments, daemon=True).start()

    def _take(
        self, client: socket.socket, wire: Wire, late: "queue.SimpleQueue[tuple[float, bytes]]"
    ) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                wire.sent(data)
                late.put((time.perf_counter() + self._delay, data))
        late.put((0.0, b""))

    def _deliver(self, server: socket.socket, late: "queue.SimpleQueue[tuple[float, bytes]]") -> None:
        with contextlib.suppress(OSError):
            while (item := late.get())[1]:
                time.sleep(max(0.0, item[0] - time.perf_counter()) if self._delay else 0.0)
                server.sendall(item[1])
            server.shutdown(socket.SHUT_WR)

    def _return(self, server: socket.socket, client: socket.socket, wire: Wire) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                wire.answered(data)
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)


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
