"""Every command of the page for whoever has to restore at 3 a.m. does what the page says."""

import re
import shlex
from collections.abc import Sequence

from tests.support.release import ROOT, Project, Run

GUIDE = (ROOT / "docs" / "guides" / "restore-a-tenant.md").read_text(encoding="utf-8")
MEMBERS = "athena.buildings_buildingmembership"


def commands(section: str) -> list[list[str]]:
    """The commands of a section, in order, as words without the program; variables before them stay."""
    text = GUIDE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines() if line.strip()]
    return [shlex.split(line.replace("python run_migrations.py", "")) for line in lines]


def test_a_restore_is_taken_back_by_what_the_page_says(current: Project, tmp_path):
    database, to = current.database, str(tmp_path / "backups")
    assert current.run("backup", RELEASE_BACKUP_TO=to).code == 0
    database.sql(f"DELETE FROM {MEMBERS}")
    assert current.run("restore", "latest", "--schema", "athena", "--apply", RELEASE_BACKUP_TO=to).code == 0
    (aside,) = database.lines("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'athena\\_\\_before%'")
    (sql,) = re.findall(r"```sql\n(BEGIN; ALTER SCHEMA.*?)```", GUIDE, re.DOTALL)
    database.sql(re.sub(r"\bNAME", "athena", sql.replace("NAME__before_RUN", aside)))

    assert database.sql(f"SELECT count(*) FROM {MEMBERS}") == "0"
    assert current.run("--no-collectstatic").states["athena"] == "current"
    assert current.run("verify").findings("schema.unowned") == [("athena_restored", "schema")]


def typed(project: Project, words: Sequence[str], **environ: str) -> Run:
    """A command for the tenant that was spoilt, with what is to be filled in."""
    named = [word.replace("NAME", "athena") for word in words]
    given = {name: value for name, value in environ.items() if f"{name}=" not in "".join(words)}
    other = {word.partition("=")[0]: environ["DRILL"] for word in named if word.startswith("RELEASE_")}
    return project.run(*(word for word in named if not word.startswith("RELEASE_")), **given, **other)


def test_a_tenant_comes_back_by_what_the_page_says(current: Project, new_database, tmp_path):
    database, environ = current.database, {"RELEASE_BACKUP_TO": str(tmp_path / "backups")}
    assert current.run("backup", **environ).code == 0
    members = database.lines(f"SELECT * FROM {MEMBERS} ORDER BY id")
    database.sql(f"DELETE FROM {MEMBERS}")
    runs = [typed(current, words, **environ) for words in commands("It is 3 a.m.")]

    assert [run.code for run in runs] == [0] * len(runs), [run.text for run in runs if run.code]
    assert len(runs) == 7
    assert database.lines(f"SELECT * FROM {MEMBERS} ORDER BY id") == members
    assert set(runs[-1].states.values()) == {"dropped"}

    environ["DRILL"] = new_database().url
    looked = [
        typed(current, words, **environ) for words in commands("Look first: a copy, or another database")
    ]
    assert [set(run.states.values()) for run in looked] == [{"restored"}] * 2
    assert database.sql("SELECT count(*) FROM athena_then.buildings_buildingmembership") == str(len(members))
