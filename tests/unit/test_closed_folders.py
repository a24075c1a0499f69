"""What lies beside a project and is closed to this process counts as not there."""

from pathlib import Path

import pytest

from railway_release.config.loading import can_be_written
from railway_release.diagnosis.files import causes
from railway_release.preflight.project import find


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A project beside links that nobody can look behind, also not root, for whom no folder is closed."""
    for name in ("beside", "manage.py", "Procfile", ".git"):
        (tmp_path / name).symlink_to("x" * 300)
    project = tmp_path / "project"
    project.mkdir()
    (project / "manage.py").write_text("import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'a.b')\n")
    return tmp_path


@pytest.mark.parametrize(("flag", "settings"), [("", "a.b"), ("c.d", "c.d")])
def test_a_project_is_found_beside_a_closed_folder(closed: Path, flag: str, settings: str) -> None:
    assert find(flag, {}, [closed]).settings_module == settings


def test_a_working_tree_is_read_beside_a_closed_folder(closed: Path) -> None:
    assert list(causes(closed / "project")) == []


def test_a_report_in_a_closed_folder_cannot_be_written(closed: Path) -> None:
    assert not can_be_written(str(closed / "beside" / "report.json"))
