"""The programs that are compared, each run in a generated project against one database."""

import sys
from pathlib import Path
from typing import Protocol

from benchmarks.generator.files import SETTINGS
from benchmarks.processes import Program

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "run_migrations.py"


class Project(Protocol):
    """What was written into a folder."""

    @property
    def folder(self) -> Path:
        """Where manage.py is."""


_SET_UP = "import django; django.setup()"


def manage(project: Project, url: str, settings: str, *words: str, jobs: int = 2) -> Program:
    """manage.py with one of the settings modules."""
    return _python(project, url, settings, jobs, "manage.py", *words)


def set_up(project: Project, url: str) -> Program:
    """Django's own start-up, which every tool pays."""
    return _python(project, url, SETTINGS, 1, "-c", _SET_UP)


def release(project: Project, url: str, jobs: int, engine: str) -> Program:
    """What this project offers, as it is used."""
    options = ("--yes", "--no-collectstatic", "--jobs", str(jobs), "--engine", engine)
    return _python(project, url, SETTINGS, jobs, str(SCRIPT), "release", *options)


def verify(project: Project, url: str, jobs: int, depth: str) -> Program:
    """Compare all schemas with the models."""
    return _python(project, url, SETTINGS, jobs, str(SCRIPT), "verify", "--jobs", str(jobs), "--depth", depth)


def check_start(project: Project, url: str, jobs: int) -> Program:
    """What stands before every start of the application."""
    return _python(project, url, SETTINGS, jobs, str(SCRIPT), "check", "--start", "--jobs", str(jobs))


def repair(project: Project, url: str, jobs: int, report: Path) -> Program:
    """Mend and create whatever is missing."""
    options = ("--apply", "--create-schema", "--yes", "--jobs", str(jobs), "--report", str(report))
    return _python(project, url, SETTINGS, jobs, str(SCRIPT), "repair", *options)


def _python(project: Project, url: str, settings: str, jobs: int, *words: str) -> Program:
    environ = {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": settings, "JOBS": str(jobs)}
    return Program([sys.executable, *words], project.folder, environ)
