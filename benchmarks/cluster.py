"""The server of the benchmark: fast and careless while building, with default settings while measuring."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import database_url, persistent_home, psql, start_persistent, stop_persistent

_CARELESS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "'8GB'",
}
_SYNC_TIMEOUT = 30.0


class Cluster:
    """A PostgreSQL of our own; databases are named."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._maintenance = start_persistent(home)
        # A run that was killed while it was building has left its settings.
        self._configure("ALTER SYSTEM RESET ALL")

    def url(self, database: str) -> str:
        """Where a database is."""
        return database_url(self._maintenance, database)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run statements; bare rows."""
        return psql(self.url(database), statement)

    def exists(self, database: str) -> bool:
        """Whether there is such a database."""
        return self.sql(f"SELECT 1 FROM pg_database WHERE datname = '{database}'") == "1"

    def create(self, database: str, template: str = "template1") -> None:
        """Make a database, in place of one of that name. Copying files is quicker than logging each page."""
        self.drop(database)
        self.sql(f"CREATE DATABASE {database} TEMPLATE {template} STRATEGY file_copy")

    def drop(self, database: str) -> None:
        """Remove a database if it is there."""
        self.sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    @contextmanager
    def careless(self) -> Iterator[None]:
        """While entered, nothing waits for the disk; afterwards everything is on it."""
        self._configure("".join(f"ALTER SYSTEM SET {name} = {value};" for name, value in _CARELESS.items()))
        try:
            yield
        finally:
            self.sql("CHECKPOINT")
            self._configure("ALTER SYSTEM RESET ALL;")
            os.sync()

    @contextmanager
    def with_room_for_locks(self, per_session: int) -> Iterator[None]:
        """While entered, sessions may hold more locks than with default settings."""
        self.sql(f"ALTER SYSTEM SET max_locks_per_transaction = {per_session}")
        self.restart()
        try:
            yield
        finally:
            self.sql("ALTER SYSTEM RESET max_locks_per_transaction")
            self.restart()

    def restart(self) -> None:
        """Start anew with default settings and cold caches of the server."""
        stop_persistent(self._home)
        os.sync()
        self._maintenance = start_persistent(self._home)

    def stop(self, *, keep: bool) -> None:
        """Stop the server; its files go too unless they are to be kept, which nobody has to wait for."""
        stop_persistent(self._home)
        if not keep:
            home = persistent_home(self._home)
            doomed = home.rename(home.with_name(f"{home.name}-removed-{os.getpid()}"))
            subprocess.Popen(["rm", "-rf", str(doomed)], start_new_session=True)

    def _configure(self, statements: str) -> None:
        """Change settings that need no restart, and wait until new sessions have them."""
        wanted = "off" if "fsync" in statements else "on"
        for statement in statements.rstrip(";").split(";"):
            self.sql(statement)
        self.sql("SELECT pg_reload_conf()")
        deadline = time.monotonic() + _SYNC_TIMEOUT
        while self.sql("SHOW fsync") != wanted and time.monotonic() < deadline:
            time.sleep(0.05)
