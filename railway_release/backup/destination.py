"""Where backups are kept: a protocol, and a folder as the simplest of its kinds."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from railway_release.backup.streams import BLOCK
from railway_release.errors import BackupFailed

# Written there, and never published: what is older belongs to a run that has ended.
UNFINISHED_SECONDS = 24 * 3600.0
_UNFINISHED = ".unfinished"


class Destination(Protocol):
    """A place that keeps bytes under names; names are relative and may hold slashes."""

    @property
    def where(self) -> str:
        """What people call it, without secrets."""
        ...

    def write(self, name: str, chunks: Iterable[bytes], expected_size: int) -> None:
        """Keep what `chunks` yields, durably; if that raises, nothing of it is kept under the name.

        `expected_size` is about how many bytes come. Raises BackupFailed.
        """
        ...

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes kept under a name, in blocks; raises BackupFailed."""
        ...

    def sizes(self, prefix: str = "") -> Mapping[str, int]:
        """The size in bytes of everything whose name begins with `prefix`; raises BackupFailed."""
        ...

    def delete(self, names: Iterable[str]) -> None:
        """Delete these; what is not there is no error. Raises BackupFailed."""
        ...

    def delete_unfinished(self) -> None:
        """Delete what runs that ended more than a day ago have left unfinished."""
        ...


class Folder:
    """A folder; files are readable by their owner alone, and get their name once they are complete."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def where(self) -> str:
        """Its path."""
        return str(self._folder)

    @property
    def is_mounted(self) -> bool:
        """Whether it lies on a file system of its own, such as a volume, and not on the container's."""
        path = self._folder.absolute()
        return any(one.is_mount() for one in (path, *path.parents) if one != one.parent)

    def write(self, name: str, chunks: Iterable[bytes], expected_size: int) -> None:  # noqa: ARG002 - for stores that plan by it
        """Write a file, and give it its name once it is on the disk."""
        path = self._folder / name
        unfinished = path.with_name(f"{path.name}{_UNFINISHED}")
        with _telling(f"{path} cannot be written"):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                _write(unfinished, chunks)
                unfinished.rename(path)
                for folder in (path.parent, self._folder):
                    _sync(folder)
            except BaseException:
                for one in (unfinished, path):
                    one.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # others are in it
                    path.parent.rmdir()
                raise

    def read(self, name: str) -> Iterator[bytes]:
        """The file's blocks."""
        with _telling(f"{self._folder / name} cannot be read"), (self._folder / name).open("rb") as file:
            while block := file.read(BLOCK):
                yield block

    def sizes(self, prefix: str = "") -> Mapping[str, int]:
        """The complete files below the folder."""
        with _telling(f"{self._folder} cannot be listed"):
            files = [path for path in self._folder.rglob("*") if path.is_file()]
            named = {path.relative_to(self._folder).as_posix(): path for path in files}
            return {
                name: path.stat().st_size
                for name, path in sorted(named.items())
                if name.startswith(prefix) and not name.endswith(_UNFINISHED)
            }

    def delete(self, names: Iterable[str]) -> None:
        """Delete these files, and folders that they leave empty."""
        with _telling(f"{self._folder} cannot be tidied up"):
            for path in [self._folder / name for name in names]:
                path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # others are in it
                    path.parent.rmdir()

    def delete_unfinished(self) -> None:
        """Delete files that got no name."""
        with _telling(f"{self._folder} cannot be tidied up"):
            for path in self._folder.rglob(f"*{_UNFINISHED}"):
                if time.time() - path.stat().st_mtime > UNFINISHED_SECONDS:
                    path.unlink(missing_ok=True)


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make the new name durable, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _telling(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupFailed(f"{what}: {error.strerror or error}.") from error
