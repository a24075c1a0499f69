"""Structured logs: one JSON object a line for Railway, readable lines on a terminal.

Everything that the process prints becomes a log line, also what Django, django-tenants and the user's
migrations print, so that stdout can be one JSON document under ``--json``.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sys
import threading
import time
import traceback
import uuid
from functools import partial
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from railway_release.runtime.platform import Platform
from railway_release.runtime.redact import redact
from railway_release.runtime.visible import json_for_terminals, laid_out, visible

# Railway's levels; see https://docs.railway.com/guides/logs#structured-logs
_LEVELS = {"warning": "warn", "critical": "error", "exception": "error"}
# A DETAIL ends where the server's next part begins, or the next line of a traceback; its values may
# hold line breaks. https://www.postgresql.org/docs/current/protocol-error-fields.html
_DETAIL = re.compile(
    r"\n?\bDETAIL: .*?(?=\n(?:HINT|CONTEXT|LINE \d|Traceback|The above|During|  File)|\Z)", re.DOTALL
)
_CONSOLES = {"<stdout>", "<stderr>", "/dev/stdout", "/dev/stderr", "/proc/self/fd/1", "/proc/self/fd/2"}
_LONGEST = 100_000  # characters of one text or line
_OVERLAP = 500
LEVELS = ("debug", "info", "warning", "error")
# Their text is several lines on purpose; everywhere else a line break came with somebody's data.
_LAID_OUT = {
    "cause.found",
    "error.explained",
    "log.forwarded",
    "plan.answered",
    "release.crashed",
    "release.failed",
    "remedy.proposed",
    "remedy.refused",
}


class Screen:
    """The terminal: log lines scroll, a status line stays below them."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._status = ""
        self._token = threading.Lock()  # captured output comes from a thread of its own

    def write(self, line: str) -> None:
        """Print a line above the status line."""
        with self._token, _ignoring_a_reader_that_is_gone():
            self.stream.write(f"{self._clear()}{line}\n{self._status}")
            self.stream.flush()

    def status(self, text: str) -> None:
        """Replace the status line; empty text takes it away."""
        with self._token, _ignoring_a_reader_that_is_gone():
            self.stream.write(self._clear() + visible(text))
            self._status = visible(text)
            self.stream.flush()

    def _clear(self) -> str:
        return "\r\033[K" if self._status else ""


# Where the process's own output leads while it is captured, and what ends the reading of what is.
_ways_out: list[TextIO] = []


class Capture:
    """While entered, whatever anybody writes to stdout or stderr becomes log lines at debug level.

    On the level of file descriptors, so that it holds for C libraries and child processes, too, and
    sys.stdout stays a real file. `stdout` and `stderr` lead out.
    """

    def __enter__(self) -> Capture:
        self.stdout, self.stderr = (_opened(os.dup(descriptor)) for descriptor in (1, 2))
        _ways_out[:] = [self.stdout, self.stderr]
        self._end = uuid.uuid4().hex
        reading, writing = os.pipe()
        for descriptor in (1, 2):
            os.dup2(writing, descriptor)
        os.close(writing)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(line_buffering=True)
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


def leave_the_screen_to_the_parent() -> None:
    """In a forked process: whoever reads the release's output waits until nobody can write there any more."""
    for way in _ways_out:
        os.dup2(1, way.fileno())


def plain(value: Any, depth: int = 10) -> Any:
    """The value as JSON has it, made of the standard types alone, so that no code of its class runs later."""
    try:
        return _plain(value, depth)
    except Exception:  # noqa: BLE001 - a class of the user's whose own text raises
        return f"<{type(value).__name__}>"


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int.__pos__(value)
    if isinstance(value, float):
        return float.__pos__(value)
    if isinstance(value, dict) and depth:
        return {str(_plain(key, 0)): plain(item, depth - 1) for key, item in dict.items(value)}
    if isinstance(value, list | tuple | set | frozenset) and depth:
        return [plain(item, depth - 1) for item in value]
    # By str's own method: its heirs may have others.
    return redact(str.__str__(value if isinstance(value, str) else str(value)))[:_LONGEST]


def get_logger() -> Any:
    """The logger of the release; events are dotted and past tense, `message` is for people."""
    return structlog.get_logger()


