"""Lines of a summary."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Line:
    """One line, with the level and the event under which it is logged."""

    level: Level
    event: str
    text: str

    @property
    def number(self) -> int:
        """The level as a number of the logging module."""
        return logging.getLevelNamesMapping()[self.level.upper()]
