"""psql as a program to be run, alone or several at once."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.processes import Program
from tests.support.binaries import bin_dir


def replay(url: str, script: Path) -> Program:
    """psql that runs a file and stops at the first error."""
    words = ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-d", url, "-f", str(script))
    return Program([str(bin_dir() / "psql"), *words], script.parent, {"LC_ALL": "C"})


def literals(names: Sequence[str]) -> str:
    """An array constructor."""
    return f"ARRAY[{', '.join(repr(name) for name in names)}]::text[]"


def batches(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """The names, so many at a time."""
    for start in range(0, len(names), size):
        yield names[start : start + size]
