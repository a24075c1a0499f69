"""Finds the user's Django project and sets it up, without running its manage.py."""

from __future__ import annotations

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
from django.utils import translation

from railway_release.errors import ProjectNotFound, ReleaseError, SettingsFailed
from railway_release.postgres.failures import describe
from railway_release.preflight import manage
from railway_release.preflight.manage import VARIABLE, Manage
from railway_release.runtime.files import folders_in, is_file
from railway_release.runtime.plain import plain_traceback
from railway_release.runtime.waiting import told

_INTERPRETER = re.compile(r"<frozen |/importlib/__init__\.py")
_CHECK_SHOWS_IT = (
    "`python manage.py check` should show the same; variables of the service may be missing here."
)
_NOT_FOUND = (
    "If `python manage.py check` finds it, set PYTHONPATH to the folder that holds it: manage.py is read, "
    "not run, and seems to extend sys.path in a way that is not understood. Otherwise install it."
)


@dataclass(frozen=True)
class Project:
    """The settings module, the folder to add to sys.path, and the manage.py that may name more folders."""

    settings_module: str
    folder: Path
    why: str
    manage: Manage | None = None


def find(flag: str, environ: Mapping[str, str], places: Sequence[Path]) -> Project:
    """The project that the flag, the environment, or the only manage.py names.

    It is searched in `places` and one level below. Raises ProjectNotFound, with the folders searched.
    """
    files = _manage_files(places, environ)
    candidates = [one for one in files if one.settings]
    if named := flag or environ.get(VARIABLE, ""):
        found = candidates or files
        own = next((one for one in found if one.settings == named or len(found) == 1), None)
        folder = own.path.parent if own else Path.cwd()
        return Project(named, folder, "--settings" if flag else VARIABLE, own)
    if len(candidates) != 1:
        raise _not_found(files, places)
    (only,) = candidates
    return Project(only.settings, only.path.parent, str(only.path), only)


def load_settings(project: Project, environ: MutableMapping[str, str]) -> Any:
    """Import the settings module; raises SettingsFailed with the cause."""
    environ[VARIABLE] = project.settings_module
    for folder in (str(project.folder), str(Path.cwd())):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    if project.manage:
        sys.path[:0] = [folder for folder in project.manage.before if folder not in sys.path]
        sys.path.extend(folder for folder in project.manage.after if folder not in sys.path)
    module = project.settings_module
    with (
        blaming_the_project(f"The settings module {module} could not be loaded"),
        told(f"{module} is being loaded"),
    ):
        _ = settings.INSTALLED_APPS  # the first access imports the module
    return settings


def set_up() -> None:
    """django.setup(), then no language, as in Django's own commands; raises SettingsFailed with the cause.

    Names that are translated are part of models, of migrations and of rows, and differ by the language.
    """
    with blaming_the_project("The project's apps could not be loaded"):
        django.setup()
        translation.deactivate_all()


@contextlib.contextmanager
def blaming_the_project(what: str) -> Iterator[None]:
    """Raise SettingsFailed for an exception of the user's code, with that as its cause."""
    try:
        yield
    except ReleaseError:
        raise
    except (Exception, SystemExit) as cause:
        line = _last_line(cause)
        hint = _NOT_FOUND if isinstance(cause, ModuleNotFoundError) else _CHECK_SHOWS_IT
        raise SettingsFailed(f"{what}: {type(cause).__name__}: {describe(cause)}{line}", hint) from cause


def import_callable(path: str) -> Callable[..., Any]:
    """The callable at a dotted path; raises ValueError with a message for the user."""
    module_name, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except Exception as cause:  # the module is the user's, and may raise anything
        raise ValueError(f"{path} cannot be imported: {cause}") from cause
    if not callable(found):
        raise ValueError(f"{path} is not callable")
    return found  # type: ignore[no-any-return]  # anything callable will do


def _manage_files(places: Sequence[Path], environ: Mapping[str, str]) -> list[Manage]:
    """The manage.py files of the places or, unless one of those names settings, also one level below."""
    below = [folder for place in places for folder in folders_in(place)]
    seen: dict[Path, Manage] = {}
    for folders in (places, below):
        paths = [(folder / "manage.py").resolve() for folder in folders]
        seen |= {path: manage.read(path, environ) for path in paths if is_file(path)}
        if any(one.settings for one in seen.values()):
            break
    return list(seen.values())


def _not_found(files: Sequence[Manage], places: Sequence[Path]) -> ProjectNotFound:
    hint = f"Set {VARIABLE}, pass --settings MODULE, or run from the folder of manage.py."
    if any(one.settings for one in files):
        listed = ", ".join(f"{one.path} ({one.settings})" for one in files if one.settings)
        return ProjectNotFound(f"Several Django projects were found: {listed}.", hint)
    searched = " and ".join(dict.fromkeys(str(folder) for folder in places))
    silent = "".join(f" {one.path} names no settings." for one in files)
    return ProjectNotFound(
        f"No Django project was found: {VARIABLE} is not set, and in {searched}, or one level below, "
        f"no manage.py sets it.{silent}",
        hint,
    )


def _last_line(cause: BaseException) -> str:
    """The last line of the traceback outside the interpreter's own modules, or nothing."""
    frames = [line.strip() for line in plain_traceback(cause).splitlines()]
    lines = [line for line in frames if line.startswith("File ") and not _INTERPRETER.search(line)]
    return f" ({lines[-1]})" if lines else ""
