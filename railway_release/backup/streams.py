"""Bytes that flow through programs: what a program wrote counts only once it has ended with exit code 0."""

from __future__ import annotations

import contextlib
import contextvars
import os
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, ClassVar

from railway_release.errors import BackupFailed
from railway_release.runtime.redact import redact
from railway_release.runtime.visible import visible

BLOCK = 1 << 20  # bytes that are read at once
_LINES = 5  # of what a program said last, to be quoted in its error


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


def through(program: Program, chunks: Iterable[bytes] | None = None) -> Iterator[bytes]:
    """What the program writes while it reads `chunks`, in blocks.

    Raises BackupFailed at the end unless it ended with exit code 0 within its time, and whatever `chunks`
    raised: a reader that saw a mere end of file would take a truncated stream for a whole one.
    """
    with _started(program, chunks is not None) as process:
        said, feeder = _Lines(process.stderr, program.on_line), _Feeder(process.stdin, chunks)
        expired = _Deadline(process, program.deadline)
        with said.running(), feeder.running(), expired.running(), _ended_after_errors(process):
            while block := process.stdout.read(BLOCK):  # type: ignore[union-attr]  # it is a pipe
                yield block
            code = process.wait()
        feeder.check()
        if expired.reached:
            raise BackupFailed(
                f"{program.name} did not end within the time for the backup.",
                "--backup-timeout waits longer.",
            )
        if code:
            raise BackupFailed(f"{program.name} failed with {ended_with(code)}{said.quoted()}")


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
    """While entered, the program runs; it is ended at the exit.

    A signal right after its start would leave it alone, but without a reader it soon ends by itself.
    """
    try:
        process = subprocess.Popen(
            list(program.arguments),
            env=dict(program.environ),
            stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as cause:
        raise BackupFailed(f"{program.name} cannot be started: {cause}") from cause
    try:
        yield process
    finally:
        if process.poll() is None:
            end(process)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):  # what could not be written any more
                    stream.close()


@contextlib.contextmanager
def _ended_after_errors(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """While entered, an error ends the program, so that the threads beside it end, too."""
    try:
        yield
    except BaseException:
        end(process)
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
        self._last: deque[str] = deque(maxlen=_LINES)

    def work(self) -> None:
        """Take in each line."""
        with contextlib.suppress(ValueError, OSError):  # closed, since the program is not waited for
            for raw in self._stream or ():
                line = raw.decode(errors="replace").rstrip()
                self._last.append(line)
                self._on_line(line)

    def quoted(self) -> str:
        """The last lines, without secrets."""
        said = " ".join(visible(redact(line)) for line in self._last if line)
        return f": {said}" if said else ", without a word"


class _Feeder(_Thread):
    """Writes chunks to a program; what ends the chunks ends the program."""

    def __init__(self, stream: IO[bytes] | None, chunks: Iterable[bytes] | None) -> None:
        self._stream, self._chunks = stream, chunks
        self._raised: BaseException | None = None
        self._done = chunks is None

    def work(self) -> None:
        """Write all chunks and close; a program that reads no more is no error here: its exit code says."""
        try:
            for chunk in self._chunks or ():
                if self._stream is not None:
                    self._stream.write(chunk)
            self._done = True
        except (BrokenPipeError, ValueError):
            pass
        except BaseException as error:  # noqa: BLE001 - raised again where the bytes are read
            self._raised = error
        finally:
            _close(self._chunks)
            if self._stream is not None:
                with contextlib.suppress(OSError):
                    self._stream.close()

    def check(self) -> None:
        """Raise what the chunks raised."""
        if self._raised is not None:
            raise self._raised


def _close(chunks: Iterable[bytes] | None) -> None:
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
