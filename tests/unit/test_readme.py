"""The README names everything that can be set, found or returned."""

from pathlib import Path

import pytest

from railway_release.config.config import Config
from railway_release.config.options import options_of, variable
from railway_release.errors import Exit
from railway_release.verification.findings import HINTS

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name, _, _ in options_of(Config)])
def test_every_option_is_listed_with_its_help(name):
    (declared,) = [one for field, one, _ in options_of(Config) if field == name]
    flag = f"`--{name.replace('_', '-')}`" if "flag" in declared.sources else ""
    rows = [line for line in README.splitlines() if line.endswith(f"| {declared.help} |")]

    assert len(rows) == 1
    assert flag in rows[0]
    assert "env" not in declared.sources or f"`{variable(name, declared)}`" in rows[0]


@pytest.mark.parametrize("id", sorted(HINTS))
def test_every_finding_is_explained(id):
    assert f"| `{id}` |" in README


@pytest.mark.parametrize("code", sorted(set(Exit) - {Exit.INTERRUPTED, Exit.TERMINATED}))
def test_every_exit_code_is_explained(code):
    assert f"\n| {int(code)} |" in README
