"""Backups by pg_dump: taken before the first write, proven, and brought back."""

from __future__ import annotations

from pathlib import Path

from tests.support.release import Project


def test_try(past: Project, tmp_path: Path):
    run = past.run("--backup-to", str(tmp_path / "backups"))
    print(run.text)
    for f in sorted((tmp_path / "backups").rglob("*")):
        print(f, f.stat().st_size, oct(f.stat().st_mode))
    print(past.run("backups", "--backup-to", str(tmp_path / "backups")).text)
    assert 0
