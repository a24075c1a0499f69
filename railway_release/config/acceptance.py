"""The settings ACCEPT and SEVERITY: findings that the user accepts, and severities that the user changes."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True)
class Accepted:
    """Findings that the user accepts as no errors; id, schema and object are shell patterns."""

    id: str
    schema: str
    object: str
    reason: str
    expires: date | None = None  # the last day on which it is accepted

    @property
    def has_expired(self) -> bool:
        """Whether the last day has passed."""
        return self.expires is not None and date.today() > self.expires  # noqa: DTZ011 - the user's own day

    def covers(self, id: str, schema: str, object: str) -> bool:
        """Whether the finding with this id, schema and object is accepted by it."""
        pairs = ((id, self.id), (schema, self.schema), (object, self.object))
        return all(fnmatch.fnmatchcase(value, pattern) for value, pattern in pairs)


def accepted(raw: Any) -> tuple[Accepted, ...]:
    """Parse a list of ``{"id": …, "schema": …, "object": …, "reason": …}``, with or without ``"expires"``.

    Raises ValueError for anything else.
    """
    keys = {"id", "schema", "object", "reason"}
    if not isinstance(raw, list | tuple):
        raise ValueError("a list of dictionaries is expected")
    for entry in raw:
        has_keys = isinstance(entry, Mapping) and keys <= set(entry) <= keys | {"expires"}
        if not has_keys or not all(map(str, entry.values())):
            needed = ", ".join(sorted(keys))
            raise ValueError(f"each entry needs {needed}, and may have expires; not {entry!r}")
    return tuple(_one_accepted(entry) for entry in raw)


def _one_accepted(entry: Mapping[str, Any]) -> Accepted:
    texts = {key: str(value) for key, value in entry.items()}
    day = texts.pop("expires", "")
    try:
        return Accepted(**texts, expires=date.fromisoformat(day) if day else None)
    except ValueError:
        raise ValueError(f"expires must be a day like 2027-03-31, not {day!r}") from None


def severities(raw: Any) -> tuple[tuple[str, str], ...]:
    """Parse ``{"index.*": "error"}``: shell patterns of ids, and the severity of such findings, as pairs.

    Raises ValueError for anything else.
    """
    if not isinstance(raw, Mapping) or not all(value in ("error", "warning") for value in raw.values()):
        raise ValueError('a dictionary of ids and "error" or "warning" is expected')
    return tuple((str(id), str(severity)) for id, severity in raw.items())
