"""repair: what it leaves to a person, what it cannot do, and what becomes of all else meanwhile."""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import TENANTS
from tests.support.causes import LEAF, MEMBERSHIP, ONE, RULE
from tests.support.release import Project
from tests.support.unwell import (
    Story,
    damage,
    definitions,
    diagnosed,
    grown,
    live,
    refusals,
    remedy,
    settle,
)

# What they all look at is built once.
pytestmark = pytest.mark.xdist_group("refusals")

ANNOUNCEMENT, AUDIENCE = "announcements_announcement", "announcements_announcement_audience"
RULES = f"""
INSERT INTO {RULE} (code, title, rank, data, document)
    VALUES ('a', 'b', 1, '{{}}', gen_random_uuid()), ('a', 'c', 1, '{{}}', gen_random_uuid());
"""
DUPLICATES = f"ALTER TABLE {RULE} DROP CONSTRAINT {RULE}_code_key; DROP INDEX rule_titles; {RULES}"
ORPHAN = f"""
DO $do$ BEGIN EXECUTE (
    SELECT string_agg(format('ALTER TABLE {MEMBERSHIP} DROP CONSTRAINT %I', conname), ';')
    FROM pg_constraint WHERE contype = 'f' AND conrelid = '{MEMBERSHIP}'::regclass
); END $do$;
INSERT INTO {MEMBERSHIP} (building_id, user_id, role) VALUES (4711, 1, 'nobody');
"""
NEWER = "INSERT INTO django_migrations (app, name, applied) VALUES ('announcements', '0099_new', now())"
FORGET = "DELETE FROM django_migrations WHERE app = 'announcements' AND name"

# In each tenant something that is refused with these words, and in some something that is not.
REFUSED = {
    "pointing": (
        f"DROP TABLE {ANNOUNCEMENT}, {AUDIENCE} CASCADE; DROP INDEX rule_titles",
        {
            f"table.masked {ANNOUNCEMENT}": "The shared table of that name holds 1 row",
            f"table.ghost {AUDIENCE}": f"It points to {ANNOUNCEMENT}, which cannot be made here.",
        },
    ),
    "another_type": (
        f"ALTER TABLE {RULE} ALTER amount TYPE text; DROP INDEX rule_titles",
        {f"column.type {RULE}.amount": "The other type may not hold all that is there"},
    ),
    "not_generated": (
        f"ALTER TABLE {RULE} ALTER twice DROP EXPRESSION",
        {f"column.generated {RULE}.twice": "It would have to be dropped and added anew"},
    ),
    "in_the_way": (
        f"ALTER TABLE {RULE} ADD mine text NOT NULL",
        {f"column.in_the_way {RULE}.mine": "No column is ever dropped"},
    ),
    "ahead": (
        f"{NEWER}; ALTER TABLE {RULE} DROP amount",
        {f"column.missing {RULE}.amount": "Newer code than this has migrated the app"},
    ),
    "partly": (
        f"{FORGET} >= '0006'; ALTER TABLE {LEAF} DROP twin_id, DROP kept, DROP size",
        {"migration.unrecorded announcements.0006_leaf": f"missing: column.missing {LEAF}.twin_id"},
    ),
    "with_code": (
        f"{FORGET} = '0008_counted'",
        {"migration.unrecorded announcements.0008_counted": "nobody can see what RunPython did"},
    ),
}
WITH_MORE = {"pointing": "rule_titles", "another_type": "rule_titles", "athena": "membership_building_role"}
FORBIDDEN = f"{ONE} UPDATE {RULE} SET rank = 500, code = 'c'"
FORBIDDEN_BY_ROWS = {
    "duplicates": DUPLICATES,
    "orphan": ORPHAN,
    "nulls": f"ALTER TABLE {RULE} ALTER rank DROP NOT NULL; {ONE} UPDATE {RULE} SET rank = NULL",
    "forbidden": f"ALTER TABLE {RULE} DROP CONSTRAINT rule_rank; {FORBIDDEN}",
}
USER = "buildings_buildingmembership_user_id_f7ce61eb_fk_users_user_id"
BESIDE_FORBIDDEN = {
    "duplicates": [["CREATE", "INDEX", "rule_titles"]],
    "orphan": [["ADD", "CONSTRAINT", USER]],
}
COUNTED = "migrations.AddField('leaf', 'size', models.IntegerField(default=0)), migrations.RunPython(count)"


