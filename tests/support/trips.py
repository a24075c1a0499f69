"""A way to the server that keeps what a release asks, one entry for each time that it waits for an answer."""

import contextlib
import re
import socket

from .proxy import Proxy, opened, pump, start
from .urls import changed

# A message of the simple protocol (its kind, its length) with a statement that asks for rows.
_ASKS = re.compile(r"(\AQ.{4}|\n;\n)\s*SELECT\b", re.DOTALL)
# Only the connection that migrates has a name without a purpose behind it.
_MIGRATES = re.compile(r"application_name\0railway-release \w+\0")


_TERMINATE = b"X\0\0\0\4"
# What the watch sends once a second from a thread of its own, for which nobody waits either.
_WATCHES = "pg_blocking_pids"


class Wire:
    """One connection. What the client sends begins a round trip if the server was heard since the last."""

    def __init__(self) -> None:
        self.trips: list[bytearray] = []  # what the client sent in each
        self._answered = True

    def sent(self, data: bytes) -> None:
        """The client has sent something. Nobody waits for an answer to a good-bye."""
        if data == _TERMINATE:
            return
        if self._answered:
            self.trips.append(bytearray())
        self._answered = False
        self.trips[-1] += data

    def answered(self, _data: bytes) -> None:
        """The server has sent something; said before the client has it, and can ask again."""
        self._answered = True

    @property
    def texts(self) -> list[str]:
        """The trips, to be searched."""
        return [trip.decode("latin-1") for trip in self.trips]

    @property
    def migrates(self) -> bool:
        """Whether it is a connection on which the release migrates."""
        return any(map(_MIGRATES.search, self.texts))


class CountingProxy(Proxy):
    """Keeps the round trips of every connection through it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._wires: list[Wire] = []

    @property
    def url(self) -> str:
        """The database by way of this proxy, in words that it can read."""
        return changed(super().url, query="sslmode=disable")

    def join(self, client: socket.socket, server: socket.socket) -> None:
        """Forward, and keep what was sent."""
        wire = Wire()
        self._wires.append(wire)
        start(pump, client, server, wire.sent)
        start(pump, server, client, wire.answered)

    def of_schema(self, schema: str, following: str) -> list[str]:
        """What was asked in a schema's turn, up to that of the schema that follows it."""
        trips = [text for wire in self._wires if wire.migrates for text in wire.texts]
        first, after = (
            next(index for index, trip in enumerate(trips) if f'"{name}"' in trip)
            for name in (schema, following)
        )
        return trips[first:after]

    @property
    def all(self) -> int:
        """The round trips of all connections together."""
        return sum(len(wire.trips) for wire in self._wires)

    @property
    def waited_for(self) -> list[str]:
        """The trips of all connections, but for those of the watch."""
        return [text for wire in self._wires for text in wire.texts if _WATCHES not in text]

    @property
    def migrating(self) -> int:
        """How many connections have changed something."""
        return sum(any("COMMIT" in text for text in wire.texts) for wire in self._wires if wire.migrates)


def asks(trip: str) -> bool:
    """Whether somebody wants an answer, and not only that it is done."""
    return bool(_ASKS.search(trip))


def counting_proxy(url: str) -> contextlib.AbstractContextManager[CountingProxy]:
    """A proxy that forwards and counts at once."""
    return opened(CountingProxy(url))
