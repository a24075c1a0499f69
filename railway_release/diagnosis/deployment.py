"""What the working tree tells Railway to build, to run before a deployment, and to start.

The dashboard may say otherwise, and cannot be seen from here.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from railway_release.runtime.files import exists, is_file

# Files of Infrastructure as Code: https://docs.railway.com/cli/config
_IAC = (".railway/railway.ts", ".railway/railway.py")
_NIXPACKS, _RAILPACK = "nixpacks.toml", "railpack.json"
_FILES = ("Procfile", "Dockerfile", "railway.json", "railway.toml", *_IAC, _NIXPACKS, _RAILPACK)
_DOCUMENTS: Mapping[str, Callable[[str], Any]] = {
    "railway.json": json.loads,
    "railway.toml": tomllib.loads,
    _RAILPACK: json.loads,
    _NIXPACKS: tomllib.loads,
}
# What is set to, and its place in one of these documents:
# https://railpack.com/config/file, https://nixpacks.com/docs/configuration/file
_PLACES = (
    ("start", ("deploy", "startCommand")),
    ("start", ("start", "cmd")),
    ("before", ("deploy", "preDeployCommand")),
    ("build", ("build", "buildCommand")),
    ("build", ("steps", "*", "commands")),
    ("build", ("phases", "*", "cmds")),
    ("builder", ("build", "builder")),
    ("dockerfile", ("build", "dockerfilePath")),
)
_PROCESS = re.compile(r"^(?P<name>[\w-]+):[ \t]*(?P<command>\S.*)$", re.MULTILINE)
_CONTINUED = re.compile(r"\\\r?\n")
_COMMENT = re.compile(r"^\s*(?:#|//).*$", re.MULTILINE)
# What `railway config migrate` makes of a preDeployCommand of railway.json (emit_railway_ts in the source of
# Railway's command line, src/commands/config/migrate.rs).
_COMMENTED = re.compile(r"^\s*//\s*preDeploy(?:Command)?\b[^:\n]*:\s*(?P<value>\S.*)$", re.MULTILINE)
_STRING = re.compile(r"\"((?:[^\"\\\n]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'|`([^`]*)`")
_SCRIPT = re.compile(r"[\w./-]+\.sh\b")


@dataclass(frozen=True)
class Command:
    """A command and the place that it is written in; scripts that it names are part of its text."""

    place: str
    text: str


@dataclass(frozen=True)
class Deployment:
    """What the files say; a field is empty where none says anything."""

    files: tuple[str, ...] = ()
    processes: tuple[tuple[str, str], ...] = ()  # of the Procfile
    has_dockerfile: bool = False
    nixpacks: bool = False
    build: tuple[Command, ...] = ()
    before: tuple[Command, ...] = ()  # pre-deploy
    commented: tuple[Command, ...] = ()  # pre-deploy, in comments that Railway's own migration has left
    start: tuple[Command, ...] = ()  # those that win over others

    @property
    def release(self) -> str:
        """The Procfile's release command, or nothing."""
        return dict(self.processes).get("release", "")


def read(folder: Path) -> Deployment:
    """The deployment of the project in this folder, or of the repository that it lies in.

    Of files with the same name, the one next to the project counts; a Dockerfile may be named by another.
    """
    roots = list(_roots(folder))
    found = {name: path for name in _FILES if (path := _nearest(roots, name))}
    texts = {name: _text(path) for name, path in found.items()}
    settings = _settings(texts)
    if named := [path for _, name in settings["dockerfile"] if (path := _nearest(roots, name.lstrip("/")))]:
        texts["Dockerfile"] = _text(named[0])
    processes = {m["name"]: m["command"].strip() for m in _PROCESS.finditer(texts.get("Procfile", ""))}
    docker = list(_instructions(texts.get("Dockerfile", "")))
    with_scripts = _with_scripts(roots)
    built = [*(("Dockerfile RUN", text) for word, text in docker if word == "RUN"), *settings["build"]]
    starts = _starts(settings["start"], docker, processes, "Dockerfile" in texts)
    return Deployment(
        tuple(texts),
        tuple(processes.items()),
        "Dockerfile" in texts,
        _NIXPACKS in texts or any("nixpacks" in builder.lower() for _, builder in settings["builder"]),
        tuple(Command(place, text) for place, text in built),
        tuple(Command(place, with_scripts(text)) for place, text in settings["before"]),
        tuple(_commented(found)),
        tuple(Command(place, with_scripts(text)) for place, text in starts),
    )


