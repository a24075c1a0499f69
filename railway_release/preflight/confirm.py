"""On a terminal under `railway run`, before any write: show the code, and ask if it is not what is deployed.

`railway run` applies the migrations of the laptop's working tree to the service's database.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from railway_release.errors import NotConfirmed
from railway_release.runtime.platform import Platform
from railway_release.runtime.screen import Screen
from railway_release.runtime.visible import visible
from railway_release.runtime.waiting import told


@dataclass(frozen=True)
class WorkingTree:
    """The commit of the code, empty if git does not say, and whether there are uncommitted changes."""

    commit: str
    dirty: bool

    def differs_from(self, deployed: str) -> bool:
        """Whether this cannot be proven to be the deployed commit."""
        return self.dirty or not self.commit or self.commit != deployed


def confirm(platform: Platform, database: str, folder: Path, yes: bool, screen: Screen) -> None:
    """Show which code is run where and, if it differs from the deployed, ask for the environment's name.

    `database` is empty if a line has named it. Raises NotConfirmed for another answer. Without a terminal,
    or where nothing of Railway's is known, nothing is shown and nothing asked.
    """
    on_terminal = sys.stdin and sys.stdin.isatty() and screen.stream.isatty()
    if platform.inside or not platform.known or not on_terminal:
        return
    with told("git is being asked for the commit and for changes"):
        tree = working_tree(folder)
    screen.write(_described(platform, database, tree))
    if yes or not tree.differs_from(platform.commit):
        return
    screen.stream.write(
        f"Your working tree is not known to be what {visible(platform.environment)} runs. "
        f"Type the environment's name to migrate it all the same: "
    )
    screen.stream.flush()
    if sys.stdin.readline().strip() != platform.environment:
        raise NotConfirmed("Not confirmed; nothing was written.", "--yes skips the question.")


def working_tree(folder: Path) -> WorkingTree:
    """Commit and state of the git working tree at `folder`."""
    commit = _git(folder, "rev-parse", "HEAD").strip()
    return WorkingTree(commit, dirty=bool(_git(folder, "status", "--porcelain").strip()))


def _described(platform: Platform, database: str, tree: WorkingTree) -> str:
    state = f"{tree.commit[:12] or 'unknown'}{', with uncommitted changes' if tree.dirty else ''}"
    rows = {
        "database": database,
        "environment": platform.environment,
        "your code": state,
        "deployed": platform.commit[:12] or "unknown",
    }
    return "\n".join(f"  {name:<12} {visible(value)}" for name, value in rows.items() if value)


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
