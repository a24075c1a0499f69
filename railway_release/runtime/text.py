"""Texts that several packages print: long lists, numbers with nouns, and flags to be typed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from railway_release.runtime.visible import visible


def some(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are: ``a, b, c and 7 more``."""
    first = ", ".join(map(visible, names[:most]))
    return f"{first} and {len(names) - most} more" if len(names) > most else first


def count(number: int, noun: str) -> str:
    """A number with its noun: ``1 schema``, ``2 schemas``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def schema_flag(name: str) -> str:
    """``--schema NAME``, quoted for a shell; ``--schema=NAME`` for a name that begins with a hyphen."""
    return f"--schema{'=' if name.startswith('-') else ' '}{shlex.quote(name)}"


def schemas_in_words(names: Sequence[str]) -> str:
    """``athena``, or ``12 schemas (athena, ilion, … and 10 more)``."""
    return visible(names[0]) if len(names) == 1 else f"{len(names)} schemas ({some(names)})"
