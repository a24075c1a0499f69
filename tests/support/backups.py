"""Backups by pg_dump: its stand-ins, what is stored, and the proof in this process."""

import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from railway_release.backup.archive import Tools
from railway_release.backup.clients import find_clients
from railway_release.backup.destination import Folder
from railway_release.backup.manifest import Manifest, parse
from railway_release.backup.proof import prove_reading

from .binaries import bin_dir, environment
from .release import Project


def stand_in(folder: Path, pg_dump: str = "", pg_restore: str = "") -> str:
    """A folder for RELEASE_BACKUP_BIN: programs of sh, in which REAL is the true one with all arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, script in {"pg_dump": pg_dump, "pg_restore": pg_restore}.items():
        real = bin_dir() / name
        (folder / name).write_text(
            "#!/bin/sh\n"
            # sh has no words for "my own arguments" within a function.
            f"alias REAL='{real} \"$@\"'\n"
            f'PSQL() {{ {bin_dir() / "psql"} -X -q -v ON_ERROR_STOP=1 "$@" >&2; }}\n'
            f'test "$1" = --version && exec {real} --version\n'
            f"{script or 'REAL'}\n"
        )
        (folder / name).chmod(0o755)
    return str(folder)


def manifests(folder: Path) -> list[Manifest]:
    """The backups of a folder, oldest first."""
    return [parse(path.read_text(), str(path)) for path in sorted(folder.glob("*/manifest.json"))]


def manifest(folder: Path) -> Manifest:
    """The only backup of a folder."""
    (only,) = manifests(folder)
    return only


def tools(**more: str) -> Tools:
    """The server's own programs; `encrypt` and `decrypt` are commands."""
    clients = find_clients(0, "", str(bin_dir()), {})
    return Tools(clients, environment(), time.monotonic() + 60, **more)


def prove(folder: Path, **more: str) -> None:
    """Read the only backup of a folder back; raises BackupFailed."""
    prove_reading(Folder(folder), manifest(folder), tools(**more))


def copied(folder: Path, to: Path) -> Path:
    """A copy of a folder of backups."""
    return Path(shutil.copytree(folder, to))


def asides(project: Project) -> list[str]:
    """The schemas that restores have put aside."""
    return project.database.lines("SELECT nspname FROM pg_namespace WHERE nspname LIKE '%\\_\\_before\\_%'")


def change(folder: Path, **keys: object) -> None:
    """Change keys of the only manifest."""
    (path,) = folder.glob("*/manifest.json")
    document: Mapping[str, object] = json.loads(path.read_text())
    path.write_text(json.dumps({**document, **keys}))


def processes(word: str) -> list[int]:
    """The processes with this word among their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
        except OSError:
            continue  # it has ended
    return found
