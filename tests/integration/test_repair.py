"""repair: each cause is built for real in a tenant of its own, named, mended, and gone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import TENANTS
from tests.support.damage import (
    Story,
    damage,
    definitions,
    diagnosed,
    grow,
    live,
    mends,
    remedy,
    settle,
)
from tests.support.release import Database, Project
from tests.support.schemas import add_row
from tests.support.server import database_url, psql

RULE, LEAF = "announcements_rule", "announcements_leaf"
MEMBERSHIP, AUDIENCE = "buildings_buildingmembership", "announcements_announcement_audience"
ROW = f"INSERT INTO {RULE} (id, code, title, rank, data, document)"
ONE = f"{ROW} VALUES (41, 'a', 'b', 1, '{{}}', gen_random_uuid());"
EVERY_FOREIGN_KEY = """
DO $do$ BEGIN EXECUTE (
    SELECT string_agg(format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname), ';')
    FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
); END $do$
"""
TO_ANOTHER_TENANT = f"""
DO $do$ DECLARE name text; BEGIN
    SELECT conname INTO name FROM pg_constraint
        WHERE conrelid = '{MEMBERSHIP}'::regclass AND confrelid = 'buildings_building'::regclass;
    EXECUTE format('ALTER TABLE {MEMBERSHIP} DROP CONSTRAINT %I, ADD CONSTRAINT %I'
        ' FOREIGN KEY (building_id) REFERENCES athena.buildings_building DEFERRABLE INITIALLY DEFERRED',
        name, name);
