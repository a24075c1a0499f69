"""Line: one line of a summary."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Line:
    """One line of the summary, with the level at which it is logged."""

    level: Level
    event: str
    text: str

    @property
    def number(self) -> int:
        """The level as the standard library counts it."""
        return logging.getLevelNamesMapping()[self.level.upper()]
