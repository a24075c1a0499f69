"""One worker process, as its parent sees it."""

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
from railway_release.engine.channel import Channel, channel_pair
from railway_release.engine.worker import RunTask, Worker
from railway_release.migrations.outcome import Key
from railway_release.runtime.capture import drop_original_streams
from railway_release.runtime.waiting import Pauses


class WorkerHandle:
    """Forks the worker process, and holds what the parent knows of it.

    `others` are the workers that run already, and `lock` is the file descriptor of the release lock's
    connection: the new process inherits both, and must not use them.
    """

    def __init__(
        self, run_task: RunTask, runner: SchemaRunner, others: Sequence[WorkerHandle], lock: int
    ) -> None:
        self.channel, theirs = channel_pair()
        self.tasks: deque[int] = deque()  # given and not answered yet, oldest first
        self.sessions: dict[int, int] = {}  # the server's process id, by thread
        self.not_atomic: Key | None = None  # the running migration, if it is not atomic
        self.deadline = math.inf  # time.monotonic() when it is killed, once it was told to stop
        self.killed_by_parent = False
        self.spent = 0.0  # seconds of the budget for retries, as far as it has reported
        self.suspended = False
        self.pauses = Pauses()  # since the first of the tasks began
        parents = [self.channel, *(other.channel for other in others)]
        arguments = (theirs, parents, run_task, runner, lock)
        self.process = multiprocessing.get_context("fork").Process(target=_run_worker, args=arguments)
        _start(self.process)
        theirs.close()

    def take(self, number: int) -> None:
        """Note that the process was given a task."""
        if not self.tasks:
            self.pauses = Pauses()
        self.tasks.append(number)

    def give_back(self, number: int) -> None:
        """Note that a task has ended, and the next one begun."""
        self.tasks.remove(number)
        self.pauses = Pauses()

    def suspend(self) -> bool:
        """Suspend the process, so that it sends nothing more; returns whether it has stopped.

        The first call sends the signal, later ones ask for its effect.
        """
        pid = self.process.pid or 0
        with contextlib.suppress(OSError):
            if not self.suspended:
                os.kill(pid, signal.SIGSTOP)
                self.suspended = True
                return False
            # WNOWAIT leaves the exit code to multiprocessing.
            return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        return False

    def resume(self, deadline: float) -> None:
        """Let the suspended process go on until `deadline`, a time.monotonic()."""
        self.deadline, self.suspended = deadline, False
        with contextlib.suppress(OSError):
            os.kill(self.process.pid or 0, signal.SIGCONT)

    def kill(self) -> None:
        """Kill the process; the pool notices its end like that of any other."""
        self.killed_by_parent, self.deadline = True, math.inf
        self.process.kill()

    def reap(self) -> None:
        """Make sure that the process is gone, and free what belongs to it."""
        self.process.kill()
        self.process.join(timeout=5)
        self.channel.close()

    def wait_for_exit(self, until: float) -> bool:
        """Wait for a process that was told to exit, then kill it; returns whether it exited before `until`.

        One that runs a migration without a transaction is waited for without a limit.
        """
        timeout = None if self.not_atomic else max(0.0, until - time.monotonic())
        self.process.join(timeout=timeout)
        in_time = not self.process.is_alive()
        self.reap()
        return in_time

    def exit_text(self) -> str:
        """How the process ended, in words."""
        code = self.process.exitcode or 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"the worker process {self.process.pid} {how}"


def _start(process: ForkProcess) -> None:
    with warnings.catch_warnings():
        # Python warns of forking with threads, whose locks the child might wait for. The child uses nothing
        # of the two that there are: the lock monitor's connection, and the screen.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()


def _run_worker(
    channel: Channel, parents: list[Channel], run_task: RunTask, runner: SchemaRunner, lock: int
) -> None:
    # Held open here, they would hide the parent's end from the others.
    for one in parents:
        one.close()
    drop_original_streams()
    Worker(channel, run_task, runner, (lock,)).run()