END $do$
"""


@dataclass(frozen=True)
class Cause:
    """What is done to a tenant, and what is to be mended there."""

    sql: str
    mends: tuple[str, ...]  # ids and objects
    diagnosis: str = ""  # doctor's, where it is none of those ids


CAUSES = {
    "nullable_column": Cause(f"{ONE} ALTER TABLE {RULE} DROP amount", (f"column.missing {RULE}.amount",)),
    "defaulted_column": Cause(f"{ONE} ALTER TABLE {RULE} DROP data", (f"column.missing {RULE}.data",)),
    "database_default": Cause(f"{ONE} ALTER TABLE {RULE} DROP kept", (f"column.missing {RULE}.kept",)),
    "generated_column": Cause(f"{ONE} ALTER TABLE {RULE} DROP twice", (f"column.missing {RULE}.twice",)),
    "unique_column": Cause(f"ALTER TABLE {RULE} DROP code", (f"column.missing {RULE}.code",)),
    "required_column": Cause(
        f"ALTER TABLE {RULE} DROP document, DROP rank CASCADE",
        tuple(f"column.missing {RULE}.{name}" for name in ("document", "rank", "twice")),
    ),
    "key_columns": Cause(
        f"ALTER TABLE {LEAF} DROP rule_id, DROP twin_id, DROP owner_id",
        tuple(f"column.missing {LEAF}.{name}" for name in ("owner_id", "rule_id", "twin_id")),
    ),
    "id_column": Cause(
        f"ALTER TABLE {RULE} DROP id CASCADE",
        (f"column.missing {RULE}.id", f"foreign_key.missing {LEAF}(rule_id)"),
    ),
    "primary_key": Cause(
        f"ALTER TABLE {RULE} DROP CONSTRAINT {RULE}_pkey CASCADE",
        (f"foreign_key.missing {LEAF}(rule_id)", f"key.missing {RULE}(id)"),
    ),
    "unique_rules": Cause(
        f"ALTER TABLE {RULE} DROP CONSTRAINT {RULE}_code_key, DROP CONSTRAINT rule_once;"
        "DROP INDEX rule_document",
        tuple(f"unique.missing {RULE}({names})" for names in ("code", "document", "rank, title")),
    ),
    "checks": Cause(
        f"ALTER TABLE {RULE} DROP CONSTRAINT rule_rank, DROP CONSTRAINT {RULE}_rank_check",
        (f"check.missing {RULE}", f"check.missing {RULE}.rule_rank"),
    ),
    "another_check": Cause(
        f"ALTER TABLE {RULE} DROP CONSTRAINT rule_rank, ADD CONSTRAINT rule_rank CHECK (rank < 50)",
        (f"check.other {RULE}.rule_rank",),
    ),
    "foreign_keys": Cause(
        EVERY_FOREIGN_KEY,
        (
            *(f"foreign_key.missing {AUDIENCE}({name}_id)" for name in ("announcement", "building")),
            *(f"foreign_key.missing {LEAF}({name}_id)" for name in ("owner", "rule", "twin")),
            *(f"foreign_key.missing {MEMBERSHIP}({name}_id)" for name in ("building", "user")),
        ),
    ),
    "key_to_another_tenant": Cause(TO_ANOTHER_TENANT, (f"foreign_key.elsewhere {MEMBERSHIP}(building_id)",)),
    "indexes": Cause(
        "DROP INDEX rule_ranks, rule_titles, rule_kept, rule_documents, membership_building_role",
        (
            f"index.missing {RULE}(document)",
            f"index.missing {RULE}(rank)",
            f"index.missing {RULE}(rank, amount DESC)",
            f"index.missing {RULE}(upper((title)::text))",
            f"index.missing {MEMBERSHIP}(building_id, role)",
        ),
    ),
    "no_default": Cause(f"ALTER TABLE {RULE} ALTER kept DROP DEFAULT", (f"column.default {RULE}.kept",)),
    "another_default": Cause(
        f"ALTER TABLE {RULE} ALTER kept SET DEFAULT false", (f"column.default {RULE}.kept",)
    ),
    "identity": Cause(f"{ONE} ALTER TABLE {RULE} ALTER id DROP IDENTITY", (f"column.uncounted {RULE}.id",)),
    "no_not_null": Cause(f"ALTER TABLE {RULE} ALTER data DROP NOT NULL", (f"column.null {RULE}.data",)),
    "one_not_null": Cause(f"ALTER TABLE {RULE} ALTER amount SET NOT NULL", (f"column.null {RULE}.amount",)),
    "unchecked": Cause(
        f"ALTER TABLE {RULE} DROP CONSTRAINT {RULE}_rank_check,"
        f" ADD CONSTRAINT {RULE}_rank_check CHECK (rank >= 0) NOT VALID",
        (f"constraint.unchecked {RULE}.{RULE}_rank_check",),
    ),
    "ghost": Cause("DROP TABLE buildings_building CASCADE", ("table.ghost buildings_building",)),
    "ghosts": Cause(f"DROP TABLE {RULE}, {LEAF} CASCADE", (f"table.ghost {LEAF}", f"table.ghost {RULE}")),
    "masked": Cause(
        "ALTER TABLE announcements_announcement SET SCHEMA public",
        (
            f"foreign_key.elsewhere {AUDIENCE}(announcement_id)",
            "table.masked announcements_announcement",
        ),
    ),
    "unrecorded_field": Cause(
        "DELETE FROM django_migrations WHERE name = '0007_kept'", (), "migration.unrecorded"
    ),
    "unrecorded_model": Cause(
        "DELETE FROM django_migrations WHERE name IN ('0006_leaf', '0007_kept')", (), "migration.unrecorded"
    ),
    "unrecorded_app": Cause(
        "DELETE FROM django_migrations WHERE app = 'announcements'", (), "migration.unrecorded"
    ),
}
WHERE_ROWS_ARE = ("nullable_column", "defaulted_column", "database_default", "generated_column", "identity")
each = pytest.mark.parametrize(("schema", "cause"), CAUSES.items(), ids=CAUSES)


@pytest.fixture(scope="module")
def project(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """The example with a few more models, and a database of its own."""
    name = f"{template(*TENANTS)}_damaged"
    psql(server, f'CREATE DATABASE "{name}" TEMPLATE "{template(*TENANTS)}"')
    one = Project(tmp_path_factory.mktemp("damaged") / "project", Database(database_url(server, name)))
    grow(one)
    yield one
    psql(server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def story(project: Project) -> Story:
    """All that is damaged in one database, and one repair for all of it."""
    healthy = settle(project, *CAUSES, "accepted", behind="piraeus")
    for schema, cause in CAUSES.items():
        damage(project, schema, cause.sql)
    accepted = {"id": "index.missing", "schema": "accepted", "object": "*", "reason": "it is not needed"}
    project.settings(f"RAILWAY_RELEASE = {{'ACCEPT': [{accepted}]}}")
    damage(project, "accepted", "DROP INDEX rule_titles")
    add_row(project.database, "rhodes")
    return live(project, healthy)


@each
def test_the_dry_run_says_what_would_be_mended(story: Story, schema: str, cause: Cause) -> None:
    assert [" ".join(one) for one in mends(story.dry, schema)] == list(cause.mends)


@each
def test_doctor_names_the_cause(story: Story, schema: str, cause: Cause) -> None:
    expected = {one.split()[0] for one in cause.mends} if cause.mends else {cause.diagnosis}

    assert expected <= diagnosed(story.doctor, schema), story.doctor.text


@each
def test_everything_is_again_as_it_was_before_the_damage(story: Story, schema: str, cause: Cause) -> None:
    assert story.applied.outcome(schema)["state"] == "repaired"
    assert definitions(story.mended, schema) == definitions(story.healthy, schema)


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
    assert definitions(story.mended, "accepted") == definitions(story.damaged, "accepted")


def test_a_tenant_that_was_left_behind_is_migrated(story: Story) -> None:
    (pending,) = [one for one in story.dry.report["pending"] if "piraeus" in one["schemas"]]

    assert story.applied.outcome("piraeus")["applied"] == pending["migrations"]
    assert "release.never_ran" in diagnosed(story.doctor, "piraeus")


def test_a_row_without_schema_gets_one_like_those_of_the_others(story: Story) -> None:
    expected = [line.replace("kypseli", "rhodes") for line in definitions(story.healthy, "kypseli")]

    assert remedy(story.dry, "rhodes")["creates_schema"] is True
    assert "schema.missing" in diagnosed(story.doctor, "rhodes")
    assert definitions(story.mended, "rhodes") == sorted(expected)


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


def test_numbers_continue_after_the_largest_where_they_are_given_again(
    project: Project, story: Story
) -> None:
    assert story.applied.code == 0
    row = f"(code, title, rank, data, document) VALUES ('n', 'n', 2, '{{}}', gen_random_uuid())"

    assert project.database.sql(f"INSERT INTO identity.{RULE} {row} RETURNING id") == "42"


def test_data_that_code_has_made_is_named_as_not_restored(story: Story) -> None:
    assert remedy(story.dry, "ghost")["not_restored"] == ["buildings.0006_fill_slugs"]
    assert remedy(story.dry, "ghosts")["not_restored"] == []
    (told,) = story.applied.named("data.not_restored")
    assert "ghost" in told["message"]
    assert "buildings.0006_fill_slugs" in told["message"]
