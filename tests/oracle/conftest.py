"""Projects whose histories are compared, and the comparison."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.engines import Comparison, compare
from tests.support.levels import BASE, Level, base_of, begin_with, build
from tests.support.release import Database, Project
from tests.support.unwell import borrowed

APPS = Path(__file__).parent / "apps"

# The apps that a topic needs besides its own.
NEEDS = {"extras": ("extensions",), "pointing": ("outside",)}
SHARED = {"extensions"}  # those that are in the shared schema, too

SETTINGS = """
SHARED_APPS += {shared}
TENANT_APPS = {tenant}
INSTALLED_APPS = list(dict.fromkeys([*SHARED_APPS, *TENANT_APPS]))
ROOT_URLCONF = PUBLIC_SCHEMA_URLCONF
SWAPPING_MODEL = "swapping.Replacement"
SWAPPING_KEPT_MODEL = "swapping.Kept"
"""

USERS = (
    "INSERT INTO users_user (password, is_superuser, username, first_name, last_name, email, is_staff,"
    " is_active, date_joined, phone) SELECT '', false, 'user' || n, '', '', '', false, true, '2026-01-01', ''"
    " FROM generate_series(1, 3) n"
)
PUBLIC = Level("public", others=True, sql=USERS)


@dataclass(frozen=True)
class Origin:
    """What is the same at the beginning of most projects here, and so is made once."""

    database: str  # its name; the shared schema is at its end, and there are no tenants
    base: str  # as SQL, what a tenant has of Django's own apps

    def project(self, folder: Path, new_database: Callable[[str], Database], *labels: str) -> Project:
        """The example project with other apps in its tenants, and a database without tenants."""
        begun = "template0" if SHARED.intersection(needed(labels)) else self.database
        project = Project(folder, new_database(begun))
        begin_with(project, self.base)
        add_apps(project, *labels)
        return project


@pytest.fixture(scope="session")
def origin(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """The beginning, of a project whose tenants have the base alone."""
    with borrowed(server, "template0", tmp_path_factory.mktemp("origin")) as project:
        add_apps(project)
        base = base_of(project)
        yield Origin(urlsplit(project.database.url).path[1:], base)


@pytest.fixture
def topic(origin: Origin, new_database: Callable[..., Database], tmp_path: Path) -> Callable[..., Project]:
    """The example project with other apps in its tenants, and a database without tenants."""
    return lambda *labels: origin.project(tmp_path / "project", new_database, *labels)


@pytest.fixture
def oracle(new_database: Callable[..., Database]) -> Callable[..., Comparison]:
    """Releases the project by both engines."""
    return lambda project, *words, **more: compare(project, new_database, *words, **more)


def needed(labels: Iterable[str]) -> list[str]:
    """These apps after those that they need."""
    needs = [need for label in labels for need in NEEDS.get(label, ())]
    return list(dict.fromkeys([*needs, *labels]))


def add_apps(project: Project, *labels: str) -> None:
    """Put apps into the tenants of a project, beside the content types and permissions."""
    apps = needed(labels)
    for label in apps:
        if (APPS / label).exists():
            shutil.copytree(APPS / label, project.folder / label)
    tenant = ["django.contrib.contenttypes", "django.contrib.auth", *apps]
    shared = ["django.contrib.postgres", "extensions"] if SHARED.intersection(apps) else []
    project.settings(SETTINGS.format(shared=shared, tenant=tenant))


def names(label: str) -> list[str]:
    """The migrations of an app."""
    return sorted(path.stem for path in (APPS / label / "migrations").glob("0*.py"))


def every_level(label: str) -> list[Level]:
    """Tenants at every level of an app, from nothing of it, twice, to everything."""
    levels = [
        Level(f"{label} {number}", ((label, name),), others=True)
        for number, name in enumerate(names(label), 1)
    ]
    return [PUBLIC, Level("zero_a", BASE), *levels, Level("zero_b", BASE)]


def build_levels(project: Project, label: str) -> None:
    """The database with every level."""
    build(project, every_level(label))
