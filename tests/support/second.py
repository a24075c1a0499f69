"""Servers of a test's own: to be mistaken for another, to be restarted, to come back older than they were."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from .account import give_to_account
from .binaries import run
from .server import THROWAWAY, _boot, _guarded_home, _start_command


@contextmanager
def second_server() -> Iterator[str]:
    """The URL of a maintenance database of a server that is nobody else's."""
    with _guarded_home() as home:
        yield _boot(home, THROWAWAY)


def copy_to(url: str, original: str) -> None:
    """Fill an empty database of one server with what there is in a database of another."""
    run("psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", "-d", url, given=run("pg_dump", "-d", original))


class OwnServer:
    """A server that may be stopped, and started again on the same port."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.url = _boot(home, THROWAWAY)

    def restart(self) -> None:
        """Cut every session off, as a crash does; committed work stays."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """As a crash does it."""
        run("pg_ctl", "-D", str(self._data), "-m", "immediate", "stop")

    def start(self) -> None:
        """On the port that it had."""
        run(*_start_command(self._home, {**THROWAWAY, "port": str(urlsplit(self.url).port)}))

    def keep_copy(self) -> None:
        """Keep what there is now, as a backup or a standby that has not heard of what comes next."""
        run("pg_ctl", "-D", str(self._data), "-m", "fast", "stop")
        shutil.copytree(self._data, self._copy)
        self.start()

    def come_back_older(self) -> None:
        """Restart from what was kept."""
        self.stop()
        shutil.rmtree(self._data)
        self._copy.rename(self._data)
        for path in (self._data, *self._data.rglob("*")):
            give_to_account(path)
        self.start()

    @property
    def _data(self) -> Path:
        return self._home / "data"

    @property
    def _copy(self) -> Path:
        return self._home / "copy"


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """Running."""
    with _guarded_home() as home:
        yield OwnServer(home)
