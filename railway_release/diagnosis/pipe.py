"""Reading text from a pipe that may never end."""

from __future__ import annotations

import os
import select
from collections.abc import Callable

_QUIET_SECONDS = 3.0
_CHUNK = 65536


def read(descriptor: int, enough: Callable[[str], object]) -> str:
    """Read to the end; once `enough` is true of the text, some seconds without more of it are the end.

    `railway logs` follows the log and so never ends by itself.
    """
    content = b""
    while True:
        ready, _, _ = select.select([descriptor], [], [], _QUIET_SECONDS)
        chunk = os.read(descriptor, _CHUNK) if ready else b""
        content += chunk
        if not chunk:
            text = content.decode(errors="replace")
            if ready or enough(text):
                return text
