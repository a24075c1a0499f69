"""A network of one machine, in a namespace of its own, that can lose every packet.

Both ends are told a hardware address for the other that nobody has, so that packets leave, and are dropped
where they arrive. No side is told anything, as it would be if the link itself were taken down.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .account import is_root

_CLONE_NEWNET = 0x40000000
_NOBODY = "02:00:00:00:00:99"


class Network:
    """A host on which processes can be started, and its link to this one."""

    def __init__(self) -> None:
        number = os.getpid() % 2**14
        self._name = f"release{number}"
        self._link = f"rr{number}"
        net = f"10.213.{number // 64}"
        self.here, self.there = f"{net}.{number % 64 * 4 + 1}", f"{net}.{number % 64 * 4 + 2}"

    def set_up(self) -> bool:
        """Make it, and return whether that is permitted here; the link ends with the namespace."""
        if not is_root() or shutil.which("ip") is None or _ip("netns", "add", self._name):
            return False
        far = ("netns", "exec", self._name, "ip")
        peer = ("peer", "name", "uplink", "netns", self._name)
        return not any(
            _ip(*words)
            for words in (
                ("link", "add", self._link, "type", "veth", *peer),
                ("address", "add", f"{self.here}/30", "dev", self._link),
                ("link", "set", self._link, "up"),
                (*far, "address", "add", f"{self.there}/30", "dev", "uplink"),
                (*far, "link", "set", "uplink", "up"),
            )
        )

    def lose_everything(self) -> None:
        """From now on, no packet arrives."""
        to_nobody = ("lladdr", _NOBODY, "nud", "permanent", "dev")
        far = ("netns", "exec", self._name, "ip")
        assert _ip("neighbour", "replace", self.there, *to_nobody, self._link) == 0
        assert _ip(*far, "neighbour", "replace", self.here, *to_nobody, "uplink") == 0

    def remove(self) -> None:
        """Take both down."""
        _ip("netns", "delete", self._name)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """While entered, processes that this thread starts are on the other host."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        other = os.open(Path("/run/netns", self._name), os.O_RDONLY)
        try:
            _enter(other)
            yield
        finally:
            _enter(own)
            os.close(own)
            os.close(other)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*words: str) -> int:
    return subprocess.run(["ip", *words], check=False, capture_output=True).returncode
