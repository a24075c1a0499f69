"""The programs that are compared, each run in a generated project against one database."""

import sys
from pathlib import Path
from typing import Protocol

from benchmarks.generator.files import SETTINGS
from benchmarks.processes import Program
from tests.support.binaries import bin_dir

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


def backup(project: Project, url: str, folder: Path) -> Program:
    """Dump every schema into a folder, and read it back."""
    environ = {"RELEASE_BACKUP_BIN": str(bin_dir()), "RELEASE_BACKUP_TO": str(folder)}
    return _with(_python(project, url, SETTINGS, 1, str(SCRIPT), "backup"), environ)


def restore(project: Project, url: str, folder: Path, schema: str) -> Program:
    """Bring one schema back from the newest backup of a folder."""
    environ = {"RELEASE_BACKUP_BIN": str(bin_dir()), "RELEASE_BACKUP_TO": str(folder)}
    words = ("restore", "latest", "--schema", schema, "--apply", "--yes")
    return _with(_python(project, url, SETTINGS, 1, str(SCRIPT), *words), environ)


def _with(program: Program, environ: dict[str, str]) -> Program:
    return Program(program.words, program.folder, {**program.environ, **environ})


def _python(project: Project, url: str, settings: str, jobs: int, *words: str) -> Program:
    environ = {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": settings, "JOBS": str(jobs)}
    return Program([sys.executable, *words], project.folder, environ)
