"""SIGINT, SIGTERM and SIGHUP: stop between migrations, or roll back the running one, then report and exit.

Railway sends SIGTERM and, without draining seconds, SIGKILL right after it, so stopping must be quick.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import types
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """The process was asked to stop. A KeyboardInterrupt, so that no `except Exception` swallows it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum
        # A closed terminal (SIGHUP) ends the release like a request to terminate.
        self.exit_code = 130 if signum == signal.SIGINT else 143


class Interrupts:
    """While entered, these signals raise Interrupted in the main thread, but not inside `shield`."""

    def __init__(self) -> None:
        self.requested: int | None = None
        self._shielded = False
        self._ignored = False
        self._raised = False
        # The interpreter writes each signal's number here at once, even while the main thread is
        # blocked inside a driver's C code, where no Python handler runs.
        self._reader, self._writer = socket.socketpair()
        for end in (self._reader, self._writer):
            end.setblocking(False)

    def __enter__(self) -> Interrupts:
        global _entered  # noqa: PLW0603 - signals are the whole process's
        _entered = self
        self._previous = {s: signal.signal(s, self._on_signal) for s in _SIGNALS}
        self._previous_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        global _entered  # noqa: PLW0603 - as above
        _entered = None
        signal.set_wakeup_fd(self._previous_fd)
        for signum, handler in self._previous.items():
            signal.signal(signum, signal.SIG_IGN if self._ignored else handler)
        self._reader.close()
        self._writer.close()

    @contextlib.contextmanager
    def shield(self) -> Iterator[None]:
        """While entered, signals are only noted; call `check` afterwards, when the result is safe."""
        if before := self._shielded:
            yield
            return
        self.check()
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = before

    def check(self) -> None:
        """Raise Interrupted if a signal came. Later signals do not raise, so that cleaning up can end."""
        if self.requested is not None:
            self._raised = True
            raise Interrupted(self.requested)

    @property
    def is_pending(self) -> bool:
        """Whether a signal came and was not raised yet, since the main thread waits inside the driver."""
        return self.requested is not None and not self._raised and not self._shielded

    def ignore(self) -> None:
        """Ignore signals until the process ends, which is soon.

        Otherwise one that comes while the interpreter shuts down would replace the exit code.
        """
        self._shielded = self._ignored = True

    def fileno(self) -> int:
        """The file descriptor for select(); it is readable when a signal came, or after `wake`."""
        return self._reader.fileno()

    def wake(self) -> None:
        """Make the file descriptor readable without a signal."""
        self._writer.send(b"\0")

    def drain(self) -> None:
        """Note the signals that came; any thread may call this."""
        with contextlib.suppress(BlockingIOError):
            for signum in self._reader.recv(64):
                if signum in _SIGNALS:
                    self.requested = self.requested or signum

    def _on_signal(self, signum: int, _: types.FrameType | None) -> None:
        # `drain` may have noted it in another thread, so `requested` does not say whether it was raised.
        self.requested = self.requested or signum
        if not self._shielded and not self._raised:
            self.check()


_entered: Interrupts | None = None  # those of this process


@contextlib.contextmanager
def kept(make: Callable[[], T], give_up: Callable[[T], None]) -> Iterator[T]:
    """While entered, what `make` has made, which no signal loses on the way; `give_up` takes it back.

    Signals raise in the main thread only.
    """
    interrupts = _entered if threading.current_thread() is threading.main_thread() else None
    with interrupts.shield() if interrupts else contextlib.nullcontext():
        made = make()
    try:
        if interrupts and interrupts.is_pending:
            interrupts.check()
        yield made
    finally:
        give_up(made)
