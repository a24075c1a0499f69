"""GeoDjango: PostGIS' backend, its extension, and columns, rows and indexes of its types."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import postgis
from tests.support.engines import compare
from tests.support.release import Database, Project

TENANTS = ("athena", "kypseli", "piraeus")


@pytest.fixture
def spatial(
    server: str, new_database: Callable[..., Database], template: Callable[..., str], tmp_path: Path
) -> Project:
    """Three tenants two releases behind, whose newest release needs PostGIS for the first time."""
    if lacking := postgis.why_not(server):
        pytest.skip(lacking)
    project = Project(tmp_path / "project", new_database(template(*TENANTS)))
    postgis.place(project)
    return project


def test_both_engines_leave_the_same_behind(spatial: Project, new_database: Callable[..., Database]) -> None:
    """The extension among it, which the database's preparation makes; with one worker and with two."""
    comparison = compare(spatial, new_database)

    assert comparison.stock.code == 0, comparison.stock.text
    assert comparison.equal, comparison.text
    engines = {run.event("migrations.bounded")["engine"] for run in comparison.compiled.values()}
    assert engines == {"compiled"}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_release_leaves_nothing_to_find_and_what_is_lost_is_repaired(spatial: Project, jobs: str) -> None:
    """Every command reads, and repairs, through PostGIS' backend."""
    run = spatial.run("--no-collectstatic", "--jobs", jobs)
    assert (run.code, set(run.states.values())) == (0, {"migrated"}), run.text
    assert [spatial.run(*words).code for words in (("verify",), ("check", "--start"), ("status",))] == [
        0,
        0,
        0,
    ]

    spatial.database.sql('ALTER TABLE "kypseli".places_place DROP COLUMN outline')
    spatial.database.sql('DROP TABLE "piraeus".places_place')
    assert spatial.run("doctor").code == 8
    repaired = spatial.run("repair", "--apply", "--jobs", jobs)
    assert (repaired.code, repaired.states["kypseli"], repaired.states["piraeus"]) == (
        0,
        "repaired",
        "repaired",
    ), repaired.text
    assert spatial.run("verify").report["findings"] == []


def test_the_extension_may_lie_in_a_schema_that_setting_up_asks_for(spatial: Project) -> None:
    """With PG_EXTRA_SEARCH_PATHS, django.setup() itself queries, and every tenant finds the types."""
    spatial.database.sql("CREATE SCHEMA extensions; CREATE EXTENSION postgis SCHEMA extensions")
    spatial.settings("PG_EXTRA_SEARCH_PATHS = ['extensions']")
    run = spatial.run("--no-collectstatic", "--jobs", "2")

    assert (run.code, set(run.states.values())) == (0, {"migrated"}), run.text
    assert spatial.run("check").code == 0
