"""Projects whose histories are compared, and the comparison."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.engines import Comparison, compare
from tests.support.levels import Level, build
from tests.support.release import Database, Project

APPS = Path(__file__).parent / "apps"

# The apps that a topic needs besides its own.
NEEDS = {"extras": ("extensions",), "pointing": ("outside",)}

BASE = (
    ("contenttypes", "0002_remove_content_type_name"),
    ("auth", "0012_alter_user_first_name_max_length"),
)

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


@pytest.fixture
def topic(new_database: Callable[..., Database], tmp_path: Path) -> Callable[..., Project]:
    """The example project with other apps in its tenants, and an empty database."""

    def create(*labels: str) -> Project:
        project = Project(tmp_path / "project", new_database())
        add_apps(project, *labels)
        return project

    return create


@pytest.fixture
def oracle(new_database: Callable[..., Database]) -> Callable[..., Comparison]:
    """Releases the project by both engines."""
    return lambda project, *words, **more: compare(project, new_database, *words, **more)


def add_apps(project: Project, *labels: str) -> None:
    """Put apps into the tenants of a project, beside the content types and permissions."""
    needed = [need for label in labels for need in NEEDS.get(label, ())]
    apps = list(dict.fromkeys([*needed, *labels]))
    for label in apps:
        if (APPS / label).exists():
            shutil.copytree(
                APPS / label, project.folder / label, ignore=shutil.ignore_patterns("__pycache__")
            )
    tenant = ["django.contrib.contenttypes", "django.contrib.auth", *apps]
    shared = ["django.contrib.postgres", "extensions"] if "extensions" in apps else []
    project.settings(SETTINGS.format(shared=shared, tenant=tenant))


def names(label: str) -> list[str]:
    """The migrations of an app."""
    return sorted(path.stem for path in (APPS / label / "migrations").glob("0*.py"))


def every_level(label: str) -> list[Level]:
    """Tenants at every level of an app, from nothing at all, twice, to everything."""
    levels = [
        Level(f"{label} {number}", ((label, name),), others=True)
        for number, name in enumerate(names(label), 1)
    ]
    return [PUBLIC, Level("zero_a"), *levels, Level("zero_b")]


def build_levels(project: Project, label: str) -> None:
    """The database with every level."""
    build(project, every_level(label))
