"""A real PgBouncer in front of the server, run as the server's account."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .account import SupportError, give_to_account, process_account, temp_dir
from .binaries import environment
from .release import until
from .urls import changed

# Debian puts it where only root's PATH looks.
PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

# Ends with its standard input, which happens on release and when the parent dies in any way.
_GUARD = '"$@" & child=$!; cat >/dev/null; kill $child; wait $child'


@contextmanager
def pgbouncer(url: str, mode: str, pool_size: int = 20) -> Iterator[str]:
    """The URL of the same database through a pooler in "transaction" or "session" mode."""
    home = Path(tempfile.mkdtemp(prefix="railway-release-pooler-", dir=temp_dir()))
    give_to_account(home)
    try:
        yield from _running(url, mode, pool_size, home)
    finally:
        shutil.rmtree(home)


def _running(url: str, mode: str, pool_size: int, home: Path) -> Iterator[str]:
    port = _free_port()
    process = _start(_write_configuration(url, mode, pool_size, home, port))
    try:
        until(lambda: process.poll() is not None or _listens(port), what="a listening pgbouncer")
        if process.poll() is not None:
            raise SupportError(f"pgbouncer ended: {(home / 'log').read_text()}")
        yield changed(url, port=port)
    finally:
        process.communicate()


def _start(configuration: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ("/bin/sh", "-c", _GUARD, "sh", str(PROGRAM), "-q", str(configuration)),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment(),
        start_new_session=True,
        **process_account(),
    )


def _write_configuration(url: str, mode: str, pool_size: int, home: Path, port: int) -> Path:
    parts = urlsplit(url)
    login = f"user={unquote(parts.username or '')} password={unquote(parts.password or '')}"
    path = home / "pgbouncer.ini"
    path.write_text(
        f"[databases]\n* = host={parts.hostname} port={parts.port} {login}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = {mode}\ndefault_pool_size = {pool_size}\nlogfile = {home / 'log'}\n"
    )
    give_to_account(path)
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
