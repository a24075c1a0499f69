"""Where the project's code has raised an error: not where the framework, Python or this package has."""

import sysconfig
from pathlib import Path

import pytest

from railway_release.runtime.plain import place_of

PROJECT = "/srv/app/shop/migrations/0002_x.py"
FOREIGN = [
    "/srv/app/.venv/lib/python3.13/site-packages/django/db/models/query.py",
    "/usr/lib/python3/dist-packages/django_tenants/utils.py",
    str(Path(sysconfig.get_paths()["stdlib"]) / "json" / "decoder.py"),
    str(Path(__file__).parents[2] / "railway_release" / "engine" / "apply.py"),
    "<string>",
]


def raised(inner: str, outer: str) -> BaseException:
    """An error that code of the inner file has raised, called by code of the outer one."""
    names: dict[str, object] = {}
    exec(compile("def raising():\n    raise KeyError('x')\n", inner, "exec"), names)  # noqa: S102 - ours
    exec(compile("def calling():\n    raising()\n", outer, "exec"), names)  # noqa: S102 - ours
    try:
        names["calling"]()  # type: ignore[operator]  # it was defined above
    except KeyError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize("foreign", FOREIGN)
def test_it_is_the_innermost_line_of_the_project(foreign: str) -> None:
    assert place_of(raised(foreign, PROJECT)) == f"{PROJECT}, line 2"


def test_an_installed_app_is_a_part_of_the_project() -> None:
    app = "/srv/app/.venv/lib/python3.13/site-packages/shop_app/models.py"

    assert place_of(raised(app, PROJECT)) == f"{app}, line 2"


def test_it_is_shown_from_the_working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    assert place_of(raised(str(Path.cwd() / "shop" / "x.py"), PROJECT)) == "shop/x.py, line 2"
