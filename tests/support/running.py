"""What happens at the same time: a release while it runs, other sessions, and gates between them."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from . import warm
from .binaries import bin_dir, environment
from .release import Database, Project, Run, until

_GATE = 4711
_PAUSE = 0.05  # seconds between two looks


def run_sql(statement: str) -> str:
    """A RunSQL operation, as Project.migration() takes it."""
    return f"migrations.RunSQL({statement!r})"


def only_in(schema: str, body: str) -> str:
    """A statement that does something in one schema alone."""
    return f"DO $do$ BEGIN IF current_schema() = '{schema}' THEN {body} END IF; END $do$"


def first_time(body: str, sequence: str = "public.attempts") -> str:
    """PL/pgSQL that does something only once: a sequence survives a rollback."""
    return f"IF nextval('{sequence}') = 1 THEN {body} END IF;"


def wait_at(gate: int) -> str:
    """PL/pgSQL that waits until the test opens the gate; without a lock timeout, not under test there."""
    return f"PERFORM set_config('lock_timeout', '0', true); PERFORM pg_advisory_xact_lock_shared({gate});"


WAIT_AT_GATE = wait_at(_GATE)


class Running:
    """A release under way: its lines are read as they come."""

    def __init__(self, project: Project, *words: str, name: str = "report", **environ: str) -> None:
        self._report = project.folder.parent / f"{name}.json"
        self._report.unlink(missing_ok=True)
        environ = {"RELEASE_COLLECTSTATIC": "no", "RELEASE_REPORT": str(self._report), **environ}
        self.process = project.start(*words, cwd=None, **environ)
        self._lines: dict[str, list[str]] = {"stdout": [], "stderr": []}
        pipes = {"stdout": self.process.stdout, "stderr": self.process.stderr}
        self._readers = [
            threading.Thread(target=self._read, args=(pipe, self._lines[name]))
            for name, pipe in pipes.items()
        ]
        for reader in self._readers:
            reader.start()

    def reach(self, event: str, seconds: float = 30, **fields: Any) -> dict[str, Any]:
        """Wait for an event with these fields and return it; fail if the release ends without it."""

        def found() -> dict[str, Any] | None:
            events = (one for one in self._run().events if one["event"] == event)
            return next((one for one in events if fields.items() <= one.items()), None)

        until(lambda: found() or self.ended, seconds, f"event {event} {fields}")
        result = found()
        assert result, f"the release ended without {event} {fields}:\n{self._run().text}"
        return result

    @property
    def ended(self) -> bool:
        """Whether the process is gone and everything that it wrote was read."""
        return self.process.poll() is not None and not any(reader.is_alive() for reader in self._readers)

    def finish(self, seconds: float = 60) -> Run:
        """Wait for the end."""
        until(lambda: self.ended, seconds, "the end of the release")
        return self._run()

    @property
    def workers(self) -> list[int]:
        """The process ids of its children."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in path.read_text(encoding="ascii").split()] if path.exists() else []

    def kill(self, *, workers: bool = True) -> None:
        """End it as `kill -9` does, whatever it is doing; with its workers, as when its container ends."""
        children = self.workers if workers else []
        self.process.kill()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        for reader in self._readers:
            reader.join(timeout=5)

    def _run(self) -> Run:
        code = self.process.poll()
        report = json.loads(self._report.read_text()) if code is not None and self._report.exists() else {}
        stdout, stderr = ("".join(self._lines[name]) for name in ("stdout", "stderr"))
        return Run(-1 if code is None else code, stdout, stderr, report)

    @staticmethod
    def _read(pipe: IO[str], lines: list[str]) -> None:
        with pipe:
            for line in pipe:
                lines.append(line)  # noqa: PERF402 - the others read the list while it grows


