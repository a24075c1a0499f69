"""Brings schemas to given levels of their history, as releases of the past have left them."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from . import warm
from .release import Project

_PROGRAM = Path(__file__).with_name("migrate_to_levels.py")

Key = tuple[str, str]  # app label and migration name


@dataclass(frozen=True)
class Level:
    """A schema and the newest migrations that it has; it stays empty if there are none."""

    schema: str
    targets: tuple[Key, ...] = ()
    others: bool = False  # with all migrations of the apps that the targets do not name
    type: str = ""  # of django-tenants' multi-type tenants
    sql: str = ""  # what was written there since


def history(project: Project) -> list[Key]:
    """All migrations of a project, in the order in which an empty schema gets them."""
    return [(app, name) for app, name in json.loads(_run(project, "plan", ""))]


def build(project: Project, levels: Iterable[Level]) -> None:
    """Make tenants and bring them, or the shared schema, to their levels; the shared schema comes first."""
    _run(project, "build", json.dumps([asdict(level) for level in levels]))


def _run(project: Project, command: str, text: str) -> str:
    process = warm.start(_PROGRAM, [command], project.folder, project.environ(), reading=True)
    output, errors = process.communicate(text, timeout=120)
    assert process.returncode == 0, errors
    return output
