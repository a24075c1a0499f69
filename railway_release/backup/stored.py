"""The backups of a destination: those with a manifest, and which of them are deleted with time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from railway_release.backup.destination import Destination
from railway_release.backup.manifest import FILE, Manifest, parse
from railway_release.errors import UnknownName
from railway_release.runtime.program import PROGRAM


@dataclass(frozen=True)
class Stored:
    """A backup and its files."""

    manifest: Manifest
    files: tuple[str, ...]  # the manifest first


def stored_backups(destination: Destination) -> list[Stored]:
    """Every backup that has a manifest, oldest first; raises BackupFailed if one cannot be read."""
    sizes = destination.sizes()
    found = []
    for name in sorted(name for name in sizes if name.endswith(f"/{FILE}")):
        folder = name.removesuffix(FILE)
        manifest = read_manifest(destination, name)
        found.append(
            Stored(manifest, (name, *(one for one in sizes if one.startswith(folder) and one != name)))
        )
    return found


def read_manifest(destination: Destination, name: str) -> Manifest:
    """The manifest that is stored under this name; raises BackupFailed."""
    text = b"".join(destination.read(name)).decode(errors="replace")
    return parse(text, f"{name} in {destination.where}")


def find_backup(destination: Destination, run: str) -> Manifest:
    """The backup of this name or run id, or the newest for ``latest``; raises UnknownName."""
    names = sorted(name.split("/")[0] for name in destination.sizes() if name.endswith(f"/{FILE}"))
    found = names[-1:] if run == "latest" else [name for name in names if is_called(name, run)]
    if len(found) == 1:
        return read_manifest(destination, f"{found[0]}/{FILE}")
    known = f"Known: {', '.join(names[-5:])}." if names else f"There are none in {destination.where}."
    what = f"{run} may mean {' or '.join(found[:5])}." if found else f"There is no backup {run!r}."
    raise UnknownName(what, f"{known} `{PROGRAM} backups` lists all.")


def later_backups(destination: Destination, manifest: Manifest) -> frozenset[str]:
    """The schemas that newer backups of the same database hold."""
    names = sorted(name for name in destination.sizes() if name.endswith(f"/{FILE}"))
    later = (read_manifest(destination, name) for name in names if name.split("/")[0] > manifest.name)
    return frozenset(
        schema
        for one in later
        if one.database == manifest.database and one.run_id != manifest.run_id
        for schema in one.schemas
    ) - {manifest.shared_schema}


def is_called(name: str, run: str) -> bool:
    """Whether a person may mean this backup: its name consists of time, run id and commit."""
    return bool(run) and (name.startswith(run) or run in name.split("-")[1:2])


def to_delete(
    backups: Sequence[Stored], newest: Manifest, keep: int, days: int, now: datetime
) -> list[Stored]:
    """Which backups of the same database are too old or too many; never `newest`, which is proven."""
    older = [one for one in backups if one.manifest.database == newest.database]
    older = [one for one in older if one.manifest.name < newest.name]
    too_many = older[: max(0, len(older) + 1 - keep)] if keep else []
    too_old = [one for one in older if days and now - one.manifest.taken_at > timedelta(days=days)]
    return [one for one in older if one in too_many or one in too_old]


def delete_backups(destination: Destination, backups: Iterable[Stored]) -> None:
    """Delete these, the manifest first: without it there is no backup. Raises BackupFailed."""
    for one in backups:
        destination.delete(one.files[:1])
        destination.delete(one.files[1:])
