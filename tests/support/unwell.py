"""Tenants that something was done to, each another thing, and what repair makes of all of them in one go."""

import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .detailed import describe
from .picture import Picture, picture
from .release import Database, Project, Run
from .schemas import add_row, clone_tenant, quote
from .server import create_database, psql
from .snapshot import contents

_LEAF = """
migrations.CreateModel("Leaf", [
    ("id", models.BigAutoField(primary_key=True)),
    ("rule", models.ForeignKey("Rule", models.CASCADE)),
    ("twin", models.OneToOneField("self", models.SET_NULL, null=True, related_name="+")),
    ("owner", models.ForeignKey("users.User", models.CASCADE, related_name="+")),
]),
"""

_MADE = "made_by_a_release"  # of which the others are copies: a release takes five times as long for each


@contextmanager
def borrowed(server: str, template: str, folder: Path) -> Iterator[Project]:
    """The example and, for as long as this lasts, a copy of a database."""
    name = f"damaged_{uuid.uuid4().hex[:12]}"
    yield Project(folder / "project", Database(create_database(server, name, template)))
    psql(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def name_of(database: Database) -> str:
    """Its name, as a template for others."""
    return urlsplit(database.url).path[1:]


def with_files(project: Project, folder: Path) -> Project:
    """The project with the files of another one."""
    shutil.copytree(folder, project.folder, dirs_exist_ok=True)
    return project


@contextmanager
def grown(server: str, template: str, folder: Path) -> Iterator[Project]:
    """The same with a few more models to come."""
    with borrowed(server, template, folder) as project:
        _add_models(project)
        yield project


def _add_models(project: Project) -> None:
    describe(project)
    note = "migrations.AddField('rule', 'note', models.CharField(max_length=20, null=True))"
    project.migration("announcements", "0005_note", "0004_rule", note)
    project.migration("announcements", "0006_leaf", "0005_note", _LEAF)
    kept = "migrations.AddField('leaf', 'kept', models.BooleanField(default=True))"
    project.migration("announcements", "0007_kept", "0006_leaf", kept)


def settle(project: Project, *schemas: str, behind: Iterable[str]) -> Picture:
    """Tenants as a release makes them from nothing; some others stay behind. Returns how they are."""
    add_row(project.database, _MADE)
    project.database.sql(f"CREATE SCHEMA {_MADE}")
    left_out = [word for name in behind for word in ("--exclude", name)]
    run = project.run("--no-collectstatic", *left_out)
    assert run.code == 0, run.text
    clone_tenant(project.database, _MADE, *schemas)
    project.database.sql(
        f"DROP SCHEMA {_MADE} CASCADE; DELETE FROM public.tenants_client WHERE schema_name = '{_MADE}'"
    )
    return picture(project.database)


def definitions(found: Picture, schema: str) -> list[str]:
    """Of a schema, in an order that does not depend on that of the columns."""
    lines = found.get(f"definitions of {schema}", [])
    assert lines, f"nothing in {schema!r}"
    return sorted(line.rstrip(",") for line in lines)


def damage(project: Project, schema: str, sql: str) -> None:
    """Do something to a tenant by hand."""
    project.database.sql(f"SET search_path = {quote(schema)}, public; {sql}")


@dataclass(frozen=True)
class Story:
    """What there was, what was looked at and what was done, from before the damage to the end."""

    healthy: Picture
    damaged: Picture
    untouched: bool  # by all that only looks
    repaired: Picture
    dry: Run
    doctor: Run
    applied: Run
    again: Run
    verified: Run


def live(project: Project, healthy: Picture, *words: str) -> Story:
    """Look at the damage, repair it, and look again."""
    before, damaged = contents(project.database), picture(project.database)
    dry, doctor = project.run("repair", *words), project.run("doctor")
    untouched = contents(project.database) == before
    applied = project.run("repair", "--apply", *words)
    repaired = picture(project.database)
    again, verified = project.run("repair", *words), project.run("verify")
    return Story(healthy, damaged, untouched, repaired, dry, doctor, applied, again, verified)


def remedy(run: Run, schema: str) -> dict[str, Any]:
    """What is proposed for a schema; nothing if nothing is."""
    found: list[dict[str, Any]] = [one for one in run.report["remedies"] if schema in one["schemas"]]
    assert len(found) <= 1, f"{len(found)} remedies of {schema!r}"
    return found[0] if found else {}


def mends(run: Run, schema: str) -> list[str]:
    """Ids and objects of what would be repaired in a schema."""
    return sorted(" ".join(one) for one in remedy(run, schema).get("mends", ()))


def refusals(run: Run, schema: str) -> dict[str, str]:
    """Id and object of what is refused in a schema, and why."""
    return {f"{one['id']} {one['object']}": one["why"] for one in remedy(run, schema).get("refusals", ())}


def diagnosed(run: Run, schema: str) -> set[str]:
    """The causes that doctor names for a schema."""
    return {one["id"] for one in run.report["diagnosis"] if schema in one["schemas"]}
