"""Running the script on a real pseudo-terminal, with somebody who answers."""

import os
import pty
import time
from collections.abc import Callable
from dataclasses import dataclass

from . import warm
from .release import SCRIPT, Project
from .warm import Process

PROMPT = "Type the environment's name"


@dataclass(frozen=True)
class Session:
    """What a person at the terminal saw."""

    code: int
    text: str


Answer = str | Callable[[Process], object]


def on_terminal(
    project: Project, *words: str, answer: Answer = "", seconds: float = 60, **environ: str
) -> Session:
    """Run the script to its end on a terminal; `answer` is typed, or called, once the question is asked."""
    master, slave = pty.openpty()
    environ = project.environ(**{"TERM": "xterm", **environ})
    process = warm.start_on(slave, SCRIPT, words, project.folder, environ)
    os.close(slave)
    try:
        text = _converse(master, process, answer, time.monotonic() + seconds)
    except BaseException:
        process.kill()
        raise
    finally:
        os.close(master)
    return Session(process.wait(), text)


def _converse(master: int, process: Process, answer: Answer, deadline: float) -> str:
    seen, answered = b"", False
    while chunk := _read(master):
        seen += chunk
        assert time.monotonic() < deadline, f"no end in sight after:\n{seen.decode()}"
        if not answered and PROMPT.encode() in seen:
            answered = True
            if callable(answer):
                answer(process)
            else:
                os.write(master, answer.encode())
    return seen.decode().replace("\r\n", "\n")


def _read(master: int) -> bytes:
    try:
        return os.read(master, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""
