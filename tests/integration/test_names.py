"""Schema names that PostgreSQL and django-tenants take, and that shells, formats and lists trip over."""

import re
import shlex
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.diagnosis import repair
from tests.support.printed import decide, decisions
from tests.support.release import Database, Project
from tests.support.schemas import copy_tenant, quote
from tests.support.unwell import borrowed, name_of

ODD = (
    "Kypseli",
    "nea-smyrni",
    "plaka.old",
    "old town",
    " leading space",
    "-o",
    "Αθήνα",
    "100%",
    "%s%(x)s",
    "a,b",
    "{athena}",
    "select",
    "5th",
    "n" * 63,
    "ά" * 31,  # 62 bytes
    "ά" * 31 + "x",
    "$HOME",
    "`id`$(id)",
    "\x1b[2K\x1b[1Agone",
    "tab\there",
    "🏛 👩\u200d🚒",
)


# What django-tenants takes depends on its version; of a tenant made with an older one, or by SQL, all may be.
QUOTED = ("it's", 'quo"te', "back\\slash", "semi;colon", "\r00:00:00  all is well")
FORBIDDEN = ("new\nline",) if version("django-tenants").startswith("3.") else ("new\nline", *QUOTED)
ODD = (*ODD, *(name for name in QUOTED if name not in FORBIDDEN))


pytestmark = pytest.mark.xdist_group("names")  # what they begin with is made once


