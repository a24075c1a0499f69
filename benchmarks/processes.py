"""Runs what is measured as users do: a process of its own, timed from start to end."""

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError

_TAIL = 3000


@dataclass(frozen=True)
class Program:
    """A command, where it runs, and what it finds in its environment."""

    words: Sequence[str]
    folder: Path
    environ: Mapping[str, str]

    def start(self, output: int) -> subprocess.Popen[bytes]:
        """Start it and do not wait."""
        return subprocess.Popen(
            self.words,
            cwd=self.folder,
            env={**clean_environ(), **self.environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def clean_environ() -> dict[str, str]:
    """The environment without anything that would change what is measured."""
    strangers = ("RAILWAY_", "RELEASE_", "DATABASE_", "PG", "DJANGO_", "EXECUTOR", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(strangers)}


def timed(*programs: Program) -> float:
    """The seconds until all of them have ended, having begun at the same time."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        running = [program.start(output.fileno()) for program in programs]
        codes = [process.wait() for process in running]
        seconds = time.perf_counter() - started
        if any(codes):
            raise BenchmarkError(f"{programs[0].words} ended with {codes}:\n{_tail(output.fileno())}")
    return seconds


def output_of(program: Program) -> str:
    """What a program wrote."""
    with tempfile.TemporaryFile() as output:
        if program.start(output.fileno()).wait():
            raise BenchmarkError(f"{program.words} failed:\n{_tail(output.fileno())}")
        output.seek(0)
        return output.read().decode()


def _tail(descriptor: int) -> str:
    os.lseek(descriptor, max(0, os.lseek(descriptor, 0, os.SEEK_END) - _TAIL), os.SEEK_SET)
    return os.read(descriptor, _TAIL).decode(errors="replace")