class Session:
    """Somebody else's session, kept open: what it locks stays locked until it is closed."""

    def __init__(self, database: Database, application: str = "stranger", url: str = "") -> None:
        address = urlsplit(url or database.url)
        # It is there while a test looks for passwords in the arguments of all processes.
        open_url = address._replace(netloc=address.netloc.replace(f":{address.password}@", "@")).geturl()
        command = [str(bin_dir() / "psql"), "-X", "-A", "-t", "-q", "-d", open_url]
        self._process = subprocess.Popen(
            command,
            env={**environment(), "PGAPPNAME": application, "PGPASSWORD": unquote(address.password or "")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._database = database
        self.pid = int(self.run("SELECT pg_backend_pid();"))

    def send(self, sql: str) -> None:
        """Start a statement and do not wait for it."""
        assert self._process.stdin
        self._process.stdin.write(f"{sql}\n")
        self._process.stdin.flush()

    def run(self, sql: str) -> str:
        """Run statements to their end; returns what they printed."""
        self.send(f"{sql}\n\\echo -- done --")
        return self.rest()

    def rest(self) -> str:
        """What was printed up to the end of the last `run`."""
        assert self._process.stdout
        lines = []
        for line in self._process.stdout:
            if line == "-- done --\n":
                break
            lines.append(line)
        return "".join(lines).strip()

    def close(self) -> None:
        """Roll back and let go of everything."""
        if self._process.poll() is None:
            self._database.sql(f"SELECT pg_terminate_backend({self.pid}, 10000)")
            self._process.kill()
        self._process.communicate()


class Gate:
    """Migrations with WAIT_AT_GATE, or wait_at(number), stop here until it is opened."""

    def __init__(self, database: Database, number: int = _GATE) -> None:
        self._number = number
        self._session = Session(database, "gate")
        self._session.run(f"SELECT pg_advisory_lock({number});")

    def reached(self, by: int = 1) -> None:
        """Wait until so many stand before the gate."""
        until(lambda: self._waiting() >= by, what="somebody at the gate")

    def stays_reached(self, seconds: float) -> bool:
        """Whether somebody stands there all the time for so long."""
        end = time.monotonic() + seconds
        while self._waiting():
            if time.monotonic() > end:
                return True
            time.sleep(_PAUSE)
        return False

    def open(self) -> None:
        """Let everybody through."""
        self._session.close()

    def _waiting(self) -> int:
        where = f"locktype = 'advisory' AND objid = {self._number} AND NOT granted"
        return int(self._session.run(f"SELECT count(*) FROM pg_locks WHERE {where};"))


class Creation:
    """A process of the web application that creates a tenant with django-tenants' own save()."""

    def __init__(self, project: Project, schema: str) -> None:
        code = (
            f"from tenants.models import Client; Client(schema_name={schema!r}, name='New').save(verbosity=0)"
        )
        environ = project.environ(PGAPPNAME="creation", DATABASE_URL=project.application_url)
        words = ("shell", "-v", "0", "-c", code)
        self._process = warm.start(project.folder / "manage.py", words, project.folder, environ)

    def finish(self) -> tuple[int, str]:
        """Wait for the end; exit code and errors."""
        _, errors = self._process.communicate(timeout=60)
        return self._process.wait(), errors

    def close(self) -> None:
        """End it if it has not ended."""
        if self._process.poll() is None:
            self._process.kill()
        if self._process.stderr and not self._process.stderr.closed:
            self._process.communicate()


def sessions(database: Database) -> list[str]:
    """The application names of the release's own sessions on the server."""
    return database.lines(
        "SELECT application_name FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name LIKE 'railway-release%' ORDER BY 1"
    )


def terminate(database: Database, application: str, name: str = "") -> None:
    """End the session whose application_name fits this pattern, in this database or the one of that name."""
    database_name = f"'{name}'" if name else "current_database()"
    ended = database.lines(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        f" WHERE datname = {database_name} AND application_name LIKE '{application}'"
    )
    assert ended == ["t"], f"{len(ended)} sessions {application!r}"


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()[:1] not in ("", "Z")
