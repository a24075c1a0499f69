"""The processors of structlog: from an event to one line of JSON, or one line for a terminal.

https://www.structlog.org/en/stable/processors.html
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from railway_release.runtime.plain import plain
from railway_release.runtime.redact import redact
from railway_release.runtime.screen import Screen
from railway_release.runtime.visible import json_for_terminals, visible
from railway_release.runtime.wrapping import wrapped

# Railway's levels; see https://docs.railway.com/guides/logs#structured-logs
_LEVELS = {"warning": "warn", "critical": "error", "exception": "error"}
# A DETAIL ends where the server's next part begins, or the next line of a traceback; its values may
# hold line breaks. https://www.postgresql.org/docs/current/protocol-error-fields.html
_DETAIL = re.compile(
    r"\n?\bDETAIL: .*?(?=\n(?:HINT|CONTEXT|LINE \d|Traceback|The above|During|  File)|\Z)", re.DOTALL
)
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
# Of these, rows are to be copied, or to be seen as they are: all, or those below the first. Of the others,
# those with an arrow, and those that are indented further than prose.
_VERBATIM = {
    **dict.fromkeys(("doctor.hinted", "release.crashed", "release.hinted", "repair.hinted"), 0),
    **dict.fromkeys(("log.forwarded", "remedy.proposed"), 1),
}
_COMMAND, _FURTHER = "-> ", " " * 4
_COLORS = {"warn": "\033[33m", "error": "\033[31m", "debug": "\033[2m"}
_NO_COLOR = "\033[0m"


def complete(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Add Railway's level, the time in UTC, and the event's name where there is no message."""
    event["level"] = _LEVELS.get(method, method)
    event["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + "Z"
    event.setdefault("message", event["event"])
    return event


def make_plain(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace every value by one that JSON can hold."""
    return {key: plain(value) for key, value in event.items()}


def cut_detail(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Cut the DETAIL of database errors, which quotes rows, out of every text."""
    return {key: _DETAIL.sub("", value) if isinstance(value, str) else value for key, value in event.items()}


def hide_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Redact every value."""
    return {key: redact(value) for key, value in event.items()}


def to_json(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """One JSON object on one line, which begins with message, level and event."""
    first = {key: event.pop(key) for key in ("message", "level", "event")}
    dumps = structlog.processors.JSONRenderer(ensure_ascii=False)
    return json_for_terminals(str(dumps(logger, method, {**first, **event})))


def to_line(screen: Screen, *, colors: bool) -> Processor:
    """A processor that writes ``15:42:59  error: message``; info has no level.

    Rows that are wider than the screen are broken between words, but for what is to be copied.
    """

    def render(_: WrappedLogger, __: str, event: EventDict) -> str:
        level, clock = event["level"], f"{event['timestamp'][11:19]}  "
        text = f"{'' if level == 'info' else f'{level}: '}{event['message']}"
        rows = [visible(row) for row in text.split("\n")] if event["event"] in _LAID_OUT else [visible(text)]
        if columns := screen.columns:
            rows = list(_fitted(rows, _VERBATIM.get(event["event"], len(rows)), columns - len(clock)))
        line = clock + f"\n{' ' * len(clock)}".join(rows)
        return f"{_COLORS[level]}{line}{_NO_COLOR}" if colors and level in _COLORS else line

    return render


def _fitted(rows: Sequence[str], prose: int, columns: int) -> Iterator[str]:
    """The rows, of which the first so many are prose, but for commands and SQL."""
    for number, row in enumerate(rows):
        copied = row.startswith(_FURTHER) or row.lstrip().startswith(_COMMAND)
        if len(row) <= columns or number >= prose or copied:
            yield row
        else:
            yield from wrapped(row, columns)
