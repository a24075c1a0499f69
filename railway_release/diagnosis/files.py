"""Causes in the files of the working tree: a release that never runs, or runs where it should not."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from railway_release.diagnosis import commands
from railway_release.diagnosis.causes import Cause, Severity, cause
from railway_release.diagnosis.deployment import Command, Deployment, read
from railway_release.runtime.text import some

_LOOKING = r"(?!\s+(?:check|plan|verify|doctor|status|--help|--version|--dry-run)\b)"
_OURS = re.compile(rf"\b(?:run_migrations\.py|railway-release|railway_release){_LOOKING}(?=\s|$|[\"';&|])")
_DJANGO = re.compile(
    r"(?:\bmanage\.py|\bdjango-admin|-m\s+django)\s+migrate(?:_schemas)?\b(?!\s+--(?:check|plan)\b)"
)
_LENGTH = 100  # of a command in the evidence
_EXPIRING = ("railway.json", "railway.toml")


def causes(folder: Path) -> Iterator[Cause]:
    """The causes that the files of this folder show; no database is needed."""
    deployment = read(folder)
    yield from _procfile(deployment)
    yield from _commented(deployment)
    yield from _start(deployment)
    yield from _build(deployment)
    yield from _bare(deployment)
    yield from _expiring(deployment)


def migrates(text: str) -> bool:
    """Whether a command migrates, with this tool or Django's own commands."""
    return bool(_OURS.search(text) or _DJANGO.search(text))


def _procfile(deployment: Deployment) -> Iterator[Cause]:
    if not deployment.release:
        return
    why, alone = _why_ignored(deployment)
    configured = any(migrates(one.text) for one in deployment.before)
    severity: Severity = "error" if alone else "info" if configured else "warning"
    seen = f"Procfile has `release: {deployment.release}`, and {why}"
    command = "delete the release: line" if configured else commands.PRE_DEPLOY
    yield cause("procfile.ignored", seen, command, severity=severity)


def _why_ignored(deployment: Deployment) -> tuple[str, bool]:
    """Why a release command never runs, in words; and whether it is taken for the start command."""
    if deployment.has_dockerfile:
        return "with a Dockerfile the Procfile is not read at all", False
    if deployment.nixpacks:
        return "Nixpacks runs it while the image is built, where the private network does not exist", False
    if {"web", "worker"} & {name for name, _ in deployment.processes}:
        return "Railpack ignores it beside web: or worker:", False
    return "Railpack takes it for the start command when it stands alone", True


def _commented(deployment: Deployment) -> Iterator[Cause]:
    """The cause where only a comment is left of a configured release."""
    if any(migrates(one.text) for one in deployment.before):
        return
    for one in deployment.commented:
        if migrates(one.text):
            yield cause("predeploy.commented", f"{_in_words(one)}, in a comment", commands.UNCOMMENT)


def _start(deployment: Deployment) -> Iterator[Cause]:
    for one in deployment.start:
        if migrates(one.text):
            yield cause("start.migrates", _in_words(one), commands.CHECK_AT_START)
    runs_nothing_else = deployment.files and not deployment.start and not deployment.has_dockerfile
    if runs_nothing_else and not deployment.release:
        seen = f"{some(deployment.files)} gives no start command"
        yield cause("start.default", seen, commands.CHECK_AT_START)


def _build(deployment: Deployment) -> Iterator[Cause]:
    for one in deployment.build:
        if migrates(one.text):
            yield cause("build.migrates", _in_words(one), commands.PRE_DEPLOY)


def _bare(deployment: Deployment) -> Iterator[Cause]:
    """The cause where Django's own command migrates, which does not name every tenant that fails."""
    for one in (*deployment.before, Command("Procfile release", deployment.release)):
        if _DJANGO.search(one.text) and not _OURS.search(one.text):
            yield cause("migrate.bare", _in_words(one), commands.PRE_DEPLOY)


def _expiring(deployment: Deployment) -> Iterator[Cause]:
    found = [name for name in deployment.files if name in _EXPIRING]
    if found:
        yield cause("config.expiring", f"{some(found)} in the working tree", commands.RAILWAY_TS)


def _in_words(one: Command) -> str:
    """``Procfile web: python manage.py migrate && …``, cut to what shows the point."""
    lines = [line.strip() for line in one.text.splitlines() if migrates(line)]
    first = lines[0] if lines else one.text
    return f"{one.place}: {textwrap.shorten(first, _LENGTH, placeholder=' …')}"
