"""The commands by name; only what the one that is asked for needs is imported.

A new container has no compiled bytecode of the project's own files: what is not imported is not compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from railway_release.preflight.target import Target
from railway_release.report.report import Report

# Each sets the report's result whenever there is a newer one, so that what ends it finds the latest there.
Command = Callable[[Target, Report], None]

# Commands that only look share a module; each of the others has one of its own name.
_MODULES = dict.fromkeys(("plan", "verify", "status", "check"), "inspect")


def find_command(name: str) -> Command:
    """The command of this name, which the command line has checked."""
    module = import_module(f"railway_release.commands.{_MODULES.get(name, name)}")
    command: Command = getattr(module, name)
    return command
