"""The application at full load, as pgbench makes it: each statement's time is in a log."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .account import SupportError
from .binaries import bin_dir, environment


def program() -> str | None:
    """Return the pgbench of the server's binaries, or another one; not everybody has one."""
    try:
        return shutil.which("pgbench", path=str(bin_dir())) or shutil.which("pgbench")
    except SupportError:
        return shutil.which("pgbench")


class Load:
    """Clients that send one of these statements after the other, each in a transaction of its own."""

    def __init__(self, url: str, statements: tuple[str, ...], folder: Path, clients: int) -> None:
        self._logs = folder
        folder.mkdir()
        scripts = []
        for number, statement in enumerate(statements):
            script = folder / f"{number}.sql"
            script.write_text(f"{statement};\n")
            scripts += ["-f", str(script)]
        command = [str(program()), "--no-vacuum", f"--client={clients}", "--jobs=2", "--time=600", "--log"]
        self._process = subprocess.Popen(
            [*command, f"--log-prefix={folder / 'log'}", *scripts, url],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> None:
        """Let it come to its end as if its time were over, so that it writes its logs; once."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGALRM)
        try:
            self.errors = self._process.communicate(timeout=60)[1]
        finally:
            self._process.kill()
        self.code = self._process.returncode

    @property
    def milliseconds(self) -> list[float]:
        """How long each statement took."""
        lines = [line for log in self._logs.glob("log.*") for line in log.read_text().splitlines()]
        return [int(line.split()[2]) / 1000 for line in lines]


@contextmanager
def load(url: str, statements: tuple[str, ...], folder: Path, clients: int = 8) -> Iterator[Load]:
    """While entered, they are at work."""
    one = Load(url, statements, folder, clients)
    try:
        yield one
    finally:
        one.end()
