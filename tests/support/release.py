"""Running the real script as users do: a process, an environment, an exit code, lines of JSON."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from railway_release.runtime.program import typed

from . import warm
from .server import psql
from .warm import Process

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "run_migrations.py"
PROGRAM = typed(str(SCRIPT), sys.executable)  # what a run says is to be typed
EXAMPLE = ROOT / "examples" / "buildings"
POSTGIS = """
ORIGINAL_BACKEND = "django.contrib.gis.db.backends.postgis"
if "django.contrib.gis" not in INSTALLED_APPS:
    SHARED_APPS.insert(0, "django.contrib.gis")
    INSTALLED_APPS.insert(0, "django.contrib.gis")
"""


@dataclass(frozen=True)
class Database:
    """A throwaway database."""

    url: str

    def sql(self, statement: str) -> str:
        """Run a statement as the superuser; bare rows, columns separated by "|"."""
        return psql(self.url, statement).strip()

    def lines(self, statement: str) -> list[str]:
        """The rows of a statement."""
        return self.sql(statement).splitlines()

    def applied(self, schema: str, app: str) -> list[str]:
        """The migrations of an app that are recorded in a schema."""
        records = '"' + schema.replace('"', '""') + '".django_migrations'
        return self.lines(f"SELECT name FROM {records} WHERE app = '{app}' ORDER BY name")

    def tables(self, schema: str) -> set[str]:
        """The tables of a schema."""
        name = schema.replace("'", "''")
        return set(self.lines(f"SELECT tablename FROM pg_tables WHERE schemaname = '{name}'"))


@dataclass(frozen=True)
class Run:
    """What a finished process left behind."""

    code: int
    stdout: str
    stderr: str
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The log lines, wherever they went."""
        lines = (self.stdout + self.stderr).splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"message"')]

    def event(self, name: str) -> dict[str, Any]:
        """The one event of this name."""
        found = self.named(name)
        assert len(found) == 1, f"{len(found)} events {name!r} in:\n{self.text}"
        return found[0]

    def named(self, name: str) -> list[dict[str, Any]]:
        """All events of this name."""
        return [event for event in self.events if event["event"] == name]

    @property
    def text(self) -> str:
        """Everything that was printed."""
        return self.stdout + self.stderr

    def outcome(self, schema: str) -> dict[str, Any]:
        """The outcome of one schema."""
        found: list[dict[str, Any]] = [one for one in self.report["schemas"] if one["schema"] == schema]
        assert len(found) == 1, f"{len(found)} outcomes of {schema!r}"
        return found[0]

    @property
    def states(self) -> dict[str, str]:
        """Schema to outcome."""
        return {one["schema"]: one["state"] for one in self.report["schemas"]}

    def findings(self, id: str) -> list[tuple[str, str]]:
        """Schema and object of the findings with this id."""
        return [(one["schema"], one["object"]) for one in self.report["findings"] if one["id"] == id]


class Project:
    """A copy of the example project that a test may change, and a database for it."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = database
        shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("staticfiles"))
        if os.environ.get("TEST_POSTGIS"):  # the same tests through PostGIS' backend; see .ci/run
            self.settings(POSTGIS)

    @property
    def database(self) -> Database:
        """The database to look at."""
        return self._database

    @database.setter
    def database(self, database: Database) -> None:
        self._database = database
        self.url = database.url  # for releases
        self.application_url = database.url

    def write(self, path: str, text: str) -> Path:
        """Create or replace a file of the project."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def settings(self, text: str) -> None:
        """Append to the settings module."""
        path = self.folder / "config" / "settings.py"
        path.write_text(path.read_text(encoding="utf-8") + "\n" + text + "\n", encoding="utf-8")

    def migration(self, app: str, name: str, after: str, operations: str, extra: str = "") -> None:
        """Add a migration; `operations` is Python source with `migrations` and `models` in reach."""
        self.write(
            f"{app}/migrations/{name}.py",
            "from django.db import migrations, models\n\n\n"
            f"{extra}\n\n"
            "class Migration(migrations.Migration):\n"
            f"    dependencies = [({app!r}, {after!r})]\n"
            f"    operations = [{operations}]\n",
        )

    def manage(self, *words: str, **environ: str) -> str:
        """Run manage.py; returns its output."""
        process = warm.start(self.folder / "manage.py", words, self.folder, self.environ(**environ))
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stdout + stderr
        return stdout

    def python(self, code: str, **environ: str) -> str:
        """Run code after django.setup(), in the shared schema."""
        return self.manage("shell", "-v", "0", "-c", code, **environ)

    def environ(self, **more: str) -> dict[str, str]:
        """The environment of a run: nothing of Railway's or ours leaks in from outside."""
        strangers = ("RAILWAY_", "RELEASE_", "DATABASE_", "PG", "DJANGO_", "SECRET_KEY")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(strangers)}
        # A file that a test writes twice within a second would be taken for the one that was compiled.
        return {**clean, "PYTHONDONTWRITEBYTECODE": "1", "DATABASE_URL": self.url, **more}

    def start(self, *words: str, cwd: Path | None = None, **environ: str) -> Process:
        """Start the script and do not wait."""
        return self._start(words, cwd, environ, reading=False)

    def start_reading(self, *words: str) -> Process:
        """Start the script with a pipe to read from, and do not wait."""
        return self._start(words, None, {}, reading=True)

    def _start(
        self, words: tuple[str, ...], cwd: Path | None, environ: dict[str, str], *, reading: bool
    ) -> Process:
        report = self.folder.parent / "report.json"
        report.unlink(missing_ok=True)
        own = {
            "RELEASE_REPORT": str(report),
            "RELEASE_SETTLE": "0.2",
            "RELEASE_SETTLE_WAIT": "1",
            "RELEASE_LOG_FORMAT": "json",  # for `Run.events`
            "RELEASE_JOBS": "1",  # one after the other, in an order that a test can know
        }
        environ = self.environ(**{**own, **environ})
        return warm.start(SCRIPT, words, cwd or self.folder, environ, reading=reading)

    def finish(self, process: Process, seconds: float = 120, text: str | None = None) -> Run:
        """Wait for a started script, which is given `text` to read if it has a pipe."""
        try:
            stdout, stderr = process.communicate(text, timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        report = self.folder.parent / "report.json"
        code = process.returncode
        assert code is not None
        return Run(
            code, stdout, stderr, json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
        )

    def run(self, *words: str, cwd: Path | None = None, **environ: str) -> Run:
        """Run the script to its end."""
        return self.finish(self.start(*words, cwd=cwd, **environ))


def until(condition: Callable[[], object], seconds: float = 30, what: str = "the condition") -> None:
    """Wait until something has happened in another process; fail if it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        time.sleep(0.05)
