"""Values and tracebacks as text that may be logged: no code of the user's classes runs later, no locals."""

from __future__ import annotations

import re
import sysconfig
import traceback
from pathlib import Path
from typing import Any

from railway_release.runtime.redact import redact

_LONGEST = 100_000  # characters of one text
_STANDARD = Path(sysconfig.get_paths()["stdlib"])
_OWN = Path(__file__).parents[1]
_INSTALLED = re.compile(r"[/\\](?:site|dist)-packages[/\\](\w+)")  # the latter are Debian's
_FRAMEWORK = {"django", "django_tenants", "psycopg", "psycopg2"}


def plain(value: Any, depth: int = 10) -> Any:
    """The value as JSON has it, made of the standard types alone; strings are redacted and cut."""
    try:
        return _plain(value, depth)
    except Exception:  # noqa: BLE001 - a class of the user's whose own text raises
        return f"<{type(value).__name__}>"


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int.__pos__(value)
    if isinstance(value, float):
        return float.__pos__(value)
    if isinstance(value, dict) and depth:
        return {str(_plain(key, 0)): plain(item, depth - 1) for key, item in dict.items(value)}
    if isinstance(value, list | tuple | set | frozenset) and depth:
        return [plain(item, depth - 1) for item in value]
    # By the methods of the standard types: a subclass may override them.
    return redact(str.__str__(value if isinstance(value, str) else str(value)))[:_LONGEST]


def plain_traceback(error: BaseException) -> str:
    """A traceback without locals."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())


def place_of(error: BaseException) -> str:
    """``app/migrations/0002_x.py, line 5``: the innermost line of the project or its apps; else empty."""
    here = Path.cwd()
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        path = Path(frame.f_code.co_filename)
        if path.is_absolute() and not _is_foreign(path):
            return f"{path.relative_to(here) if path.is_relative_to(here) else path}, line {line}"
    return ""


def _is_foreign(path: Path) -> bool:
    """Whether it is Python's own code, the framework's or ours."""
    if installed := _INSTALLED.search(str(path)):
        return installed[1] in {*_FRAMEWORK, _OWN.name}
    return path.is_relative_to(_STANDARD) or path.is_relative_to(_OWN)
