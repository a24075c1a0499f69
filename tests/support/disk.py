"""A file system that is soon full."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .account import is_root


@contextmanager
def small_file_system(size: str) -> Iterator[Path]:
    """A folder with room for this much, such as ``200k``; skips the test where none can be mounted."""
    if not is_root() or not shutil.which("mount"):
        pytest.skip("only root can mount a small file system")
    folder = Path(tempfile.mkdtemp(prefix="railway-release-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()
