"""What the package imports, read from its source."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "railway_release"


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module


def test_the_package_imports_its_four_dependencies_and_no_database_driver():
    top_level = {name.partition(".")[0] for path in PACKAGE.rglob("*.py") for name in imported_modules(path)}

    assert top_level - sys.stdlib_module_names - {"railway_release"} == {
        "django",
        "django_tenants",
        "structlog",
        "tenacity",
    }


def test_what_the_users_project_imports_stands_on_topology_and_postgres_alone():
    inside, outside = set(), set()
    for path in PACKAGE.rglob("*.py"):
        modules = set(imported_modules(path))
        (inside if path.parent == PACKAGE / "django" else outside).update(modules)

    ours = {name for name in inside if name.startswith("railway_release.")}
    assert {".".join(name.split(".")[:2]) for name in ours} == {
        "railway_release.django",
        "railway_release.postgres",
        "railway_release.topology",
    }
    assert not [name for name in outside if name.startswith("railway_release.django")]
