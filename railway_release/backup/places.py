"""Opens the place where backups are kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from railway_release.backup.destination import Destination, Folder


def open_destination(place: str, environ: Mapping[str, str]) -> Destination:
    """The destination that this text names."""
    return Folder(Path(place))
