"""A disk that is full: one tenant fails, the others go on, and nothing is half done."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.account import give_to_account
from tests.support.disk import small_file_system
from tests.support.release import Project
from tests.support.running import only_in, run_sql

FILL = (
    "INSERT INTO buildings_building (name, address, slug)"
    " SELECT 'x', repeat('y', 190), '' FROM generate_series(1, 200000);"
)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 8 MB."""
    with small_file_system("8m") as folder:
        give_to_account(folder)
        yield folder


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_full_disk_fails_the_tenant_that_needs_it_and_leaves_it_as_it_was(
    current: Project, small_disk, jobs
):
    database = current.database
    space = f"small_{jobs}"
    database.sql(f"CREATE TABLESPACE {space} LOCATION '{small_disk}'")
    database.sql(f"ALTER TABLE kypseli.buildings_building SET TABLESPACE {space}")
    change = "migrations.AddField('building', 'floors', models.IntegerField(null=True))"
    current.migration(
        "buildings", "0007_fill", "0006_fill_slugs", f"{change}, {run_sql(only_in('kypseli', FILL))}"
    )
    run = current.run("--no-collectstatic", RELEASE_JOBS=jobs)

    outcome = run.outcome("kypseli")
    assert (run.code, run.states["athena"], run.states["piraeus"]) == (7, "migrated", "migrated"), run.text
    assert (outcome["state"], outcome["sqlstate"], outcome["failed_at"]) == (
        "failed",
        "53100",
        "buildings.0007_fill",
    )
    assert "disk" in outcome["hint"]
    assert "0007_fill" not in database.applied("kypseli", "buildings")
    assert database.sql("SELECT count(*) FROM kypseli.buildings_building") == "2"

    database.sql("ALTER TABLE kypseli.buildings_building SET TABLESPACE pg_default")
    again = current.run("--no-collectstatic", RELEASE_JOBS=jobs)
    assert (again.code, again.states["kypseli"]) == (0, "migrated"), again.text
    database.sql(f"DROP TABLESPACE {space}")
