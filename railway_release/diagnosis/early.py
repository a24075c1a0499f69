"""Causes that can be told when not even the settings can be loaded."""

from __future__ import annotations

from pathlib import Path

from railway_release.diagnosis import files
from railway_release.diagnosis.causes import Cause, cause
from railway_release.errors import ReleaseError
from railway_release.postgres.failures import describe


def causes(error: ReleaseError, folder: Path) -> tuple[Cause, ...]:
    """The error that ended the diagnosis as a cause, and those that the files in this folder show."""
    return (ended(error), *files.causes(folder))


def failed(error: Exception) -> Cause:
    """The cause for an error of the database during the diagnosis."""
    seen = f"{type(error).__name__}: {describe(error)}"
    return cause(
        "inspection.ended", seen, "fix the other causes first; --log-level debug shows where it ended"
    )


def ended(error: ReleaseError) -> Cause:
    """The cause for an error with which a release would end, too."""
    return cause("inspection.ended", f"{error.id}: {error.message}", error.hint)
