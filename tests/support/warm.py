"""Processes that begin with Django imported, so that a run of the script costs its own work alone.

Most of what a short run takes is the import of Django and of a driver, the same each time. So one process
for each worker of pytest imports them and forks: each run is still a process of its own, with its own
arguments, environment, folder, descriptors and exit code.
With TEST_COLD=1, for all or for one run, a new interpreter is started instead, as users do: where variables
differ that Python reads when it starts, or a setting that is asked while Django is imported, and where a test
is about the very end of the process.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import CodeType
from typing import IO, Any, Protocol

from django.conf import settings
from django.utils.functional import empty

from .imported import IMPORTED, READ

_ROOT = Path(__file__).resolve().parents[2]
_MOST = 1 << 20  # bytes of a request
_DESCRIPTORS = 4  # standard input, output, error, and where the exit code goes
_NUMBER = 16  # bytes of a process id or an exit code: both may be there before the first is read
_READ_BY_PYTHON = ("PYTHON", "LC_", "LANG", "LD_", "COVERAGE_")
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"  # which is heeded


class Process(Protocol):
    """What is used of subprocess.Popen."""

    pid: int
    returncode: int | None
    stdin: IO[str] | None
    stdout: IO[str] | None
    stderr: IO[str] | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...
    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]: ...


class _Forked:
    """The same, of a process that was forked elsewhere."""

    stdin: IO[str] | None
    stdout: IO[str] | None
    stderr: IO[str] | None

    def __init__(self, pid: int, status: int, pipes: Sequence[int]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status = status
        self.stdin, self.stdout, self.stderr = (
            os.fdopen(pipe, mode, encoding="utf-8") if pipe >= 0 else None
            for pipe, mode in zip(pipes, "wrr", strict=True)
        )

    def poll(self) -> int | None:
        """The exit code, or minus the signal, if it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self.returncode = int(os.read(self._status, _NUMBER))
            os.close(self._status)
        return self.returncode

    def send_signal(self, sig: int) -> None:
        """Nothing if it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """As `kill -9` does."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:
        """Give it `input` to read, and wait until it has closed its output and ended."""
        assert self.stdout
        assert self.stderr
        with ThreadPoolExecutor(2) as pool, self.stdout, self.stderr:
            reading = [pool.submit(pipe.read) for pipe in (self.stdout, self.stderr)]
            if self.stdin:
                with contextlib.suppress(BrokenPipeError), self.stdin as pipe:
                    pipe.write(input or "")
            if wait(reading, timeout).not_done:
                self.kill()
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self.wait(timeout)
            return reading[0].result(), reading[1].result()


def start(
    script: Path, words: Sequence[str], cwd: Path, environ: Mapping[str, str], *, reading: bool = False
) -> Process:
    """Start a Python script and do not wait; with `reading`, it has a pipe to read from."""
    if _must_be_cold(environ):
        given = subprocess.PIPE if reading else subprocess.DEVNULL
        return _start_cold([str(script), *words], cwd, environ, given, subprocess.PIPE)
    ends = [os.pipe() for _ in range(_DESCRIPTORS - 1)]
    (to_read, written), *others = ends if reading else [(os.open(os.devnull, os.O_RDONLY), -1), *ends[1:]]
    pid, status = _fork(script, words, cwd, environ, [to_read, *(end[1] for end in others)])
    for descriptor in {to_read, *(end[1] for end in others), *(() if reading else ends[0])}:
        os.close(descriptor)
    return _Forked(pid, status, [written, *(end[0] for end in others)])


def start_on(
    terminal: int, script: Path, words: Sequence[str], cwd: Path, environ: Mapping[str, str]
) -> Process:
    """The same, with a terminal for input, output and errors."""
    if _must_be_cold(environ):
        return _start_cold([str(script), *words], cwd, environ, terminal, terminal)
    return _Forked(*_fork(script, words, cwd, environ, [terminal] * 3), [-1, -1, -1])


def _start_cold(
    argv: Sequence[str], cwd: Path, environ: Mapping[str, str], given: int, written: int
) -> Process:
    """A new interpreter that reads from `given` and writes to `written`, as Popen understands them."""
    return subprocess.Popen(
        [sys.executable, *argv],
        cwd=cwd,
        env=environ,
        stdin=given,
        stdout=written,
        stderr=written,
        text=True,
    )


def _fork(
    script: Path, words: Sequence[str], cwd: Path, environ: Mapping[str, str], descriptors: Sequence[int]
) -> tuple[int, int]:
    """The process that runs the script with these three descriptors, and where its exit code will be read."""
    assert _channel
    status, theirs = os.pipe()
    request = {"argv": [str(script), *words], "cwd": str(cwd), "environ": dict(environ)}
    socket.send_fds(_channel, [json.dumps(request).encode()], [*descriptors, theirs])
    os.close(theirs)
    return int(os.read(status, _NUMBER)), status


