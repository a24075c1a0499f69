"""A manage.py is read: what it would do to the settings module and to the import path."""

from pathlib import Path

import pytest

from railway_release.preflight.manage import Manage, read

HEAD = """\
#!/usr/bin/env python
import os, site, sys
import os.path as osp
from os import environ, getenv
from os.path import abspath, dirname, join
from pathlib import Path
"""
NAMED = {
    "setdefault": "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'config.settings')",
    "keywords": "os.environ.setdefault(key='DJANGO_SETTINGS_MODULE', default='config.settings')",
    "one keyword": "environ.setdefault('DJANGO_SETTINGS_MODULE', default='config.settings')",
    "item": "os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'",
    "item anew": "environ.setdefault('DJANGO_SETTINGS_MODULE', 'x')\n"
    "environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'",
    "setdefault twice": "environ.setdefault('DJANGO_SETTINGS_MODULE', 'config.settings')\n"
    "environ.setdefault('DJANGO_SETTINGS_MODULE', 'x')",
    "update": "os.environ.update({'DJANGO_SETTINGS_MODULE': 'config.settings'})",
    "update by name": "os.environ.update(DJANGO_SETTINGS_MODULE='config.settings')",
    "constant": "SETTINGS: str = 'config.settings'\n"
    "KEY = 'DJANGO_SETTINGS_MODULE'\nenviron.setdefault(KEY, SETTINGS)",
    "put together": "NAME = 'config'\nenviron.setdefault('DJANGO_SETTINGS_MODULE', NAME + '.settings')",
    "f-string": "environ.setdefault('DJANGO_SETTINGS_MODULE', f'config.{getenv(\"STAGE\", \"settings\")}')",
    "environment": "environ['DJANGO_SETTINGS_MODULE'] = 'config.' + os.environ.get('STAGE', 'settings')",
    "either": "environ.setdefault('DJANGO_SETTINGS_MODULE', getenv('STAGE') or 'config.settings')",
    "not testing": "name = 'x' if 'test' in sys.argv else 'config.settings'\n"
    "environ.setdefault('DJANGO_SETTINGS_MODULE', name)",
    "branch": "if len(sys.argv) > 1 and sys.argv[1] == 'test':\n    pass\n"
    "if sys.argv[1] == 'test':\n    name = 'x'\nelse:\n    name = 'config.settings'\n"
    "environ.setdefault('DJANGO_SETTINGS_MODULE', name)",
    "main": "def main():\n    os.environ.setdefault('DJANGO_SETTINGS_MODULE', SETTINGS)\n\n\n"
    "SETTINGS = 'config.settings'\nif __name__ == '__main__':\n    sys.exit(main())",
    "nobody calls it": "def main():\n    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'config.settings')",
    "try": "try:\n    environ.setdefault('DJANGO_SETTINGS_MODULE', 'config.settings')\n"
    "except OSError:\n    raise",
    "somewhere": "class Program:\n    environ.setdefault('DJANGO_SETTINGS_MODULE', 'config.settings')",
}
BEFORE = {
    "relative": "sys.path.insert(0, 'src')",
    "first but one": "sys.path.insert(1, 'src')",
    "join": "sys.path.insert(0, os.path.join(os.path.dirname(__file__), 'src'))",
    "names": "BASE = dirname(abspath(__file__))\nsys.path.insert(0, join(BASE, 'src'))",
    "alias": "sys.path.insert(0, osp.join(osp.dirname(osp.realpath(__file__)), 'src'))",
    "pathlib": "BASE_DIR = Path(__file__).resolve().parent\nsys.path.insert(0, str(BASE_DIR / 'src'))",
    "not text": "sys.path.insert(0, Path(__file__).parent / 'src')",
    "parents": "sys.path.insert(0, str(Path(__file__).absolute().parents[0].joinpath('src')))",
    "working directory": "sys.path.insert(0, os.getcwd() + '/src')",
    "f-string": "sys.path.insert(0, f'{dirname(__file__)}/src')",
    "percent": "sys.path.insert(0, '%s/%s' % (dirname(__file__), 'src'))",
    "format": "sys.path.insert(0, '{}/src'.format(dirname(__file__)))",
    "two at once": "BASE, NAME = dirname(__file__), 'src'\nsys.path.insert(0, join(BASE, NAME))",
    "absolute": "sys.path.insert(0, abspath('src'))",
    "resolved": "sys.path.insert(0, str(Path('src').resolve()))",
    "up and down": "sys.path.insert(0, join(dirname(__file__), 'x', os.pardir, 'src'))",
    "added to": "sys.path = [join(dirname(__file__), 'src')] + sys.path",
    "starred": "sys.path = ['src', *sys.path]",
    "slice": "sys.path[0:0] = ['src']",
    "loop": "for name in ['src']:\n    sys.path.insert(0, join(dirname(__file__), name))",
    "function": "def main():\n    sys.path.insert(0, 'src')\n\n\nmain()",
    "condition": "if not_known():\n    sys.path.insert(0, 'src')",
}
AFTER = {
    "append": "sys.path.append('src')",
    "extend": "sys.path.extend(['src'])",
    "plus": "sys.path += [str(Path(__file__).parent / 'src')]",
    "add to": "sys.path = sys.path + ['src']",
    "starred": "sys.path = [*sys.path, 'src']",
    "far": "sys.path.insert(7, 'src')",
    "site": "site.addsitedir('src')",
}
NOTHING = {
    "syntax": "def broken(:",
    "unknown": "sys.path.insert(0, folder_of(__file__))\nsys.path = made_up()",
    "wrong": "sys.path.insert(0, 5)\nfor x in 5:\n    pass\nsys.path.append('a' / 'b')\nPath(1, 2)[3]",
    "other variable": "os.environ.setdefault('LANG', 'C')\nos.environ['X'] = 'config.settings'",
    "rebound": "X = 'src'\nX = made_up()\nsys.path.insert(0, X)",
}


