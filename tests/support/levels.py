"""Brings schemas to given levels of their history, as releases of the past have left them."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import warm
from .release import Project
from .schemas import dumped, quote

_PROGRAM = Path(__file__).with_name("migrate_to_levels.py")

Key = tuple[str, str]  # app label and migration name

# What most tenants have; Django takes half a second to render and apply it.
BASE: tuple[Key, ...] = (
    ("contenttypes", "0002_remove_content_type_name"),
    ("auth", "0012_alter_user_first_name_max_length"),
)
_BASE_SCHEMA = "schema_with_the_base"
_BASE_SQL = "base.sql"  # beside a project's folder


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
    path = project.folder.parent / _BASE_SQL
    base = path.read_text(encoding="utf-8") if path.exists() else ""
    _run(project, "build", json.dumps([_asked(level, base) for level in levels]))


def _asked(level: Level, base: str) -> dict[str, Any]:
    """What the program is told: a schema with the base begins with that."""
    asked = asdict(level)
    has_base = base and level.schema != "public" and (level.others or set(BASE) <= set(level.targets))
    asked["begun"] = base.replace(_BASE_SCHEMA, quote(level.schema)) if has_base else ""
    return asked


def base_of(project: Project) -> str:
    """Bring the shared schema to its end; return, as SQL, what Django makes of a tenant with the base."""
    build(project, [Level("public", others=True), Level(_BASE_SCHEMA, BASE)])
    base = dumped(project.database, _BASE_SCHEMA)
    project.database.sql(f"DROP SCHEMA {_BASE_SCHEMA} CASCADE; DELETE FROM public.tenants_client")
    return base


def begin_with(project: Project, base: str) -> None:
    """Let the tenants that `build` makes in this project begin with this, where they have the base."""
    (project.folder.parent / _BASE_SQL).write_text(base, encoding="utf-8")


def _run(project: Project, command: str, text: str) -> str:
    process = warm.start(_PROGRAM, [command], project.folder, project.environ(), reading=True)
    output, errors = process.communicate(text, timeout=120)
    assert process.returncode == 0, errors
    return output
