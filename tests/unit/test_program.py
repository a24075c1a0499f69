"""What is printed as the command to type is what the person has."""

from pathlib import Path

import pytest

from railway_release.runtime.program import deployed, typed


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A search path with two programs."""
    for name in ("python", "railway-release"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("argv0", "interpreter", "expected"),
    [
        ("run_migrations.py", "python", "python run_migrations.py"),
        ("run_migrations.py", "python3.12", "python3.12 run_migrations.py"),
        ("run_migrations.py", ".venv/bin/python", ".venv/bin/python run_migrations.py"),
        ("../run_migrations.py", "python", "python ../run_migrations.py"),
        ("/srv/my app/run_migrations.py", "python", "python '/srv/my app/run_migrations.py'"),
        ("migrate_all.py", "python", "python migrate_all.py"),
        ("/lib/railway_release/__main__.py", "python", "python -m railway_release"),
        ("/opt/bin/railway-release", "/opt/bin/python", "/opt/bin/railway-release"),
        ("/lib/pytest/__main__.py", "/opt/bin/python", "python run_migrations.py"),
    ],
)
def test_it_is_started_again_as_it_was_started(argv0: str, interpreter: str, expected: str) -> None:
    assert typed(argv0, interpreter) == expected


def test_a_program_that_the_shell_finds_is_typed_by_its_name(path: Path) -> None:
    assert typed("run_migrations.py", str(path / "python")) == "python run_migrations.py"
    assert typed(str(path / "railway-release"), "python") == "railway-release"


@pytest.mark.parametrize(
    ("argv0", "expected"),
    [
        ("../../run_migrations.py", "python run_migrations.py"),
        ("/lib/railway_release/__main__.py", "python -m railway_release"),
        ("/home/eleni/.venv/bin/railway-release", "railway-release"),
    ],
)
def test_a_deployment_is_given_none_of_this_machines_paths(argv0: str, expected: str) -> None:
    assert deployed(argv0) == expected
