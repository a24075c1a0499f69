"""Structured logs: one JSON object a line for Railway, readable lines for people everywhere else."""

from __future__ import annotations

import logging
import os
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from railway_release.runtime import processors
from railway_release.runtime.plain import plain_traceback
from railway_release.runtime.platform import Platform
from railway_release.runtime.screen import Screen

LEVELS = ("debug", "info", "warning", "error")
_CONSOLES = {"<stdout>", "<stderr>", "/dev/stdout", "/dev/stderr", "/proc/self/fd/1", "/proc/self/fd/2"}


def get_logger() -> Any:
    """The logger of the release; events are dotted and past tense, `message` is for people."""
    return structlog.get_logger()


class Output:
    """Where log lines go; `start` may be called again once the configuration is known."""

    def __init__(self, screen: Screen, platform: Platform, run_id: str) -> None:
        self.screen = screen
        self.platform = platform
        self._fields = {"run_id": run_id, **platform.log_fields()}

    def start(self, format: str, level: str, *, show_values: bool = False) -> None:
        """Send everything of at least `level` as "json" or "console" lines; "auto" is JSON on Railway alone.

        Unless `show_values`, the DETAIL of database errors, which quotes rows, is cut out of every text.
        """
        terminal = self.screen.stream.isatty()
        as_json = format == "json" or (format != "console" and self.platform.inside)
        colors = terminal and not os.environ.get("NO_COLOR")
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                self._identify,
                processors.complete,
                processors.make_plain,
                *([] if show_values else [processors.cut_detail]),
                processors.hide_secrets,
                processors.to_json if as_json else processors.to_line(self.screen, colors=colors),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
            logger_factory=lambda *_: _Printer(self.screen),
            cache_logger_on_first_use=False,
        )
        take_over_stdlib(level)

    def _identify(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        """Add the run and the deployment: context variables would not, since threads do not inherit them."""
        return {**self._fields, **event}


def take_over_stdlib(level: str) -> None:
    """Route the standard library's logging here; called again after Django has applied LOGGING.

    Handlers that write to the console go, since their lines would not be JSON; others (Sentry, files) stay.
    """
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    for logger in [logging.root, *loggers]:
        for handler in [h for h in logger.handlers if _writes_to_console(h)]:
            logger.removeHandler(handler)
            logger.propagate = True
    logging.root.addHandler(_Bridge())
    logging.root.setLevel(min(logging.root.level or logging.WARNING, _number(level)))
    logging.captureWarnings(True)


class _Printer:
    """The logger that structlog wraps: it prints every level alike."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def msg(self, line: str) -> None:
        self._screen.write(line)

    debug = info = warning = warn = error = critical = exception = log = msg


class _Bridge(logging.Handler):
    """Logs the records of the standard library as events of ours, with the name of their logger."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record; one that cannot be formatted is the standard library's to report."""
        try:
            self._forward(record)
        except Exception:  # noqa: BLE001 - as in the standard library's own handlers
            self.handleError(record)

    def _forward(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            message = f"{message}\n{plain_traceback(record.exc_info[1])}"
        level = record.levelname.lower() if record.levelno >= logging.DEBUG else "debug"
        emit = getattr(get_logger(), level, get_logger().info)
        emit("log.forwarded", message=message, logger=record.name)


def _writes_to_console(handler: logging.Handler) -> bool:
    if isinstance(handler, _Bridge):
        return True
    name = getattr(getattr(handler, "stream", None), "name", "")
    return isinstance(handler, logging.StreamHandler) and name in _CONSOLES


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]