def _roots(folder: Path) -> Iterator[Path]:
    """The folder, and those above it up to the one with the repository."""
    above = [folder, *folder.resolve().parents]
    depth = next((number for number, one in enumerate(above) if exists(one / ".git")), 0)
    yield from above[: depth + 1]


def _nearest(roots: Sequence[Path], name: str) -> Path | None:
    return next((root / name for root in roots if is_file(root / name)), None)


def _text(path: Path) -> str:
    """The text of a file without the lines that are comments."""
    return _COMMENT.sub("", _contents(path))


def _contents(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


Settings = dict[str, list[tuple[str, str]]]  # what is set to where it is set and its value


def _settings(texts: dict[str, str]) -> Settings:
    """Commands, builders and Dockerfiles that are named, of all files that configure the service."""
    found: Settings = {"start": [], "before": [], "build": [], "builder": [], "dockerfile": []}
    for name, parse in _DOCUMENTS.items():
        document = _parsed(texts.get(name, ""), parse)
        for key, path in _PLACES:
            found[key] += [(name, value) for value in _values(document, *path)]
    for name in _IAC:
        for key, words in (("start", "start(?:Command)?"), ("before", "preDeploy(?:Command)?")):
            found[key] += [(name, text) for text in _given(texts.get(name, ""), words)]
    return found


def _values(document: Any, *path: str) -> Iterator[str]:
    """What stands at this path; ``*`` is every key."""
    if not path:
        yield from [_joined(document)] if document else []
    elif isinstance(document, dict):
        for key in document if path[0] == "*" else [path[0]]:
            yield from _values(document.get(key), *path[1:])


def _parsed(text: str, parse: Callable[[str], Any]) -> dict[str, Any]:
    try:
        document = parse(text) if text else {}
    except ValueError:  # of both parsers
        return {}
    return document if isinstance(document, dict) else {}


def _joined(value: Any) -> str:
    if isinstance(value, dict):  # a command of a Railpack step
        value = value.get("cmd", "")
    return " && ".join(map(_joined, value)) if isinstance(value, list) else str(value)


def _given(text: str, words: str) -> Iterator[str]:
    """The value of a property or keyword argument: a string, or the strings of a list joined."""
    pattern = rf"\b(?:{words})[\"']?\s*[:=]\s*(?P<value>\[[^\]]*\]|{_STRING.pattern})"
    for match in re.finditer(pattern, text):
        yield _strings(match["value"])


def _strings(text: str) -> str:
    return " && ".join("".join(groups) for groups in _STRING.findall(text))


def _commented(found: Mapping[str, Path]) -> Iterator[Command]:
    name = ".railway/railway.ts"
    for match in _COMMENTED.finditer(_contents(found[name]) if name in found else ""):
        yield Command(name, _strings(match["value"]) or match["value"])


def _instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Each instruction of a Dockerfile with its text; the words of the exec form are joined."""
    for line in _CONTINUED.sub(" ", dockerfile).splitlines():
        word, _, text = line.strip().partition(" ")
        if word.upper() in ("RUN", "CMD", "ENTRYPOINT"):
            words = _parsed_list(text.strip())
            yield word.upper(), " ".join(words) if words else text.strip()


def _parsed_list(text: str) -> list[str]:
    try:
        words = json.loads(text)
    except ValueError:
        return []
    return [str(word) for word in words] if isinstance(words, list) else []


def _starts(
    configured: list[tuple[str, str]], docker: list[tuple[str, str]], processes: dict[str, str], image: bool
) -> Iterator[tuple[str, str]]:
    """The commands that start the service: a configured one takes the place of CMD, not of ENTRYPOINT.

    With a Dockerfile, the files of the builders are not read.
    """
    last = dict(docker)  # the last of each instruction counts
    if "ENTRYPOINT" in last:
        yield "Dockerfile ENTRYPOINT", last["ENTRYPOINT"]
    of_builders = [one for one in configured if one[0] in (_RAILPACK, _NIXPACKS)]
    if of_service := [one for one in configured if one not in of_builders]:
        yield from of_service
    elif "CMD" in last:
        yield "Dockerfile CMD", last["CMD"]
    elif of_builders and not image:
        yield from of_builders
    elif "web" in processes and not image:
        yield "Procfile web", processes["web"]


def _with_scripts(roots: Sequence[Path]) -> Callable[[str], str]:
    """The command with the text of the shell scripts that it names."""

    def extended(text: str) -> str:
        named = (word.lstrip("/").removeprefix("app/") for word in _SCRIPT.findall(text))
        found = (path for name in named if (path := _nearest(roots, name)))
        return "\n".join([text, *map(_text, found)])

    return extended
