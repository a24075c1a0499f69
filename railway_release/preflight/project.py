"""Finding the user's Django project and setting it up, without running its manage.py."""

from __future__ import annotations

import ast
import contextlib
import importlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from railway_release.errors import ProjectNotFound, ReleaseError, SettingsFailed
from railway_release.log import plain_traceback
from railway_release.postgres.failures import describe

VARIABLE = "DJANGO_SETTINGS_MODULE"
_INTERPRETER = re.compile(r"<frozen |/importlib/__init__\.py")


@dataclass(frozen=True)
class Project:
    """The settings module, and the folder to put on the import path."""

    settings_module: str
    folder: Path
    why: str


def find(flag: str, environ: Mapping[str, str], places: Sequence[Path]) -> Project:
    """The project to work on: flag, environment, or the one manage.py that can be found.

    Looks in `places` and one level below. Raises ProjectNotFound, naming what was looked at.
    """
    files = _manage_files(places)
    candidates = [(path, module) for path, module in files if module]
    if named := flag or environ.get(VARIABLE, ""):
        folders = [path.parent for path, module in candidates if module == named or len(candidates) == 1]
        return Project(named, folders[0] if folders else Path.cwd(), "--settings" if flag else VARIABLE)
    if len(candidates) != 1:
        raise _not_found(files, places)
    ((path, module),) = candidates
    return Project(module, path.parent, str(path))


def load_settings(project: Project, environ: MutableMapping[str, str]) -> Any:
    """Import the settings module; raises SettingsFailed with the cause."""
    environ[VARIABLE] = project.settings_module
    for folder in (str(project.folder), str(Path.cwd())):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    with blaming_the_project(f"The settings module {project.settings_module} could not be loaded"):
        _ = settings.INSTALLED_APPS  # the first access imports the module
    return settings


def set_up() -> None:
    """django.setup(); raises SettingsFailed with the cause."""
    with blaming_the_project("The project's apps could not be loaded"):
        django.setup()


@contextlib.contextmanager
def blaming_the_project(what: str) -> Iterator[None]:
    """An exception from the user's code is reported as theirs, with its cause."""
    try:
        yield
    except ReleaseError:
        raise
    except (Exception, SystemExit) as cause:
        place = _place(cause)
        raise SettingsFailed(
            f"{what}: {type(cause).__name__}: {describe(cause)}{place}",
            "`python manage.py check` should show the same; variables of the service may be missing here.",
        ) from cause


def import_callable(path: str) -> Callable[..., Any]:
    """The callable at a dotted path; raises ValueError in words."""
    module_name, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except Exception as cause:  # the module is the user's, and may raise anything
        raise ValueError(f"{path} cannot be imported: {cause}") from cause
    if not callable(found):
        raise ValueError(f"{path} is not callable")
    return found  # type: ignore[no-any-return]  # anything callable will do


def _manage_files(places: Sequence[Path]) -> list[tuple[Path, str]]:
    """Each manage.py with the settings that it names; those in the places themselves outrank those below."""
    below = [folder for place in places for folder in sorted(place.glob("*/"))]
    seen: dict[Path, str] = {}
    for folders in (places, below):
        paths = [(folder / "manage.py").resolve() for folder in folders]
        seen |= {path: _default_settings(path) for path in paths if path.is_file()}
        if any(seen.values()):
            break
    return list(seen.items())


def _default_settings(manage: Path) -> str:
    """What manage.py passes to os.environ.setdefault("DJANGO_SETTINGS_MODULE", …)."""
    try:
        tree = ast.parse(manage.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return ""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="setdefault"),
                args=[ast.Constant(value="DJANGO_SETTINGS_MODULE"), ast.Constant(value=str(module))],
            ):
                return module
    return ""


def _not_found(files: list[tuple[Path, str]], places: Sequence[Path]) -> ProjectNotFound:
    hint = f"Set {VARIABLE}, pass --settings MODULE, or run from the folder of manage.py."
    if any(module for _, module in files):
        listed = ", ".join(f"{path} ({module})" for path, module in files if module)
        return ProjectNotFound(f"Several Django projects were found: {listed}.", hint)
    looked = " and ".join(dict.fromkeys(str(folder) for folder in places))
    silent = "".join(f" {path} names no settings." for path, _ in files)
    return ProjectNotFound(
        f"No Django project was found: {VARIABLE} is not set, and in {looked}, or one level below, "
        f"no manage.py sets it.{silent}",
        hint,
    )


def _place(cause: BaseException) -> str:
    """The last line of the traceback that is in a file: the interpreter's own frames say nothing."""
    frames = [line.strip() for line in plain_traceback(cause).splitlines()]
    lines = [line for line in frames if line.startswith("File ") and not _INTERPRETER.search(line)]
    return f" ({lines[-1]})" if lines else ""
