"""Capture: what anybody writes to stdout or stderr becomes log lines.

So do Django, django-tenants, the user's migrations and child processes, and stdout can be one JSON document
under ``--json``.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
import threading
import uuid
from collections.abc import Iterator
from typing import TextIO

from railway_release.runtime.log import get_logger
from railway_release.runtime.redact import redact

_AT_ONCE = 1 << 16  # bytes, which is what a pipe holds
_LONGEST = 100_000  # characters of one line
_OVERLAP = 500  # characters that are held back of a line that is cut: a secret may lie across its end

# The streams to the real stdout and stderr while those are captured.
_originals: list[TextIO] = []


class Capture:
    """While entered, whatever anybody writes to stdout or stderr becomes log lines at debug level.

    On the level of file descriptors, so that it holds for C libraries and child processes, too, and
    sys.stdout stays a real file. `stdout` and `stderr` are streams to the original ones.
    """

    def __enter__(self) -> Capture:
        self.stdout, self.stderr = (_opened(os.dup(descriptor)) for descriptor in (1, 2))
        _originals[:] = [self.stdout, self.stderr]
        self._end = uuid.uuid4().hex
        reading, writing = os.pipe()
        for descriptor in (1, 2):
            os.dup2(writing, descriptor)
        os.close(writing)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                # Whole lines, also with PYTHONUNBUFFERED, where the parts of workers' lines would mix.
                stream.reconfigure(line_buffering=True, write_through=False)
        self._reader = threading.Thread(
            target=_log_lines, args=(reading, self._end), name="captured", daemon=True
        )
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        # The end of the pipe may never come: a process that lives on holds it open.
        with contextlib.suppress(OSError):
            os.write(1, f"\n{self._end}\n".encode())
        for descriptor, real in ((1, self.stdout), (2, self.stderr)):
            os.dup2(real.fileno(), descriptor)
        self._reader.join(timeout=2.0)


def drop_original_streams() -> None:
    """In a forked process: let the original stdout and stderr lead into the pipe as well.

    A program that reads the release's output waits until no process can write there any more, and a worker
    may outlive its parent.
    """
    for stream in _originals:
        os.dup2(1, stream.fileno())


def _opened(descriptor: int) -> TextIO:
    return open(descriptor, "w", encoding="utf-8", errors="backslashreplace")


def _log_lines(descriptor: int, end: str) -> None:
    """Log what comes through the pipe, line by line, up to the line `end`."""
    with open(descriptor, "rb", buffering=0) as pipe:
        for lines in _lines(pipe):
            # Whoever prints waits meanwhile, so nothing is done for each line that can be done for many.
            logger = get_logger().bind()
            for line in lines:
                if line == end:
                    return
                if line.strip():
                    logger.debug("output.captured", message=line.rstrip())


def _lines(pipe: io.RawIOBase) -> Iterator[list[str]]:
    """Yield the lines that have come meanwhile; what comes without a line break may be endless."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)
    rest = ""
    while data := pipe.read(_AT_ONCE):
        *lines, rest = _redacted((rest + decoder.decode(data)).split("\n"))
        cut = max(0, len(rest) - _OVERLAP) // _LONGEST * _LONGEST
        yield [piece for line in (*lines, rest[:cut]) for piece in _pieces(line)]
        rest = rest[cut:]
    yield _pieces(rest)


def _redacted(lines: list[str]) -> list[str]:
    """Return the lines without secrets; few have any."""
    text = "\n".join(lines)
    return lines if redact(text) == text else list(map(redact, lines))


def _pieces(line: str) -> list[str]:
    return [line[start : start + _LONGEST] for start in range(0, len(line), _LONGEST)]
