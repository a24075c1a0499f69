"""Bytes that flow through programs: what a program wrote counts only once it has ended with exit code 0."""

from __future__ import annotations

import contextlib
import contextvars
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any, ClassVar

from railway_release.errors import BackupFailed
from railway_release.runtime.redact import redact
from railway_release.runtime.signals import kept
from railway_release.runtime.visible import visible

BLOCK = 1 << 20  # bytes that are read at once
_LINES = 5  # of what a program said, to be quoted in its error
_HEARD = 50  # are looked through for them
_MOST = 300  # characters of each
# How PostgreSQL's programs mark what matters among the lines that tell how far they are.
_MARKED = re.compile(r": (error|detail|hint): ")


@dataclass(frozen=True)
class Program:
    """A program with its arguments; `environ` is its whole environment."""

    arguments: Sequence[str]
    environ: Mapping[str, str]
    deadline: float  # time.monotonic()
    on_line: Callable[[str], None] = field(default=lambda _: None)  # called with each line of its stderr

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return os.path.basename(self.arguments[0])  # noqa: PTH119 - a name, not a file


def words(command: str) -> list[str]:
    """The words of a command of the user's, which no shell sees."""
    return shlex.split(command)


def through(
    program: Program, chunks: Iterable[bytes] | None = None, *, reads_all: bool = False
) -> Generator[bytes, None, None]:
    """What the program writes while it reads `chunks`, in blocks.

    Raises BackupFailed at the end unless it ended with exit code 0 within its time, and whatever `chunks`
    raised: a reader that saw a mere end of file would take a truncated stream for a whole one. With
    `reads_all`, a program that ends before it has taken in all chunks has failed, too.
    """
    with _started(program, chunks is not None) as process:
        said, feeder = _Lines(process.stderr, program.on_line), _Feeder(process.stdin, chunks)
        expired = _Deadline(process, program.deadline)
        with said.running(), feeder.running(), expired.running(), _ended_after_errors(process, feeder):
            while block := process.stdout.read1(BLOCK):  # type: ignore[union-attr]  # it is a pipe
                yield block
            code = process.wait()
            if code:
                feeder.end()
        feeder.check()
        if expired.reached:
            raise BackupFailed(
                f"{program.name} did not end within the time for the backup.",
                "--backup-timeout waits longer.",
            )
        if code:
            raise BackupFailed(f"{program.name} failed with {ended_with(code)}{said.quoted()}")
        if reads_all and not feeder.done:
            raise BackupFailed(f"{program.name} ended before it had read everything.")


def ended_with(code: int) -> str:
    """An exit code as subprocess has it, in words."""
    return f"exit code {code}" if code > 0 else f"signal {signal.Signals(-code).name}"


