"""What the package imports, read from its source."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "railway_release"


def imported_modules() -> Iterator[str]:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=names):
                    yield from (name.name for name in names)
                case ast.ImportFrom(module=str(module), level=0):
                    yield module


def test_the_package_imports_its_four_dependencies_and_no_database_driver():
    top_level = {name.partition(".")[0] for name in imported_modules()}

    assert top_level - sys.stdlib_module_names - {"railway_release"} == {
        "django",
        "django_tenants",
        "structlog",
        "tenacity",
    }
