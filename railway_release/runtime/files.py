"""Looking at files and folders, of which some may be closed to this process: these count as not there.

Until Python 3.12, pathlib raises PermissionError for them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def is_file(path: Path) -> bool:
    """Whether there is a file that can be seen."""
    return _seen(path.is_file)


def is_folder(path: Path) -> bool:
    """Whether there is a folder that can be seen."""
    return _seen(path.is_dir)


def exists(path: Path) -> bool:
    """Whether there is anything that can be seen."""
    return _seen(path.exists)


def folders_in(path: Path) -> list[Path]:
    """The folders in a folder, sorted; none if it cannot be read."""
    try:
        return sorted(filter(is_folder, path.iterdir()))
    except OSError:
        return []


def _seen(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except OSError:
        return False