def made_of(folder: Path, source: str, **environ: str) -> Manage:
    path = folder / "manage.py"
    path.write_text(f"{HEAD}{source}\n", encoding="utf-8")
    return read(path, environ)


@pytest.mark.parametrize("source", NAMED.values(), ids=NAMED)
def test_the_settings_module_is_found(tmp_path: Path, source: str) -> None:
    assert made_of(tmp_path, source).settings == "config.settings"


def test_a_variable_of_the_environment_may_choose_it(tmp_path: Path) -> None:
    assert made_of(tmp_path, NAMED["environment"], STAGE="production").settings == "config.production"


@pytest.mark.parametrize("source", BEFORE.values(), ids=BEFORE)
def test_folders_put_before_the_import_path_are_found(tmp_path: Path, source: str) -> None:
    found = made_of(tmp_path, source)

    assert (found.before, found.after) == ((str(tmp_path.resolve() / "src"),), ())


@pytest.mark.parametrize("source", AFTER.values(), ids=AFTER)
def test_folders_put_after_the_import_path_are_found(tmp_path: Path, source: str) -> None:
    found = made_of(tmp_path, source)

    assert (found.before, found.after) == ((), (str(tmp_path.resolve() / "src"),))


def test_the_last_that_is_inserted_stands_first(tmp_path: Path) -> None:
    found = made_of(tmp_path, "for name in ('a', 'b'):\n    sys.path.insert(0, name)")

    assert [Path(folder).name for folder in found.before] == ["b", "a"]


@pytest.mark.parametrize("source", NOTHING.values(), ids=NOTHING)
def test_what_is_not_understood_is_passed_over(tmp_path: Path, source: str) -> None:
    found = made_of(tmp_path, source)

    assert (found.settings, found.before, found.after) == ("", (), ())
