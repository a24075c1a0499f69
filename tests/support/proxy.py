"""A way to the server that a test can open late, count, and put behind a Unix socket."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit


class Proxy:
    """Forwards to the server of a URL once it is open; until then connections are refused."""

    def __init__(self, url: str, socket_folder: Path | None = None) -> None:
        self._parts = urlsplit(url)
        self._listener = socket.socket(socket.AF_UNIX if socket_folder else socket.AF_INET)
        self._listener.bind(str(socket_folder / ".s.PGSQL.5432") if socket_folder else ("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self.connections = 0

    @property
    def port(self) -> int:
        """The port on 127.0.0.1 that belongs to this proxy, open or not."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """The database by way of this proxy."""
        login = self._parts.netloc.rpartition("@")[0]
        return self._parts._replace(netloc=f"{login}@127.0.0.1:{self.port}").geturl()

    def open(self) -> None:
        """From now on, connections reach the server."""
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def lead_to(self, url: str) -> None:
        """From now on, new connections reach another server; those that there are stay."""
        self._parts = urlsplit(url)

    def close(self) -> None:
        """End the proxy and every connection through it."""
        for end in (self._listener, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def join(self, client: socket.socket, server: socket.socket) -> None:
        """Forward what each of the two sends to the other."""
        start(pump, client, server)
        start(pump, server, client)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection((self._parts.hostname, self._parts.port or 5432))
            except OSError:
                return
            self.connections += 1
            self._ends += [client, server]
            self.join(client, server)


class SwallowingProxy(Proxy):
    """Once it swallows, whatever is sent is taken and goes nowhere: not even that a side has gone is told."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._swallowing = threading.Event()

    def swallow(self) -> None:
        """From now on, on all connections and on new ones."""
        self._swallowing.set()

    def join(self, client: socket.socket, server: socket.socket) -> None:
        """Forward until it swallows."""
        start(self._pump, client, server)
        start(self._pump, server, client)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self._swallowing.is_set():
                    sink.sendall(data)
        if not self._swallowing.is_set():
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)


def start(work: Callable[..., None], *arguments: object) -> None:
    """Run it in a thread that nobody waits for."""
    threading.Thread(target=work, args=arguments, daemon=True).start()


def pump(source: socket.socket, sink: socket.socket, hear: Callable[[bytes], None] = lambda _: None) -> None:
    """Forward until the source has no more; `hear` is told before the sink gets it."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            hear(data)
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


P = TypeVar("P", bound=Proxy)


@contextlib.contextmanager
def opened(proxy: P) -> Iterator[P]:
    """The proxy, forwarding while entered."""
    proxy.open()
    try:
        yield proxy
    finally:
        proxy.close()


def open_proxy(url: str, socket_folder: Path | None = None) -> contextlib.AbstractContextManager[Proxy]:
    """A proxy that forwards at once."""
    return opened(Proxy(url, socket_folder))


@contextlib.contextmanager
def closed_proxy(url: str) -> Iterator[Proxy]:
    """A proxy that refuses connections until the test opens it."""
    proxy = Proxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
