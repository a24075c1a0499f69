"""What tables are made of: whatever is taken away or changed by hand is named, exactly and alone.

Each change is made in a tenant of its own, and one run looks at all of them.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.support.crowd import MEMBERS, share_out
from tests.support.detailed import describe
from tests.support.release import Project, Run
from tests.support.unwell import borrowed, damage

from .test_verification import configure, judged

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("crowd")]

Found = tuple[str, str, str]  # id, severity, object

MEMBERSHIP, RULE = "buildings_buildingmembership", "announcements_rule"
ALTER = f"ALTER TABLE {RULE} "
KEY = """
DO $do$ DECLARE name text; BEGIN
    SELECT conname INTO name FROM pg_constraint WHERE conrelid = '{table}'::regclass
        AND confrelid = '{target}'::regclass;
    EXECUTE format('ALTER TABLE {table} DROP CONSTRAINT %1$I{instead}', name);
END $do$
"""


def key(target: str, instead: str = "") -> str:
    """Drop the foreign key of the memberships to that table, or put another one in its place."""
    other = f", ADD CONSTRAINT %1$I FOREIGN KEY {instead}" if instead else ""
    return KEY.format(table=MEMBERSHIP, target=target, instead=other)


ALTERED: dict[str, Found] = {
    "DROP COLUMN data": ("column.missing", "error", ".data"),
    "ALTER amount TYPE numeric(12, 2)": ("column.type", "error", ".amount"),
    "ALTER code TYPE varchar(19)": ("column.type", "error", ".code"),
    "ALTER data TYPE text": ("column.type", "error", ".data"),
    "ALTER data DROP NOT NULL": ("column.null", "error", ".data"),
    "ALTER amount SET NOT NULL": ("column.null", "error", ".amount"),
    'ALTER title TYPE varchar(50) COLLATE "POSIX"': ("column.collation", "warning", ".title"),
    "ALTER twice DROP EXPRESSION": ("column.generated", "error", ".twice"),
    "ALTER id DROP IDENTITY": ("column.uncounted", "error", ".id"),
    "ALTER kept DROP DEFAULT": ("column.default", "error", ".kept"),
    "ALTER kept SET DEFAULT false": ("column.default", "error", ".kept"),
    "ADD note text": ("column.extra", "warning", ".note"),
    "ADD note text NOT NULL DEFAULT ''": ("column.extra", "warning", ".note"),
    "ADD note text NOT NULL": ("column.in_the_way", "error", ".note"),
    "DROP CONSTRAINT announcements_rule_pkey": ("key.missing", "error", "(id)"),
    "DROP CONSTRAINT announcements_rule_code_key": ("unique.missing", "error", "(code)"),
    "DROP CONSTRAINT rule_once": ("unique.missing", "error", "(rank, title)"),
    "DROP CONSTRAINT rule_rank": ("check.missing", "error", ".rule_rank"),
    "DROP CONSTRAINT announcements_rule_rank_check": ("check.missing", "error", ""),
}
DROPPED: dict[str, Found] = {
    "DROP INDEX rule_ranks": ("index.missing", "warning", "(rank, amount DESC)"),
    "DROP INDEX rule_titles": ("index.missing", "warning", "(upper((title)::text))"),
    "DROP INDEX rule_kept": ("index.missing", "warning", "(rank)"),
    "DROP INDEX rule_documents": ("index.missing", "warning", "(document)"),
    "DROP INDEX rule_document": ("unique.missing", "error", "(document)"),
}
SAME_CHECK = "CHECK (rank < 100 OR code IN ('a', 'b'))"
REPLACE_CHECK = f"{ALTER} DROP CONSTRAINT rule_rank, ADD CONSTRAINT rule_rank "
OTHER_CHECK = REPLACE_CHECK + "CHECK (rank < 50)"
ELSEWHERE = key(
    "buildings_building",
    "(building_id) REFERENCES kypseli.buildings_building DEFERRABLE INITIALLY DEFERRED",
)
OTHERWISE: dict[str, tuple[str, Found]] = {
    "a check of something else": (OTHER_CHECK, ("check.other", "error", f"{RULE}.rule_rank")),
    "a check that was never validated": (
        f"{REPLACE_CHECK} {SAME_CHECK} NOT VALID",
        ("constraint.unchecked", "warning", f"{RULE}.rule_rank"),
    ),
    "no foreign key": (key("users_user"), ("foreign_key.missing", "error", f"{MEMBERSHIP}(user_id)")),
    "a foreign key to a table of that name elsewhere": (
        ELSEWHERE,
        ("foreign_key.elsewhere", "error", f"{MEMBERSHIP}(building_id)"),
    ),
    "a foreign key that acts on delete": (
        key("users_user", "(user_id) REFERENCES users_user ON DELETE CASCADE"),
        ("foreign_key.rules", "warning", f"{MEMBERSHIP}(user_id)"),
    ),
    "an invalid index": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'rule_ranks'::regclass",
        ("index.invalid", "error", f"{RULE}.rule_ranks"),
    ),
}
AS_GOOD = {
    "an index of another name": "ALTER INDEX rule_ranks RENAME TO made_by_an_older_django",
    "a check that means the same": REPLACE_CHECK + SAME_CHECK,
    "a sequence from before Django 4.1": (
        f"{ALTER} ALTER id DROP IDENTITY; CREATE SEQUENCE announcements_rule_id_seq OWNED BY {RULE}.id;"
        f" {ALTER} ALTER id SET DEFAULT nextval('announcements_rule_id_seq')"
    ),
    "another order of columns": f"{ALTER} DROP data; {ALTER} ADD data jsonb NOT NULL",
    "a table that is ignored": "CREATE TABLE ignored_too (id bigint)",
}
OTHER_INDEX = f"DROP INDEX rule_ranks; CREATE INDEX rule_ranks ON {RULE} (rank)"
ALONE = (
    "CREATE INDEX mine ON buildings_building (name, address)",
    "ALTER TABLE buildings_building ALTER address SET DEFAULT 'nowhere'",
    "ALTER TABLE buildings_building ADD CHECK (address <> 'nowhere')",
    "ALTER TABLE buildings_building ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY mine ON buildings_building USING (true)",
    "CREATE TABLE mine (id bigint)",
    "CREATE SEQUENCE mine",
    "CREATE TYPE mine AS ENUM ('a', 'b')",
    "ALTER TABLE buildings_buildingmembership DISABLE TRIGGER ALL",
    "CREATE RULE nothing AS ON DELETE TO buildings_building DO INSTEAD NOTHING",
    "ALTER TABLE announcements_announcement_audience SET UNLOGGED",
)
A_VIEW = "CREATE VIEW newest AS SELECT 1 AS one"
WITH_PARTITIONS = (
    "DROP TABLE announcements_rule; CREATE TABLE announcements_rule (id bigint PRIMARY KEY,"
    " rank integer CHECK (rank >= 0)) PARTITION BY RANGE (id);"
    " CREATE TABLE r1 PARTITION OF announcements_rule FOR VALUES FROM (1) TO (9);"
    " CREATE TABLE r2 PARTITION OF announcements_rule FOR VALUES FROM (9) TO (19)"
)
ALL = (
    *(ALTER + change for change in ALTERED),
    *DROPPED,
    *(change for change, _ in OTHERWISE.values()),
    *AS_GOOD.values(),
    *(OTHER_INDEX, *ALONE, A_VIEW, WITH_PARTITIONS),
)


@pytest.fixture(scope="module")
def look(
    server: str, crowd_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Run, dict[str, str]]]:
    """The run that looks at all of them, and who has which."""
    with borrowed(server, crowd_template, tmp_path_factory.mktemp("structure")) as project:
        describe(project)
        configure(project, IGNORE_TABLES=["ignored*"])
        members = share_out(project, ALL)
        yield project.run("verify"), members


@pytest.fixture(scope="module")
def after(look: tuple[Run, dict[str, str]]) -> Callable[[str], list[Found]]:
    """What is found in the tenant in which this was done."""
    run, members = look
    found = judged(run)

    def find(sql: str) -> list[Found]:
        return sorted((id, severity, name) for id, severity, schema, name in found if schema == members[sql])

    return find


def finding(look: tuple[Run, dict[str, str]], sql: str) -> dict[str, str]:
    """The only one in the tenant in which this was done, with all that is said of it."""
    run, members = look
    (one,) = (one for one in run.report["findings"] if one["schema"] == members[sql])
    assert isinstance(one, dict)
    return one


def test_nothing_is_found_in_what_migrations_have_made(
    detailed: Project, look: tuple[Run, dict[str, str]]
) -> None:
    run, members = look
    alone = detailed.run("verify")

    assert (alone.code, alone.report["findings"]) == (0, [])
    assert {one["schema"] for one in run.report["findings"]} <= {*members.values()}, run.text
    assert len(members) < len(MEMBERS)


@pytest.mark.parametrize("sql", ALTERED)
def test_a_change_to_a_table_is_named(after: Callable[[str], list[Found]], sql: str) -> None:
    id, severity, rest = ALTERED[sql]

    assert after(ALTER + sql) == [(id, severity, RULE + rest)]


@pytest.mark.parametrize("sql", DROPPED)
def test_an_index_that_was_dropped_is_named(after: Callable[[str], list[Found]], sql: str) -> None:
    id, severity, rest = DROPPED[sql]

    assert after(sql) == [(id, severity, RULE + rest)]


@pytest.mark.parametrize("what", OTHERWISE)
def test_what_was_put_in_the_place_of_something_else_is_named(
    after: Callable[[str], list[Found]], what: str
) -> None:
    sql, expected = OTHERWISE[what]

    assert after(sql) == [expected]


@pytest.mark.parametrize("what", AS_GOOD)
def test_what_does_the_same_is_as_good(after: Callable[[str], list[Found]], what: str) -> None:
    assert after(AS_GOOD[what]) == []


def test_an_index_over_something_else_is_not(after: Callable[[str], list[Found]]) -> None:
    assert [one[0] for one in after(OTHER_INDEX)] == ["index.missing", "schema.odd"]


def test_a_check_of_something_else_is_named_with_both_texts(look: tuple[Run, dict[str, str]]) -> None:
    found = finding(look, OTHER_CHECK)

    assert "100" in found["expected"]
    assert "50" in found["found"]


def test_a_foreign_key_to_a_table_elsewhere_is_named_with_both_tables(
    look: tuple[Run, dict[str, str]],
) -> None:
    found = finding(look, ELSEWHERE)

    assert (found["expected"], found["found"]) == ("buildings_building(id)", "kypseli.buildings_building(id)")


def test_a_table_with_partitions_can_be_looked_at(after: Callable[[str], list[Found]]) -> None:
    assert ("column.missing", "error", f"{RULE}.code") in after(WITH_PARTITIONS)


@pytest.mark.parametrize("sql", ALONE)
def test_everything_that_one_schema_has_alone_is_seen(after: Callable[[str], list[Found]], sql: str) -> None:
    assert [one[:2] for one in after(sql)] == [("schema.odd", "warning")]


def test_the_schemas_that_have_what_most_lack_are_named(after: Callable[[str], list[Found]]) -> None:
    assert [one[:2] for one in after(A_VIEW)] == [("schema.odd", "warning")]


@pytest.fixture(scope="module")
def pending(
    server: str, detailed_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[tuple[str, str, str, str]]]:
    """What is found while a migration is pending, a part of which two tenants have already."""
    column = "migrations.AddField('rule', 'later', models.TextField(null=True))"
    index = "migrations.AddIndex('rule', models.Index(fields=['code', 'rank'], name='rule_codes'))"
    table = "migrations.CreateModel('Later', [('id', models.BigAutoField(primary_key=True))])"
    with borrowed(server, detailed_template, tmp_path_factory.mktemp("pending")) as project:
        describe(project)
        project.migration("announcements", "0005_later", "0004_rule", f"{column}, {index}, {table}")
        made = f"CREATE INDEX rule_codes ON {RULE} (code, rank); CREATE TABLE announcements_later (id bigint)"
        damage(project, "kypseli", f"{ALTER} ADD later text")
        damage(project, "piraeus", made)
        yield judged(project.run("verify"))


def test_what_a_pending_migration_will_add_is_not_expected(pending: list[tuple[str, str, str, str]]) -> None:
    assert [one for one in pending if one[2] == "athena"] == []


def test_a_column_that_a_pending_migration_will_add_is_a_warning(
    pending: list[tuple[str, str, str, str]],
) -> None:
    found = [one for one in pending if one[2] == "kypseli"]

    assert found == [("column.early", "warning", "kypseli", f"{RULE}.later")]


def test_what_a_pending_migration_will_make_is_nobodys_own(pending: list[tuple[str, str, str, str]]) -> None:
    assert [one for one in pending if one[2] == "piraeus"] == []


@pytest.fixture(scope="module")
def shallow(
    server: str, detailed_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """Three tenants, of which one has something of everything, to look at more or less deeply."""
    with borrowed(server, detailed_template, tmp_path_factory.mktemp("depth")) as project:
        describe(project)
        damage(
            project,
            "athena",
            f"DROP INDEX rule_titles; {ALTER} ALTER amount TYPE bigint;"
            "DELETE FROM django_content_type WHERE model = 'rule'",
        )
        yield project


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        ("tables", set()),
        ("columns", {"column.type"}),
        ("everything", {"column.type", "index.missing", "rows.missing"}),
    ],
)
def test_it_can_be_said_how_deep_to_look(shallow: Project, depth: str, expected: set[str]) -> None:
    run = shallow.run("verify", "--depth", depth)

    assert {one["id"] for one in run.report["findings"]} == expected


# What no model tells of, and most schemas or all of them have.

TRIGGER = (
    "CREATE FUNCTION {0}.audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
    " CREATE TRIGGER audit BEFORE INSERT ON {0}.buildings_building EXECUTE FUNCTION {0}.audit();"
)


def test_the_schemas_that_lack_what_most_have_are_named(current: Project) -> None:
    current.database.sql(TRIGGER.format("athena") + TRIGGER.format("kypseli"))
    notes = "CREATE TABLE {}.notes (id bigint PRIMARY KEY{})"
    made = [notes.format(name, ", text text") for name in ("athena", "kypseli")]
    made += [notes.format("piraeus", ""), "CREATE TABLE kypseli.alone (id bigint PRIMARY KEY)"]
    current.database.sql("; ".join(made))
    run = current.run("verify")

    assert run.code == 0
    assert sorted(judged(run)) == [
        ("schema.odd", "warning", "kypseli", "alone"),
        ("schema.odd", "warning", "piraeus", "buildings_building"),
        ("schema.odd", "warning", "piraeus", "notes"),
        ("schema.odd", "warning", "piraeus", "schema"),
    ]
    assert "lacks column text: text NULL, which 2 of 3 have" in run.text
    assert "which 2 of 3 have" in run.text


# All of them have it, and it may name the schema that it is in.
OF_ALL = (
    TRIGGER,
    (
        "CREATE FUNCTION {0}.ok() RETURNS boolean LANGUAGE sql AS 'SELECT true';"
        " CREATE POLICY p ON {0}.buildings_building USING ({0}.ok());"
    ),
    "CREATE FUNCTION {0}.f({0}.buildings_building) RETURNS int LANGUAGE sql AS 'SELECT 1';",
    "CREATE FUNCTION {0}.f() RETURNS int LANGUAGE sql SET search_path = {0} AS 'SELECT 1';",
)


def test_what_all_schemas_have_is_nobodys_business(current: Project) -> None:
    current.database.sql(
        "".join(sql.format(name) for sql in OF_ALL for name in ("athena", "kypseli", "piraeus"))
    )

    assert judged(current.run("verify")) == []
