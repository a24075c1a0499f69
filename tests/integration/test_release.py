"""The release command, as a deployment runs it."""

import pytest

from tests.support.release import Project

pytestmark = [pytest.mark.versions, pytest.mark.server]


def test_a_release_brings_every_schema_to_the_newest_level(past: Project) -> None:
    run = past.run()

    assert run.code == 0, run.text
    assert run.states == {
        "public": "migrated",
        "athena": "migrated",
        "kypseli": "migrated",
        "piraeus": "migrated",
    }
    assert past.database.applied("athena", "buildings")[-1] == "0006_fill_slugs"


def test_a_second_release_opens_no_schema(past: Project) -> None:
    past.run()
    run = past.run()

    assert run.code == 0
    assert set(run.states.values()) == {"current"}
    assert run.report["backup"] == ""
