"""A way to the server that a test can open late, count, and put behind a Unix socket."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit


class Proxy:
    """Forwards to the server of a URL once it is open; until then connections are refused."""

    def __init__(self, url: str, socket_folder: Path | None = None) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._listener = socket.socket(socket.AF_UNIX if socket_folder else socket.AF_INET)
        self._listener.bind(str(socket_folder / ".s.PGSQL.5432") if socket_folder else ("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self.connections = 0

    @property
    def port(self) -> int:
        """The port on 127.0.0.1 that belongs to this proxy, open or not."""
        return int(self._listener.getsockname()[1])

    def open(self) -> None:
        """From now on, connections reach the server."""
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End the proxy and every connection through it."""
        for end in (self._listener, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self.connections += 1
            self._ends += [client, server]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def closed_proxy(url: str) -> Iterator[Proxy]:
    """A proxy that refuses connections until the test opens it."""
    proxy = Proxy(url)
    try:
        yield proxy
    finally:
        proxy.close()


@contextlib.contextmanager
def open_proxy(url: str, socket_folder: Path | None = None) -> Iterator[Proxy]:
    """A proxy that forwards at once."""
    proxy = Proxy(url, socket_folder)
    proxy.open()
    try:
        yield proxy
    finally:
        proxy.close()
