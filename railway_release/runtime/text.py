"""Texts that several packages print: long lists, numbers with nouns, and flags to be typed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from railway_release.runtime.visible import visible


def some(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are: ``a, b, c and 7 more``; never ``and 1 more``."""
    shown = names if len(names) <= most + 1 else names[:most]
    first = ", ".join(map(visible, shown))
    return f"{first} and {len(names) - most} more" if len(shown) < len(names) else first


def sentence(text: str) -> str:
    """The text with a full stop, so that another sentence may follow."""
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


def in_time(seconds: float) -> str:
    """A duration, as exact as a person wants it: ``0.4 s``, ``8 s``, ``12 min``, ``3 h``."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    for unit, length in (("s", 1), ("min", 60)):
        if seconds < 120 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 3600:.0f} h"


def count(number: int, noun: str) -> str:
    """A number with its noun: ``1 schema``, ``2 schemas``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def schema_flag(name: str) -> str:
    """``--schema NAME``, quoted for a shell; ``--schema=NAME`` for a name that begins with a hyphen."""
    return f"--schema{'=' if name.startswith('-') else ' '}{shlex.quote(name)}"


def schemas_in_words(names: Sequence[str]) -> str:
    """``athena``, or ``12 schemas (athena, ilion, … and 10 more)``."""
    return visible(names[0]) if len(names) == 1 else f"{len(names)} schemas ({some(names)})"
