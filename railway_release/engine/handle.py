"""Member: one worker process, as its parent knows it."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import time
import warnings
from collections import deque
from collections.abc import Sequence
from multiprocessing.context import ForkProcess

from railway_release.engine.attempt import SchemaRunner
from railway_release.engine.channel import Channel, channels
from railway_release.engine.worker import RunTask, Worker
from railway_release.migrations.outcome import Key
from railway_release.runtime import log


class WorkerHandle:
    """What it has in hand is what it was given and has not answered; `lock` is the release lock's socket."""

    def __init__(
        self, run_task: RunTask, runner: SchemaRunner, others: Sequence[WorkerHandle], lock: int
    ) -> None:
        context = multiprocessing.get_context("fork")
        self.channel, theirs = channels()
        self.tasks: deque[int] = deque()  # oldest first
        self.sessions: dict[int, int] = {}  # the server's process id, by thread
        self.holding: Key | None = None  # a migration that is not atomic
        self.deadline = math.inf  # when it is to be ended, once it was told to stop
        self.ended_by_us = False
        self.spent = 0.0  # of the budget for retries, as far as it has told
        self.frozen = False
        parents = [self.channel, *(other.channel for other in others)]
        self.process: ForkProcess = context.Process(
            target=_work, args=(theirs, parents, run_task, runner, lock)
        )
        with warnings.catch_warnings():
            # Python warns of forking with threads, whose locks the child might wait for. The child uses
            # nothing of the two that there are: the watch's connection, and the screen.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process.start()
        theirs.close()

    def freeze(self) -> bool:
        """Stop it where it is, so that what it has said by now is all; whether that has happened."""
        pid = self.process.pid or 0
        with contextlib.suppress(OSError):
            if not self.frozen:
                os.kill(pid, signal.SIGSTOP)
                self.frozen = True
                return False
            # Not waited for to its end, which is multiprocessing's to do.
            return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        return False

    def thaw(self, deadline: float) -> None:
        """Let it go on until then."""
        self.deadline, self.frozen = deadline, False
        with contextlib.suppress(OSError):
            os.kill(self.process.pid or 0, signal.SIGCONT)

    def end(self) -> None:
        """Its end is noticed as any other's."""
        self.ended_by_us, self.deadline = True, math.inf
        self.process.kill()

    def bury(self) -> None:
        """It is gone, or has to be."""
        self.process.kill()
        self.process.join(timeout=5)
        self.channel.close()

    def dismiss(self, until: float) -> bool:
        """Wait for its own end; whether that came in time. It was told to leave."""
        timeout = None if self.holding else max(0.0, until - time.monotonic())
        self.process.join(timeout=timeout)
        in_time = not self.process.is_alive()
        self.bury()
        return in_time

    def how(self) -> str:
        """In which way it ended."""
        code = self.process.exitcode or 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"the worker process {self.process.pid} {how}"


def _work(
    channel: Channel, parents: list[Channel], run_task: RunTask, runner: SchemaRunner, lock: int
) -> None:
    # Held open here, they would hide the parent's end from the others.
    for one in parents:
        one.close()
    log.leave_the_screen_to_the_parent()
    Worker(channel, run_task, runner, (lock,)).run()
