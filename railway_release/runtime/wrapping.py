"""Long lines on a terminal, broken between words; the terminal itself would break them anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

# What stands in backquotes is to be copied, and a line break within would change what is pasted.
_WORD = re.compile(r"(?:`[^`]*`|[^\s`]|`)+")
_NARROWEST = 40  # columns; below, no prose can be read anyway


def wrapped(row: str, columns: int) -> Iterator[str]:
    """The row as rows of at most so many columns, if its words are not longer; all are indented alike."""
    indent = row[: len(row) - len(row.lstrip())]
    rest = ""
    for word in _WORD.findall(row):
        if rest and len(rest) + 1 + len(word) > max(columns, _NARROWEST):
            yield rest
            rest = ""
        rest = f"{rest} {word}" if rest else f"{indent}{word}"
    yield rest
