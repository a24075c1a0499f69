"""Memory: the peak of a process, and what its workers have for themselves, sampled while they work."""

import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.processes import Program, output_of

MEGABYTE = 1024 * 1024

_PROC = Path("/proc")
_PERIOD = 0.1
_OWN_PEAK = "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"


@dataclass
class Samples:
    """Bytes; the workers' in the order of time."""

    peak: int = 0
    workers: dict[int, list[int]] = field(default_factory=dict)

    def early(self) -> int:
        """The most that a worker had in the first quarter of its life; its first moments are its start."""
        return max((max(one[: max(1, len(one) // 4)]) for one in self.workers.values()), default=0)

    def late(self) -> int:
        """The most that a worker had in the last quarter of its life."""
        return max((max(one[-max(1, len(one) // 4) :]) for one in self.workers.values()), default=0)


def available() -> bool:
    """Whether this system tells."""
    return (_PROC / "self" / "smaps_rollup").exists()


def peak_of_set_up(program: Program) -> int:
    """The peak of a process that imports Django and sets it up."""
    words = [*program.words[:-1], f"{program.words[-1]}; {_OWN_PEAK}"]
    return _kilobytes(output_of(Program(words, program.folder, program.environ)), "VmHWM")


def sampled(program: Program) -> Samples:
    """Run a program and look at it and its children now and then."""
    samples, ended = Samples(), threading.Event()
    process = program.start(subprocess.DEVNULL)
    watcher = threading.Thread(target=_watch, args=(process.pid, samples, ended))
    watcher.start()
    code = process.wait()
    ended.set()
    watcher.join()
    if code:
        raise BenchmarkError(f"{program.words} ended with {code}")
    return samples


def _watch(pid: int, samples: Samples, ended: threading.Event) -> None:
    while not ended.wait(_PERIOD):
        samples.peak = max(samples.peak, _kilobytes(_read(_PROC / str(pid) / "status"), "VmHWM"))
        for child in _children(pid):
            if private := _private(child):
                samples.workers.setdefault(child, []).append(private)


def _children(pid: int) -> list[int]:
    lists = (_read(task / "children") for task in (_PROC / str(pid) / "task").glob("*"))
    return [int(child) for children in lists for child in children.split()]


def _private(pid: int) -> int:
    """What a process shares with no other."""
    text = _read(_PROC / str(pid) / "smaps_rollup")
    return _kilobytes(text, "Private_Clean") + _kilobytes(text, "Private_Dirty")


def _kilobytes(text: str, name: str) -> int:
    lines = (line for line in text.splitlines() if line.startswith(f"{name}:"))
    return sum(int(line.split()[1]) * 1024 for line in lines)


def _read(path: Path) -> str:
    """Nothing if the process is gone."""
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