@pytest.fixture(scope="module")
def project(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """The same, and a migration whose code no look at the tables can prove."""
    with grown(server, template(*TENANTS), tmp_path_factory.mktemp("refused")) as one:
        code = "def count(apps, editor):\n    apps.get_model('announcements', 'Leaf').objects.update(size=1)"
        one.migration("announcements", "0008_counted", "0007_kept", COUNTED, code)
        yield one


@pytest.fixture(scope="module")
def story(project: Project) -> Story:
    """kypseli lost a table to the shared schema, with its row, and lacks migrations; athena lost columns."""
    project.database.sql("DELETE FROM kypseli.announcements_announcement")
    healthy = settle(project, *REFUSED, *FORBIDDEN_BY_ROWS, behind=["kypseli", "piraeus"])
    for schema, sql in {**FORBIDDEN_BY_ROWS, **{name: sql for name, (sql, _) in REFUSED.items()}}.items():
        damage(project, schema, sql)
    damage(project, "athena", f"ALTER TABLE {MEMBERSHIP} DROP user_id; DROP INDEX membership_building_role")
    row = "INSERT INTO announcements_announcement (title, body, published_at) VALUES ('a', 'b', now())"
    damage(project, "kypseli", f"{row}; ALTER TABLE {ANNOUNCEMENT} SET SCHEMA public")
    return live(project, healthy, "--warnings")


@pytest.mark.parametrize(("schema", "expected"), [(name, words) for name, (_, words) in REFUSED.items()])
def test_what_is_refused_is_named_with_the_reason(
    story: Story, schema: str, expected: dict[str, str]
) -> None:
    found = refusals(story.dry, schema)

    assert list(found) == list(expected)
    assert all(expected[name] in found[name] for name in expected), found


@pytest.mark.parametrize("schema", sorted({"kypseli", *REFUSED} - WITH_MORE.keys()))
def test_a_schema_with_nothing_but_refusals_stays_as_it_is(story: Story, schema: str) -> None:
    assert story.applied.outcome(schema)["state"] == "refused"
    assert definitions(story.repaired, schema) == definitions(story.damaged, schema)
    records = f"rows {schema}.django_migrations"
    assert story.repaired[records] == story.damaged[records]


@pytest.mark.parametrize(("schema", "index"), WITH_MORE.items())
def test_the_rest_is_repaired_beside_what_is_refused(story: Story, schema: str, index: str) -> None:
    lines = {*definitions(story.repaired, schema)} - {*definitions(story.damaged, schema)}

    assert [line.split()[:3] for line in lines] == [["CREATE", "INDEX", index]]
    assert story.applied.outcome(schema)["state"] == "refused"
    assert len(story.applied.outcome(schema)["repairs"]) == 1


def test_a_column_whose_values_nobody_knows_is_refused_with_the_choices(story: Story) -> None:
    (refusal,) = remedy(story.dry, "athena")["refusals"]
    (given, deleted) = [choice["statements"] for choice in refusal["choices"]]

    assert (
        given[0] == f'ALTER TABLE "<schema>"."{MEMBERSHIP}" ADD COLUMN "user_id" bigint NOT NULL DEFAULT …;'
    )
    assert deleted[0] == f'DELETE FROM "<schema>"."{MEMBERSHIP}";'


def test_a_masked_table_is_refused_while_the_shared_one_holds_rows(story: Story) -> None:
    (why,) = refusals(story.dry, "kypseli").values()

    assert "holds 1 row, and some may be this tenant's" in why
    assert "table.masked" in diagnosed(story.doctor, "kypseli")


def test_the_rows_behind_a_masked_table_stay_where_they_are(story: Story) -> None:
    rows = f"rows public.{ANNOUNCEMENT}"

    assert len(story.repaired[rows]) == 1
    assert story.repaired[rows] == story.damaged[rows]


def test_what_is_pending_runs_elsewhere_and_not_where_a_table_is_masked(story: Story) -> None:
    assert story.applied.outcome("kypseli")["applied"] == []
    assert "announcements.0008_counted" in story.applied.outcome("piraeus")["applied"]


@pytest.mark.parametrize("schema", ["partly", "with_code"])
def test_what_is_pending_does_not_run_into_what_is_there_already(story: Story, schema: str) -> None:
    outcome = story.applied.outcome(schema)

    assert (outcome["state"], outcome["attempts"], outcome["applied"]) == ("refused", 0, [])


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("duplicates", f"duplicates in {RULE}(code)"),
        ("orphan", f"values of {MEMBERSHIP}(building_id) that buildings_building does not have"),
        ("nulls", f"NULL in {RULE}.rank"),
        ("forbidden", f"rows of {RULE} that break CHECK"),
    ],
)
def test_what_rows_forbid_is_refused_with_the_query_that_lists_them_and_the_rest_is_done(
    story: Story, schema: str, words: str
) -> None:
    (why,) = refusals(story.dry, schema).values()

    assert why.startswith(f"Rows that are there forbid it: {words}")
    assert "To see them: SELECT " in why
    assert story.applied.outcome(schema)["state"] == "refused"
    lines = {*definitions(story.repaired, schema)} - {*definitions(story.damaged, schema)}
    assert [line.split()[:3] for line in lines] == BESIDE_FORBIDDEN.get(schema, [])


def test_looking_at_what_is_refused_exits_8_and_writes_nothing(story: Story) -> None:
    assert (story.dry.code, story.doctor.code, story.untouched) == (8, 8, True)


def test_the_exit_code_tells_first_of_what_is_left(story: Story) -> None:
    assert story.applied.code == 8
    assert [one["exit_code"] for one in story.applied.report["causes"]] == [8, 9]
    assert story.verified.code == 8


def test_a_second_repair_has_nothing_new_to_do(story: Story) -> None:
    again = {name for one in story.again.report["remedies"] if one["mends"] for name in one["schemas"]}

    assert again == set()
    assert story.again.code == 8
    assert all(refusals(story.again, schema) == refusals(story.dry, schema) for schema in REFUSED)


def test_a_schema_in_which_nothing_is_wrong_has_no_remedy(story: Story) -> None:
    assert remedy(story.dry, "piraeus") == {}
