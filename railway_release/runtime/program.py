"""What a person types to start this program: as it was started here, and as it is started in a deployment."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

_COPIED = "python run_migrations.py"
_INSTALLED = "railway-release"
_MODULE = "-m railway_release"


def typed(argv0: str, interpreter: str) -> str:
    """What starts the program again from the current directory, quoted for a shell.

    `argv0` is what Python has in sys.argv[0], and `interpreter` the word with which Python was started.
    """
    path = Path(argv0)
    if path.name == _INSTALLED:
        return _shortest(argv0)
    if _is_module(path):
        return f"{_shortest(interpreter)} {_MODULE}"
    return f"{_shortest(interpreter)} {shlex.quote(argv0)}" if _is_script(path) else _COPIED


def deployed(argv0: str) -> str:
    """What starts it in the folder of a deployment, where the paths of this machine mean nothing."""
    path = Path(argv0)
    if path.name == _INSTALLED:
        return _INSTALLED
    if _is_module(path):
        return f"python {_MODULE}"
    return f"python {shlex.quote(path.name)}" if _is_script(path) else _COPIED


def _is_module(path: Path) -> bool:
    return path.name == "__main__.py" and path.parent.name == "railway_release"


def _is_script(path: Path) -> bool:
    return path.suffix == ".py" and path.name != "__main__.py"


def _shortest(word: str) -> str:
    """The bare name of a program, if the shell finds this one by it; else the path as it was typed."""
    name = Path(word).name
    found = shutil.which(name)
    # Not by the file: each virtual environment has links of its own to one interpreter.
    is_found = word == name or (found and Path(found).absolute() == Path(word).absolute())
    return shlex.quote(name if is_found else word)


PROGRAM = typed(sys.argv[0], (*sys.orig_argv, "python")[0])
DEPLOYED = deployed(sys.argv[0])