class Output:
    """Where log lines go; `start` may be called again once the configuration is known."""

    def __init__(self, stream: TextIO, platform: Platform, run_id: str) -> None:
        self.screen = Screen(stream)
        self.platform = platform
        self._fields = {"run_id": run_id, **platform.log_fields()}

    def start(self, format: str, level: str, *, show_values: bool = False) -> None:
        """Send everything of at least `level` as "json" or "console" lines; "auto" decides by the stream.

        Unless `show_values`, the DETAIL of database errors, which quotes rows, is cut out of every text.
        """
        terminal = self.screen.stream.isatty()
        as_json = format == "json" or (format != "console" and (self.platform.inside or not terminal))
        clean = _redacted if show_values else _redacted_without_detail
        render = _to_json if as_json else _to_line(terminal and not os.environ.get("NO_COLOR"))
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                self._identify,
                _complete,
                _made_plain,
                clean,
                render,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
            logger_factory=lambda *_: _Printer(self.screen),
            cache_logger_on_first_use=False,
        )
        take_over_stdlib(level)

    def _identify(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        """Not left to context variables, which threads do not inherit."""
        return {**self._fields, **event}


def take_over_stdlib(level: str) -> None:
    """Route the standard library's logging here; called again after Django has applied LOGGING.

    Handlers that write to the console go, since their lines would not be JSON; others (Sentry, files) stay.
    """
    everyone = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    for logger in [logging.root, *everyone]:
        for handler in [h for h in logger.handlers if _writes_to_console(h)]:
            logger.removeHandler(handler)
            logger.propagate = True
    logging.root.addHandler(_Bridge())
    logging.root.setLevel(min(logging.root.level or logging.WARNING, _number(level)))
    logging.captureWarnings(True)


def plain_traceback(error: BaseException) -> str:
    """A traceback without locals."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())


class _Printer:
    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def msg(self, line: str) -> None:
        self._screen.write(line)

    debug = info = warning = warn = error = critical = exception = log = msg


class _Bridge(logging.Handler):
    """Hands the records of the standard library on, under their logger's name."""

    def emit(self, record: logging.LogRecord) -> None:
        """What cannot be put into words is the standard library's to report, and no error of the caller's."""
        try:
            self._hand_on(record)
        except Exception:  # noqa: BLE001 - as in the standard library's own handlers
            self.handleError(record)

    def _hand_on(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            message = f"{message}\n{plain_traceback(record.exc_info[1])}"
        level = record.levelname.lower() if record.levelno >= logging.DEBUG else "debug"
        emit = getattr(get_logger(), level, get_logger().info)
        emit("log.forwarded", message=message, logger=record.name)


def _ignoring_a_reader_that_is_gone() -> contextlib.AbstractContextManager[None]:
    """`| grep -m1` or a full disk must not end a release in the middle."""
    return contextlib.suppress(OSError)


def _opened(descriptor: int) -> TextIO:
    return open(descriptor, "w", encoding="utf-8", errors="backslashreplace")


def _log_lines(descriptor: int, end: str) -> None:
    with open(descriptor, encoding="utf-8", errors="replace") as lines:
        rest = ""
        # What comes without a line break may be endless.
        for piece in iter(partial(lines.readline, _LONGEST), ""):
            if piece.rstrip() == end:
                break
            # A secret may lie across the end of a piece.
            line, cut = redact(rest + piece), None if piece.endswith("\n") else -_OVERLAP
            line, rest = line[:cut], line[cut:] if cut else ""
            if line.strip():
                get_logger().debug("output.captured", message=line.rstrip())


def _writes_to_console(handler: logging.Handler) -> bool:
    if isinstance(handler, _Bridge):
        return True
    name = getattr(getattr(handler, "stream", None), "name", "")
    return isinstance(handler, logging.StreamHandler) and name in _CONSOLES


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


def _complete(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event["level"] = _LEVELS.get(method, method)
    event["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + "Z"
    event.setdefault("message", event["event"])
    return event


def _made_plain(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {key: plain(value) for key, value in event.items()}


def _redacted(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {key: redact(value) for key, value in event.items()}


def _redacted_without_detail(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    cut = {key: _DETAIL.sub("", value) if isinstance(value, str) else value for key, value in event.items()}
    return _redacted(logger, method, cut)


def _to_json(logger: WrappedLogger, method: str, event: EventDict) -> str:
    first = {key: event.pop(key) for key in ("message", "level", "event")}
    dumps = structlog.processors.JSONRenderer(ensure_ascii=False)
    return json_for_terminals(str(dumps(logger, method, {**first, **event})))


def _to_line(colors: bool) -> Any:
    marks = {"warn": "\033[33m", "error": "\033[31m", "debug": "\033[2m"} if colors else {}

    def render(_: WrappedLogger, __: str, event: EventDict) -> str:
        level, clock = event["level"], event["timestamp"][11:19]
        word = "" if level == "info" else f"{level}: "
        text = str(event["message"])
        shown = laid_out(text, " " * len(f"{clock}  ")) if event["event"] in _LAID_OUT else visible(text)
        line = f"{clock}  {word}{shown}"
        return f"{marks[level]}{line}\033[0m" if level in marks else line

    return render
