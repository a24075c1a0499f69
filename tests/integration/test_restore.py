"""Schemas that are brought back from a backup."""

from __future__ import annotations

from pathlib import Path

from tests.support.release import Project


def test_try(past: Project, tmp_path: Path):
    to = ("--backup-to", str(tmp_path / "backups"))
    run = past.run("--no-collectstatic", *to, "--log-format", "console")
    d = past.database
    print(run.text)
    print(d.sql("select table_name from information_schema.tables where table_schema='athena'"))
    print(d.sql("select count(*) from athena.buildings_buildingmembership"))
    d.sql("drop table athena.buildings_buildingmembership cascade")
    for words in (["restore", "latest"], ["restore", "latest", "--schema", "athena"], ["restore", "latest", "--schema", "athena", "--apply"],
        ["restore", "latest", "--schema", "athena", "--apply"], ["restore", "latest", "--schema", "public"],
        ["restore", "latest", "--schema", "athena", "--into", "copy of it", "--apply"],
        ["verify"], ["status"], ["doctor"], ["plan"], ["restore", "latest", "--discard"], ["restore", "latest", "--discard", "--apply"]):
        run = past.run(*words, *(to if words[0] == "restore" else ()), "--log-format", "console")
        print(words, run.code, run.text)
        print(d.lines("select nspname, obj_description(oid,'pg_namespace') from pg_namespace where nspname not like 'pg\\_%'"))
    assert 0
