"""A way to the server that keeps what a release asks, one entry for each time that it waits for an answer."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator

from .proxy import Proxy
from .urls import changed

# A message of the simple protocol (its kind, its length) with a statement that asks for rows.
_ASKS = re.compile(r"(\AQ.{4}|\n;\n)\s*SELECT\b", re.DOTALL)
# Only the connection that migrates has a name without a purpose behind it.
_MIGRATES = re.compile(r"application_name\0railway-release \w+\0")


class CountingProxy(Proxy):
    """Keeps the round trips of every connection through it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._url = url
        self._wires: list[_Wire] = []

    @property
    def url(self) -> str:
        """The database by way of this proxy, in words that it can read."""
        return changed(self._url, host="127.0.0.1", port=self.port, query="sslmode=disable")

    def of_schema(self, schema: str, following: str) -> list[str]:
        """What was asked in a schema's turn, up to that of the schema that follows it."""
        trips = [trip for wire in self._wires if wire.migrates for trip in wire.trips]
        first, after = (
            next(index for index, trip in enumerate(trips) if f'"{name}"' in trip)
            for name in (schema, following)
        )
        return trips[first:after]

    @property
    def migrating(self) -> int:
        """How many connections have changed something."""
        return sum(any("COMMIT" in trip for trip in wire.trips) for wire in self._wires if wire.migrates)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self._ends += [client, server]
            self._wires.append(_Wire(client, server))


class _Wire:
    """One connection. Data from the client begins a round trip if the server has answered since the last."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self._sent: list[bytes] = []
        self._answered = True
        for pump in (self._pump_questions, self._pump_answers):
            threading.Thread(target=pump, args=(client, server), daemon=True).start()

    @property
    def trips(self) -> list[str]:
        """What the client sent in each."""
        return [sent.decode("latin-1") for sent in self._sent]

    @property
    def migrates(self) -> bool:
        """Whether it is a connection on which the release migrates."""
        return any(map(_MIGRATES.search, self.trips))

    def _pump_questions(self, client: socket.socket, server: socket.socket) -> None:
        with _closing(server), contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self._answered:
                    self._sent.append(b"")
                self._answered = False
                self._sent[-1] += data
                server.sendall(data)

    def _pump_answers(self, client: socket.socket, server: socket.socket) -> None:
        with _closing(client), contextlib.suppress(OSError):
            while data := server.recv(65536):
                self._answered = True  # before the client has it, and can ask again
                client.sendall(data)


@contextlib.contextmanager
def _closing(sink: socket.socket) -> Iterator[None]:
    yield
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def asks(trip: str) -> bool:
    """Whether somebody wants an answer, and not only that it is done."""
    return bool(_ASKS.search(trip))


@contextlib.contextmanager
def counting_proxy(url: str) -> Iterator[CountingProxy]:
    """A proxy that forwards and counts at once."""
    proxy = CountingProxy(url)
    proxy.open()
    try:
        yield proxy
    finally:
        proxy.close()