def end(process: subprocess.Popen[Any]) -> None:
    """Send SIGTERM to the process group, and SIGKILL after 3 s: children may ignore the first."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=3.0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def _started(program: Program, reads: bool) -> Iterator[subprocess.Popen[bytes]]:
    """While entered, the program runs; it is ended at the exit."""
    with kept(partial(_start, program, reads), _put_away) as process:
        if feeds := _feeds.get():
            feeds.add(process)
        yield process


def _start(program: Program, reads: bool) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(program.arguments),
            env=dict(program.environ),
            stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as cause:
        raise BackupFailed(f"{program.name} cannot be started: {cause}") from cause


def _put_away(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        end(process)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):  # what could not be written any more
                stream.close()


@contextlib.contextmanager
def _ended_after_errors(process: subprocess.Popen[bytes], feeder: _Feeder) -> Iterator[None]:
    """While entered, an error ends the program and those that feed it, so that the threads end, too."""
    try:
        yield
    except BaseException:
        end(process)
        feeder.end()
        raise


class _Thread:
    """A thread that works beside a program."""

    patience: ClassVar[float | None] = None  # seconds that its end is waited for; None is until it comes

    def stop(self) -> None:
        """Called when the program has ended."""

    def work(self) -> None:
        """What the thread does."""
        raise NotImplementedError

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """While entered, the thread works."""
        arguments = (self.work,)
        thread = threading.Thread(target=contextvars.copy_context().run, args=arguments, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.stop()
            thread.join(self.patience)


class _Lines(_Thread):
    """Reads what a program says, so that it never waits for a reader, and keeps the end."""

    patience = 1.0  # a grandchild may keep it open

    def __init__(self, stream: IO[bytes] | None, on_line: Callable[[str], None]) -> None:
        self._stream, self._on_line = stream, on_line
        self._last: deque[str] = deque(maxlen=_HEARD)

    def work(self) -> None:
        """Take in each line."""
        with contextlib.suppress(ValueError, OSError):  # closed, since the program is not waited for
            for raw in self._stream or ():
                line = raw.decode(errors="replace").rstrip()
                self._last.append(line)
                self._on_line(line)

    def quoted(self) -> str:
        """The lines that are errors, or the last ones; without secrets."""
        lines = [line for line in self._last if line]
        lines = [line for line in lines if _MARKED.search(line)][:_LINES] or lines[-_LINES:]
        said = " ".join(visible(redact(line))[:_MOST] for line in lines)
        return f": {said}" if said else ", without a word"


class _Feeder(_Thread):
    """Writes chunks to a program; what ends the chunks ends the program."""

    def __init__(self, stream: IO[bytes] | None, chunks: Iterable[bytes] | None) -> None:
        self._stream, self._chunks = stream, chunks
        self._raised: BaseException | None = None
        self._sources = _Sources()
        self.done = chunks is None  # whether the program took in all chunks

    def work(self) -> None:
        """Write all chunks and close; a program that reads no more is no error here: its exit code says."""
        _feeds.set(self._sources)
        try:
            self.done = all(map(self._write, self._chunks or ())) and self._flush()
        except BaseException as error:  # noqa: BLE001 - raised again where the bytes are read
            if not self._sources.ended:
                self._raised = error
        finally:
            close(self._chunks)
            if self._stream is not None:
                with contextlib.suppress(OSError):
                    self._stream.close()

    def end(self) -> None:
        """End the programs that the chunks come from: nobody reads them any more."""
        self._sources.end()

    def check(self) -> None:
        """Raise what the chunks raised."""
        if self._raised is not None:
            raise self._raised

    def _write(self, chunk: bytes) -> bool:
        """Whether the program took the chunk; errors of the chunks themselves are none of this one's."""
        try:
            if self._stream is not None:
                self._stream.write(chunk)
        except (BrokenPipeError, ValueError):  # it has ended, or its pipe was closed here
            return False
        return True

    def _flush(self) -> bool:
        try:
            if self._stream is not None:
                self._stream.flush()
        except (BrokenPipeError, ValueError):
            return False
        return True


class _Sources:
    """The programs that the chunks for another one come from."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: list[subprocess.Popen[bytes]] = []
        self.ended = False

    def add(self, process: subprocess.Popen[bytes]) -> None:
        """Take in one that has just started."""
        with self._lock:
            self._processes.append(process)
            ended = self.ended
        if ended:
            end(process)

    def end(self) -> None:
        """End all of them, and those that are still to start."""
        with self._lock:
            self.ended = True
        for process in self._processes:
            if process.poll() is None:
                end(process)


# In the thread that feeds a program: where the programs are noted that it starts for that.
_feeds: contextvars.ContextVar[_Sources | None] = contextvars.ContextVar("feeds", default=None)


def close(chunks: Iterable[bytes] | None) -> None:
    """End what makes these chunks, if anything does."""
    if isinstance(chunks, Iterator) and hasattr(chunks, "close"):
        chunks.close()


class _Deadline(_Thread):
    """Ends a program when its time is over."""

    def __init__(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        self._process, self._deadline = process, deadline
        self._ended = threading.Event()
        self.reached = False

    def stop(self) -> None:
        """The program has ended by itself."""
        self._ended.set()

    def work(self) -> None:
        """Wait for the program's end or for the deadline."""
        if not self._ended.wait(max(0.0, self._deadline - time.monotonic())):
            self.reached = True
            end(self._process)
