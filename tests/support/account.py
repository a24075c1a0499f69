"""The account PostgreSQL runs as, and the directories that account can use."""

import os
import pwd
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypedDict


class SupportError(RuntimeError):
    """The server, or something it needs, could not be used."""


class ProcessAccount(TypedDict):
    user: int | None
    group: int | None
    extra_groups: list[int] | None


AS_WE_ARE: ProcessAccount = {"user": None, "group": None, "extra_groups": None}


def is_root() -> bool:
    return os.geteuid() == 0


@cache
def account() -> pwd.struct_passwd:
    """Return the account the server runs as: PostgreSQL refuses to run as root."""
    if not is_root():
        return pwd.getpwuid(os.geteuid())
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise SupportError("root needs an unprivileged account (postgres or nobody) to run PostgreSQL as")


def process_account() -> ProcessAccount:
    """Return the arguments of subprocess that make a child drop to the server's account."""
    if not is_root():
        return AS_WE_ARE
    return {"user": account().pw_uid, "group": account().pw_gid, "extra_groups": []}


def give_to_account(path: Path) -> None:
    if is_root():
        os.chown(path, account().pw_uid, account().pw_gid)


def open_to_others(path: Path) -> bool:
    readable = path.stat().st_mode & 0o005 == 0o005
    return readable and all(parent.stat().st_mode & 0o001 for parent in path.parents)


def temp_dir() -> Path:
    preferred = Path(tempfile.gettempdir()).resolve()
    if is_root() and not open_to_others(preferred):
        return Path("/tmp").resolve()  # noqa: S108 - the names made below it are checked or unpredictable
    return preferred


def shared_dir() -> Path:
    """Return our own directory in the temporary one, refusing one that somebody else prepared."""
    path = temp_dir() / f"railway-release-{os.geteuid()}"
    with suppress(FileExistsError):
        path.mkdir()
        path.chmod(0o755)
    found = path.lstat()
    if path.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise SupportError(f"{path} is not a directory of this user's alone: remove it")
    return path
