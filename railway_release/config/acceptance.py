"""Judgement: what the user thinks of findings: harmless, with a reason, or graver than they are."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True)
class Accepted:
    """A finding that the user has judged and wants no error for."""

    id: str
    schema: str  # a pattern, as in a shell
    object: str
    reason: str
    expires: date | None = None  # the last day on which it is accepted

    @property
    def is_over(self) -> bool:
        """Whether it is no longer accepted."""
        return self.expires is not None and date.today() > self.expires  # noqa: DTZ011 - the user's own day

    def covers(self, id: str, schema: str, object: str) -> bool:
        """Whether a finding is this one."""
        pairs = ((id, self.id), (schema, self.schema), (object, self.object))
        return all(fnmatch.fnmatchcase(value, pattern) for value, pattern in pairs)


def accepted(raw: Any) -> tuple[Accepted, ...]:
    """A list of ``{"id": …, "schema": …, "object": …, "reason": …}``, with or without ``"expires"``."""
    keys = {"id", "schema", "object", "reason"}
    if not isinstance(raw, list | tuple):
        raise ValueError("a list of dictionaries is expected")
    for entry in raw:
        fits = isinstance(entry, Mapping) and keys <= set(entry) <= keys | {"expires"}
        if not fits or not all(map(str, entry.values())):
            needed = ", ".join(sorted(keys))
            raise ValueError(f"each entry needs {needed}, and may have expires; not {entry!r}")
    return tuple(_one_accepted(entry) for entry in raw)


def _one_accepted(entry: Mapping[str, Any]) -> Accepted:
    words = {key: str(value) for key, value in entry.items()}
    day = words.pop("expires", "")
    try:
        return Accepted(**words, expires=date.fromisoformat(day) if day else None)
    except ValueError:
        raise ValueError(f"expires must be a day like 2027-03-31, not {day!r}") from None


def severities(raw: Any) -> tuple[tuple[str, str], ...]:
    """``{"index.*": "error"}``: patterns of ids, and how grave such findings are."""
    if not isinstance(raw, Mapping) or not all(value in ("error", "warning") for value in raw.values()):
        raise ValueError('a dictionary of ids and "error" or "warning" is expected')
    return tuple((str(id), str(severity)) for id, severity in raw.items())
