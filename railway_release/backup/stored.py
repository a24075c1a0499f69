"""The backups of a destination: those with a manifest, and which of them are deleted with time."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from railway_release.backup.destination import Destination
from railway_release.backup.manifest import FILE, Manifest, is_name, is_piece, parse, time_of
from railway_release.errors import BackupFailed, UnknownName
from railway_release.runtime.program import PROGRAM
from railway_release.runtime.redact import redact
from railway_release.runtime.text import some

_UNPUBLISHED_DAYS = 1  # what is older and has no manifest belongs to a run that was killed


@dataclass(frozen=True)
class Stored:
    """A backup and its files."""

    manifest: Manifest  # without what its tables held: of many backups, that would be much
    files: tuple[str, ...]  # the manifest first


@dataclass(frozen=True)
class Found:
    """What a destination holds."""

    backups: tuple[Stored, ...] = ()  # oldest first
    broken: tuple[str, ...] = ()  # of each that cannot be used: its name, and why


def stored_backups(destination: Destination) -> Found:
    """Every backup that has a manifest; raises BackupFailed if the destination cannot be read at all."""
    sizes = destination.sizes()
    backups, broken = [], []
    for name in _names(sizes):
        files = [one for one in sizes if one.startswith(f"{name}/") and one != f"{name}/{FILE}"]
        try:
            manifest = replace(read_manifest(destination, f"{name}/{FILE}"), contents={})
        except BackupFailed as error:
            broken.append(f"{name}: {error.message}")
            continue
        lost = [piece.name for piece in manifest.pieces if sizes.get(piece.name) != piece.size]
        if lost:
            broken.append(f"{name}: {some(lost)} is missing, or has another size.")
        else:
            backups.append(Stored(manifest, (f"{name}/{FILE}", *files)))
    return Found(tuple(backups), tuple(broken))


def _names(sizes: Iterable[str]) -> list[str]:
    """The names of the backups with a manifest, oldest first."""
    found = (name.removesuffix(f"/{FILE}") for name in sizes if name.endswith(f"/{FILE}"))
    return sorted(filter(is_name, found))


def read_manifest(destination: Destination, name: str) -> Manifest:
    """The manifest that is stored under this name; raises BackupFailed."""
    text = b"".join(destination.read(name)).decode(errors="replace")
    manifest = parse(text, f"{name} in {destination.where}")
    if name != f"{manifest.name}/{FILE}":
        raise BackupFailed(f"{name} in {destination.where} is the manifest of {manifest.name}.")
    redact.show((*manifest.schemas, manifest.database))
    return manifest


def find_backup(destination: Destination, run: str, is_ours: Callable[[Manifest], bool]) -> Manifest:
    """The backup of this name or run id, or for ``latest`` the newest of ours; raises UnknownName."""
    names = _names(destination.sizes())
    if run == "latest" and names:
        return _newest(destination, names, is_ours)
    found = [name for name in names if is_called(name, run)]
    if run in found or len(found) == 1:
        return read_manifest(destination, f"{run if run in found else found[0]}/{FILE}")
    what = f"{run} may mean {' or '.join(found[:5])}." if found else f"There is no backup {run!r}."
    raise UnknownName(
        what, f"Known: {', '.join(names[-5:])}. {_all(destination)}" if names else _none(destination)
    )


def _all(destination: Destination) -> str:
    return f"`{PROGRAM} backups --backup-to {shlex.quote(destination.where)}` lists all."


def _none(destination: Destination) -> str:
    return f"There are none in {destination.where}; --backup-to or RELEASE_BACKUP_TO may name another place."


def _newest(destination: Destination, names: Sequence[str], is_ours: Callable[[Manifest], bool]) -> Manifest:
    """Several databases may keep their backups in one place."""
    for name in reversed(names):
        if is_ours(manifest := read_manifest(destination, f"{name}/{FILE}")):
            return manifest
    raise UnknownName(
        f"No backup in {destination.where} is of this database.",
        f"Name the one that you mean. {_all(destination)}",
    )


def later_backups(destination: Destination, manifest: Manifest) -> frozenset[str]:
    """The schemas that later runs were about to change, and backed up from the same database."""
    later = (one.manifest for one in stored_backups(destination).backups)
    return frozenset(
        schema
        for one in later
        if one.name > manifest.name
        and one.writes
        and one.is_beside(manifest)
        and one.run_id != manifest.run_id
        for schema in one.schemas
    ) - {manifest.shared_schema}


def is_called(name: str, run: str) -> bool:
    """Whether a person may mean this backup: its name consists of time, run id and commit."""
    return bool(run) and (name.startswith(run) or run in name.split("-")[1:2])


@dataclass(frozen=True)
class Retention:
    """Which backups are kept; 0 is without a limit."""

    runs: int  # as many, the newest
    days: int

    def outdated(
        self, backups: Iterable[Stored], newest: Manifest, present: Collection[str], now: datetime
    ) -> list[Stored]:
        """Those of the same database that are too old or too many, oldest first; never those of this run.

        One stays, whatever its age, while it is the newest proven backup of a schema that is `present`.
        """
        same = [one for one in backups if one.manifest.is_beside(newest)]
        runs = list(dict.fromkeys([newest.run_id, *(one.manifest.run_id for one in reversed(same))]))
        surplus = set(runs[max(1, self.runs) :]) if self.runs else set()
        kept, found = [newest], []
        for one in reversed(same):
            manifest = one.manifest
            age = timedelta(0) if manifest.run_id == newest.run_id else now - manifest.taken_at
            is_old = bool(self.days) and age > timedelta(days=self.days)
            if not (manifest.run_id in surplus or is_old) or _is_needed(manifest, kept, present):
                kept.append(manifest)
            else:
                found.append(one)
        return found[::-1]


def _is_needed(manifest: Manifest, kept: Iterable[Manifest], present: Collection[str]) -> bool:
    """Whether it holds a schema that no other one holds, proven as well."""
    blind = manifest.proof.level == "bytes"
    others = [one for one in kept if blind or one.proof.level != "bytes"]
    return (
        not set(manifest.schemas)
        .intersection(present)
        .issubset(name for one in others for name in one.schemas)
    )


def delete_unpublished(destination: Destination, now: datetime) -> None:
    """Delete archives without a manifest that runs have left more than a day ago; raises BackupFailed."""
    sizes = destination.sizes()
    published = set(_names(sizes))
    for name in sizes:
        backup, _, file = name.partition("/")
        if not (is_name(backup) and is_piece(file)) or backup in published:
            continue
        if now - time_of(backup) > timedelta(days=_UNPUBLISHED_DAYS):
            destination.delete([name])


def delete_backups(destination: Destination, backups: Iterable[Stored]) -> None:
    """Delete these, the manifest first: without it there is no backup. Raises BackupFailed."""
    for one in backups:
        destination.delete(one.files[:1])
        destination.delete(one.files[1:])