def _must_be_cold(environ: Mapping[str, str]) -> bool:
    """Whether it was asked for, or this process's own children would have another interpreter."""

    def read_by_python(variables: Mapping[str, str]) -> dict[str, str]:
        return {
            name: value
            for name, value in variables.items()
            if name.startswith(_READ_BY_PYTHON) and name != _NO_BYTECODE
        }

    asked = _channel is None or bool(environ.get("TEST_COLD"))
    return asked or read_by_python(environ) != read_by_python(os.environ)


_channel: socket.socket | None = None  # to the process that forks


@contextlib.contextmanager
def server() -> Iterator[None]:
    """While entered, what is started is forked from a process that is ready for it."""
    global _channel  # noqa: PLW0603 - one for each process of pytest
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", __name__, str(theirs.fileno())]
    # Its output is never written to; like that of a run, it is no terminal.
    with (
        ours,
        subprocess.Popen(
            command, cwd=_ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        ),
    ):
        theirs.close()
        _channel = ours
        try:
            yield
        finally:
            _channel = None
            ours.close()


def _serve(channel: socket.socket) -> None:
    """Returns in each process that is to run something; the server itself ends here."""
    running: dict[int, int] = {}  # process id to where its exit code goes
    ended, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # or there would be no wake-up
    while True:
        ready = select.select([channel.fileno(), ended], [], [])[0]
        if ended in ready:
            os.read(ended, _MOST)
            _tell_of_ends(running)
        if channel.fileno() in ready:
            data, descriptors, _, _ = socket.recv_fds(channel, _MOST, _DESCRIPTORS)
            if not data:
                os._exit(0)
            pid = os.fork()
            if pid == 0:
                _become(json.loads(data), descriptors)
                return
            running[pid] = descriptors.pop()
            for descriptor in descriptors:
                os.close(descriptor)
            os.write(running[pid], b"%*d" % (_NUMBER, pid))


def _tell_of_ends(running: dict[int, int]) -> None:
    """Write the exit codes of those that have ended, and forget them."""
    for pid in list(running):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            descriptor = running.pop(pid)
            with contextlib.suppress(BrokenPipeError):  # nobody asks any more
                os.write(descriptor, b"%*d" % (_NUMBER, os.waitstatus_to_exitcode(status)))
            os.close(descriptor)


def _become(request: Mapping[str, Any], descriptors: Sequence[int]) -> None:
    """Take what the run gets: its descriptors, folder, environment and arguments."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, descriptor in enumerate(descriptors[:-1]):
        os.dup2(descriptor, number)
    os.closerange(3, 1024)
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    os.environ.update(request["environ"])
    sys.argv = list(request["argv"])
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    sys.dont_write_bytecode = _NO_BYTECODE in os.environ


class _AskedMeanwhile:
    """The settings that these modules ask for while they are imported; any other ends the import."""

    DEBUG = False
    TENANT_DB_ALIAS = "default"  # of functions that nothing here calls without naming the database


class _Loader(SourceFileLoader):
    """Executes the code of a module that was read before."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name, path)
        self._code = super().get_code(name)

    def get_code(self, _: str) -> CodeType | None:
        return self._code


class _Finder(MetaPathFinder):
    """Finds the modules that were read before, and no others."""

    def __init__(self, *names: str) -> None:
        self._specs: dict[str, ModuleSpec] = {}
        for name in names:
            spec = find_spec(name)
            assert spec
            assert spec.origin
            spec.loader = _Loader(name, spec.origin)
            self._specs[name] = spec

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        return self._specs.get(fullname)


def _import() -> None:
    """Import them, and leave Django without settings as it was."""
    sys.argv[0] = str(_ROOT / "run_migrations.py")  # from which the script says what is to be typed
    settings._wrapped = _AskedMeanwhile()
    for name in IMPORTED:
        importlib.import_module(name)
    settings._wrapped = empty
    # What argparse and the options remember is the same in each run.
    importlib.import_module("railway_release.cli")._parse(["status"])
    sys.meta_path.insert(0, _Finder(*READ))
    gc.freeze()  # or each run's collector would look through all of it, and copy it


def _run(script: str) -> None:
    """Run the script, and end the process as Python does, but without taking it to pieces first.

    All that was imported would be copied for that. Other errors than SystemExit are left to Python.
    """
    code = None
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        code = end.code
    threading._shutdown()  # type: ignore[attr-defined]  # waits for the threads; multiprocessing does the same
    atexit._run_exitfuncs()
    with contextlib.suppress(AttributeError, OSError, ValueError):  # of which Python has something to say
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code or 0)
    sys.exit(code)


if __name__ == "__main__":
    _import()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    _run(sys.argv[0])