@pytest.fixture(scope="module")
def behind(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """A project two releases behind whose tenants have all these names, and athena; to look at only."""
    with borrowed(server, template("athena"), tmp_path_factory.mktemp("odd")) as project:
        copy_tenant(project.database, "athena", *ODD)
        yield project


@pytest.fixture(scope="module")
def forbidden(server: str, behind: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The same with the others' names too, one of which lacks a table; to look at only."""
    with borrowed(server, name_of(behind.database), tmp_path_factory.mktemp("forbidden")) as project:
        copy_tenant(project.database, "athena", *FORBIDDEN)
        project.database.sql('DROP TABLE "new\nline".buildings_building CASCADE')
        yield project


@pytest.fixture
def odd(new_database: Callable[..., Database], behind: Project, tmp_path: Path) -> Project:
    """A copy of the first, to change."""
    return Project(tmp_path / "project", new_database(name_of(behind.database)))


def lose_tables(project: Project, *names: str) -> None:
    """Drop the same table in each of these."""
    lost = ", ".join(f"{quote(name)}.buildings_buildingmembership" for name in names)
    project.database.sql(f"DROP TABLE {lost}")


def release(project: Project, jobs: str) -> None:
    """Migrate all of them with so many workers, and see that nothing is left to do."""
    run = project.run("--no-collectstatic", "--jobs", jobs)
    assert (run.code, run.states) == (0, dict.fromkeys(("public", "athena", *ODD), "migrated")), run.text
    assert [project.run("verify").report["findings"], project.run("check").code] == [[], 0]


def repair_all(project: Project, jobs: str) -> None:
    """Give all of them their table back, with so many workers."""
    repaired = project.run("repair", "--apply", "--jobs", jobs)
    assert {name for name, state in repaired.states.items() if state == "repaired"} == set(ODD)


def test_one_worker_releases_and_repairs_odd_schema_names_as_others(odd: Project) -> None:
    release(odd, "1")
    lose_tables(odd, *ODD)
    repair_all(odd, "1")


def test_odd_schema_names_pass_through_every_command_as_others_do(odd: Project) -> None:
    """They are migrated, verified, counted, found unwell, repaired, and their records put right."""
    release(odd, "2")
    (cohort,) = [one for one in odd.run("status").report["status"]["cohorts"] if "athena" in one["schemas"]]
    assert sorted(cohort["schemas"]) == sorted(("athena", *ODD))

    lose_tables(odd, *ODD)
    (cause,) = [one for one in odd.run("doctor").report["diagnosis"] if one["id"] == "table.ghost"]
    assert sorted(cause["schemas"]) == sorted(ODD)
    repair_all(odd, "2")

    records = (f"{quote(name)}.django_migrations" for name in ODD)
    odd.database.sql("; ".join(f"DELETE FROM {one} WHERE name = '0006_fill_slugs'" for one in records))
    flags = [f"--schema={name}" for name in ODD]
    faked = odd.run("fake", "buildings", "0006_fill_slugs", "--data-is-done", *flags)
    assert (faked.code, set(faked.states)) == (0, set(ODD)), faked.text
    assert odd.run("check").code == 0


@pytest.mark.versions
def test_a_name_that_django_tenants_forbids_is_left_alone_until_it_has_another(odd: Project) -> None:
    copy_tenant(odd.database, "athena", *FORBIDDEN, "it_s")
    run = odd.run("--no-collectstatic")
    assert (run.code, set(run.states.values())) == (7, {"migrated", "failed"}), run.text
    assert {name for name, state in run.states.items() if state == "failed"} == {*FORBIDDEN}
    assert {name for name, _ in run.findings("tenant.misnamed")} == {*FORBIDDEN}
    assert not run.named("release.hinted") or "--schema" not in run.event("release.hinted")["message"]

    for decision in decisions(odd.run("repair")):
        decide(odd, decision.choices[0])
    again = odd.run("--no-collectstatic")
    assert (again.code, list(again.states.values()).count("migrated")) == (0, len(FORBIDDEN)), again.text
    assert again.report["findings"] == []


def test_odd_names_can_be_asked_for(behind: Project) -> None:
    """As they are, and as a terminal shows them."""
    names = [name for name in ODD if name != "tab\there"]
    run = behind.run("plan", *(f"--schema={name}" for name in (*names, r"tab\there")))

    assert run.code == 9, run.text
    assert sorted(name for group in run.report["pending"] for name in group["schemas"]) == sorted(ODD)


@pytest.mark.parametrize("words", [("status", "--schemas"), ("doctor",), ("repair", "--schema=athena")])
def test_no_name_moves_the_cursor_or_makes_a_line_of_its_own(
    forbidden: Project, words: tuple[str, ...]
) -> None:
    run = forbidden.run(*words, "--log-format", "console", "--schema", r"new\nline")

    assert r"new\nline" in run.stdout
    assert [line for line in run.stdout.split("\n") if not re.match(r"\d\d:\d\d:\d\d  |   |$", line)] == []
    assert re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f]", run.stdout) == []


def test_odd_names_can_be_excluded(behind: Project) -> None:
    names = ("Kypseli", "a,b", " leading space", "%s%(x)s")
    run = behind.run("plan", *(f"--exclude={name}" for name in names))

    (group,) = [one["schemas"] for one in run.report["pending"] if "athena" in one["schemas"]]
    assert sorted(group) == sorted({"athena", *ODD} - {*names})


def test_the_command_to_run_again_works_with_odd_names(odd: Project) -> None:
    """Of a few at a time: more would not be named in it."""
    for names in (ODD[:5], ODD[5:10], ODD[10:15], ODD[15:20]):
        tables = [f"ALTER TABLE {quote(name)}.buildings_building" for name in names]
        odd.database.sql(";".join(f"{table} ADD COLUMN slug text" for table in tables))
        failed = odd.run("--no-collectstatic", *(f"--schema={name}" for name in names))
        odd.database.sql(";".join(f"{table} DROP COLUMN slug" for table in tables))
        _, _, words = failed.named("release.hinted")[-1]["message"].partition("run_migrations.py ")

        again = odd.run("--no-collectstatic", *shlex.split(words))
        assert again.code == 0, again.text
        assert {name for name, state in again.states.items() if state == "migrated"} == set(names)


def test_the_hint_of_an_untouched_schema_can_be_typed_as_it_stands(odd: Project) -> None:
    names = ("Αθήνα", "-o", "old town")
    lose_tables(odd, *names)
    run = odd.run("--no-collectstatic", "--schema=athena", *(f"--schema={name}" for name in names))

    for name in names:
        _, _, words = run.outcome(name)["hint"].strip(".`").partition("run_migrations.py ")
        found = odd.run(*shlex.split(words))
        assert (found.code, [one["schemas"] for one in found.report["remedies"]]) == (9, [[name]])


def test_names_that_differ_in_case_alone_are_two_schemas(past: Project) -> None:
    copy_tenant(past.database, "athena", "Kypseli", "KYPSELI")
    run = past.run("--no-collectstatic", "--schema", "KYPSELI")

    assert run.code == 0, run.text
    assert (run.states["KYPSELI"], run.states["Kypseli"]) == ("migrated", "skipped")
    assert past.database.applied("Kypseli", "buildings")[-1] == "0003_building_address"


def test_a_name_longer_than_postgresql_keeps_is_the_schema_it_was_cut_to(current: Project) -> None:
    name = "κ" * 40  # 80 bytes: django-tenants allows 63 characters, PostgreSQL keeps 63 bytes
    current.python(
        f"from tenants.models import Client; Client(schema_name={name!r}, name='Long').save(verbosity=0)"
    )
    current.migration("buildings", "0007_more", "0006_fill_slugs", "migrations.RunSQL('SELECT 1')")
    run = current.run("--no-collectstatic")

    assert current.database.applied("κ" * 31, "buildings")[-1] == "0007_more", run.text
    assert run.findings("schema.missing") == []


@pytest.mark.parametrize(
    "several",
    [[["old town", "-o", "{athena}", "%s%(x)s", "Αθήνα"]], [["old town"], ["-o"]]],
    ids=["together", "one by one"],
)
def test_the_command_of_a_cause_can_be_typed_for_odd_names(odd: Project, several: list[list[str]]) -> None:
    for names in several:
        lose_tables(odd, *names)
    for names in several:
        run = odd.run("doctor", *(f"--schema={name}" for name in names))
        (cause,) = [one for one in run.report["diagnosis"] if one["id"] == "table.ghost"]

        assert sorted(cause["schemas"]) == sorted(names)
        assert odd.run(*repair(cause)).code == 0
        assert all("buildings_buildingmembership" in odd.database.tables(name) for name in names)


def test_the_sequences_of_odd_schema_names_can_be_read(odd: Project) -> None:
    odd.database.sql("INSERT INTO \"{athena}\".buildings_building (id, name, address) VALUES (99, '', '')")
    run = odd.run("doctor", "--sequences")

    assert [one["schemas"] for one in run.report["diagnosis"] if one["id"] == "sequence.behind"] == [
        ["{athena}"]
    ]
