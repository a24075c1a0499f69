"""What the package imports, read from its source."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "railway_release"


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        yield from modules_of(node)


def modules_of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (name.name for name in names)
        case ast.ImportFrom(module=str(module), level=0):
            yield module


# Of the extra `s3`: they take half a second, so that only those wait for them who have a bucket.
OPTIONAL = {"boto3", "botocore"}


def test_the_package_imports_its_four_dependencies_one_extra_and_no_database_driver():
    top_level = {name.partition(".")[0] for path in PACKAGE.rglob("*.py") for name in imported_modules(path)}

    assert top_level - sys.stdlib_module_names - {"railway_release"} - OPTIONAL == {
        "django",
        "django_tenants",
        "structlog",
        "tenacity",
    }


def test_what_is_optional_is_imported_inside_functions_of_one_module():
    bucket = PACKAGE / "backup" / "bucket.py"
    importing = {
        path
        for path in PACKAGE.rglob("*.py")
        if OPTIONAL & {name.partition(".")[0] for name in imported_modules(path)}
    }
    at_once = {
        name.partition(".")[0]
        for node in ast.parse(bucket.read_text(encoding="utf-8")).body
        for name in modules_of(node)
    }

    assert (importing, at_once & OPTIONAL) == ({bucket}, set())


def test_what_the_users_project_imports_stands_on_topology_names_and_postgres_alone():
    inside, outside = set(), set()
    for path in PACKAGE.rglob("*.py"):
        modules = set(imported_modules(path))
        (inside if path.parent == PACKAGE / "django" else outside).update(modules)

    ours = {name for name in inside if name.startswith("railway_release.")}
    assert {".".join(name.split(".")[:2]) for name in ours} == {
        "railway_release.django",
        "railway_release.naming",
        "railway_release.postgres",
        "railway_release.topology",
    }
    assert not [name for name in outside if name.startswith("railway_release.django")]


# From the ground up: each room imports from itself and from floors below its own.
FLOORS = (
    {"errors", "runtime"},
    {"postgres"},
    {"config", "naming"},
    {"topology"},
    {"django", "migrations", "preflight"},
    {"backup", "verification"},
    {"diagnosis", "engine", "snapshot"},
    {"repairs"},
    {"report"},
    {"commands"},
    {"cli"},
    {"__main__"},
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
ALL_MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")
}


def imports_of(path: Path) -> set[str]:
    """The modules of the package that this one imports, below the package's name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "railway_release":
            base = str(node.module).partition(".")[2]
            names = (f"{base}.{alias.name}".lstrip(".") for alias in node.names)
            found |= {name if name in ALL_MODULES else base for name in names}
    return found - {""}


def test_imports_lead_downwards():
    rooms = {
        (name.partition(".")[0], imported.partition(".")[0])
        for name, path in ALL_MODULES.items()
        for imported in imports_of(path)
    }

    assert [
        (room, other) for room, other in sorted(rooms) if room != other and FLOOR_OF[other] >= FLOOR_OF[room]
    ] == []


def test_no_module_imports_itself_through_others():
    imports = {name: imports_of(path) for name, path in ALL_MODULES.items()}
    while leaves := {name for name, imported in imports.items() if not imported & imports.keys()}:
        imports = {name: imported for name, imported in imports.items() if name not in leaves}

    assert imports == {}


def test_few_modules_lie_loose_beside_the_rooms():
    loose = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}

    assert (loose | rooms, len(loose) <= 8, len(loose | rooms) <= 25) == (set(FLOOR_OF), True, True)
