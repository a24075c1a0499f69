"""repair: each cause is built for real in a tenant of its own, named, repaired, and gone."""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import TENANTS
from tests.support.causes import CAUSES, RULE, Cause
from tests.support.release import Project
from tests.support.schemas import add_row
from tests.support.unwell import Story, damage, definitions, diagnosed, grown, live, mends, remedy, settle

WHERE_ROWS_ARE = (
    "nullable_column",
    "defaulted_column",
    "database_default",
    "generated_column",
    "identity",
    "serial",
)

# What they all look at is built once.
pytestmark = [pytest.mark.versions, pytest.mark.server, pytest.mark.xdist_group("repair")]
each = pytest.mark.parametrize(("schema", "cause"), CAUSES.items(), ids=CAUSES)


@pytest.fixture(scope="module")
def project(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """The example with a few more models, and a database of its own."""
    with grown(server, template(*TENANTS), tmp_path_factory.mktemp("damaged")) as one:
        yield one


@pytest.fixture(scope="module")
def story(project: Project) -> Story:
    """All that is damaged in one database, and one repair for all of it."""
    healthy = settle(project, *CAUSES, "accepted", behind=["piraeus"])
    for schema, cause in CAUSES.items():
        damage(project, schema, cause.sql)
    accepted = {"id": "index.missing", "schema": "accepted", "object": "*", "reason": "it is not needed"}
    project.settings(f"RAILWAY_RELEASE = {{'ACCEPT': [{accepted}]}}")
    damage(project, "accepted", "DROP INDEX rule_titles")
    add_row(project.database, "rhodes")
    return live(project, healthy, "--warnings", "--create-schema")


@each
def test_the_dry_run_says_what_would_be_repaired(story: Story, schema: str, cause: Cause) -> None:
    assert mends(story.dry, schema) == list(cause.mends)


@each
def test_doctor_names_the_cause(story: Story, schema: str, cause: Cause) -> None:
    expected = {one.split()[0] for one in cause.mends} if cause.mends else {cause.diagnosis}

    assert expected <= diagnosed(story.doctor, schema), story.doctor.text


@pytest.mark.parametrize("schema", sorted(CAUSES.keys() - {"serial"}))
def test_everything_is_again_as_it_was_before_the_damage(story: Story, schema: str) -> None:
    assert story.applied.outcome(schema)["state"] == "repaired"
    assert definitions(story.repaired, schema) == definitions(story.healthy, schema)


def test_the_dry_run_exits_9_and_neither_it_nor_doctor_writes_anything(story: Story) -> None:
    assert (story.dry.code, story.doctor.code, story.untouched) == (9, 8, True)


def test_the_repair_exits_0(story: Story) -> None:
    assert (story.applied.code, story.applied.report["causes"]) == (0, []), story.applied.text


def test_a_second_repair_finds_nothing(story: Story) -> None:
    assert (story.again.code, story.again.report["remedies"], story.again.report["pending"]) == (0, [], [])


def test_verification_finds_nothing_afterwards_but_what_was_accepted(story: Story) -> None:
    left = {(one["id"], one["severity"], one["schema"]) for one in story.verified.report["findings"]}

    assert (story.verified.code, left) == (0, {("index.missing", "accepted", "accepted")})


def test_what_was_accepted_is_left_alone(story: Story) -> None:
    assert remedy(story.dry, "accepted") == {}
    assert definitions(story.repaired, "accepted") == definitions(story.damaged, "accepted")


def test_a_tenant_that_was_left_behind_is_migrated(story: Story) -> None:
    (pending,) = [one for one in story.dry.report["pending"] if "piraeus" in one["schemas"]]

    assert story.applied.outcome("piraeus")["applied"] == pending["migrations"]
    assert "release.never_ran" in diagnosed(story.doctor, "piraeus")


def test_a_row_without_schema_gets_one_like_those_of_the_others(story: Story) -> None:
    expected = [line.replace("kypseli", "rhodes") for line in definitions(story.healthy, "kypseli")]

    assert remedy(story.dry, "rhodes")["creates_schema"] is True
    assert "schema.missing" in diagnosed(story.doctor, "rhodes")
    assert definitions(story.repaired, "rhodes") == sorted(expected)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ("unrecorded_field", ["announcements.0007_kept"]),
        ("unrecorded_model", ["announcements.0006_leaf", "announcements.0007_kept"]),
    ],
)
def test_what_is_proven_to_be_there_is_recorded(story: Story, schema: str, expected: list[str]) -> None:
    assert remedy(story.dry, schema)["records"] == expected
    assert story.applied.outcome(schema)["repairs"] == [f"recorded {one}" for one in expected]


@pytest.mark.parametrize("schema", WHERE_ROWS_ARE)
def test_the_rows_stay_where_a_column_is_added(project: Project, story: Story, schema: str) -> None:
    assert story.applied.code == 0
    found = project.database.sql(f"SELECT id, code, title, rank, kept, twice, data FROM {schema}.{RULE}")

    assert found == "41|a|b|1|t|2|{}"


@pytest.mark.parametrize("schema", ["identity", "serial"])
def test_numbers_continue_after_the_largest_where_they_are_given_again(
    project: Project, story: Story, schema: str
) -> None:
    assert story.applied.code == 0
    row = "(code, title, rank, data, document) VALUES ('n', 'n', 2, '{}', gen_random_uuid())"

    assert project.database.sql(f"INSERT INTO {schema}.{RULE} {row} RETURNING id") == "42"


def test_data_that_code_has_made_is_named_as_not_restored(story: Story) -> None:
    assert remedy(story.dry, "ghost")["not_restored"] == ["buildings.0006_fill_slugs"]
    assert remedy(story.dry, "ghosts")["not_restored"] == []
    (told,) = story.applied.named("data.not_restored")
    assert "ghost" in told["message"]
    assert "buildings.0006_fill_slugs" in told["message"]
