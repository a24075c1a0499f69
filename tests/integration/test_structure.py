"""What tables are made of: whatever is taken away or changed by hand is named, exactly and alone."""

import pytest

from tests.support.release import Project

from .test_verification import configure, judged

pytestmark = pytest.mark.server

Found = tuple[str, str, str]  # id, severity, object

MEMBERSHIP = "buildings_buildingmembership"


def after(project: Project, sql: str, schema: str = "athena") -> list[Found]:
    """What is found in a schema once the statement was run there, and nowhere else."""
    project.database.sql(f'SET search_path = "{schema}", public; {sql}')
    run = project.run("verify")
    assert all(one[2] == schema for one in judged(run)), run.text
    return sorted((id, severity, name) for id, severity, _, name in judged(run))


def test_nothing_is_found_in_what_migrations_have_made(detailed: Project) -> None:
    run = detailed.run("verify")

    assert (run.code, run.report["findings"]) == (0, [])


ALTER = "ALTER TABLE announcements_rule "


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("DROP COLUMN data", [("column.missing", "error", ".data")]),
        ("ALTER amount TYPE numeric(12, 2)", [("column.type", "error", ".amount")]),
        ("ALTER code TYPE varchar(19)", [("column.type", "error", ".code")]),
        ("ALTER data TYPE text", [("column.type", "error", ".data")]),
        ("ALTER data DROP NOT NULL", [("column.null", "error", ".data")]),
        ("ALTER amount SET NOT NULL", [("column.null", "error", ".amount")]),
        ('ALTER title TYPE varchar(50) COLLATE "POSIX"', [("column.collation", "warning", ".title")]),
        ("ALTER twice DROP EXPRESSION", [("column.generated", "error", ".twice")]),
        ("ALTER id DROP IDENTITY", [("column.uncounted", "error", ".id")]),
        ("ALTER kept DROP DEFAULT", [("column.default", "error", ".kept")]),
        ("ALTER kept SET DEFAULT false", [("column.default", "error", ".kept")]),
        ("ADD note text", [("column.extra", "warning", ".note")]),
        ("ADD note text NOT NULL DEFAULT ''", [("column.extra", "warning", ".note")]),
        ("ADD note text NOT NULL", [("column.in_the_way", "error", ".note")]),
        ("DROP CONSTRAINT announcements_rule_pkey", [("key.missing", "error", "(id)")]),
        ("DROP CONSTRAINT announcements_rule_code_key", [("unique.missing", "error", "(code)")]),
        ("DROP CONSTRAINT rule_once", [("unique.missing", "error", "(rank, title)")]),
        ("DROP CONSTRAINT rule_rank", [("check.missing", "error", ".rule_rank")]),
        ("DROP CONSTRAINT announcements_rule_rank_check", [("check.missing", "error", "")]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_change_to_a_table_is_named(detailed: Project, sql: str, expected: list[Found]) -> None:
    wanted = [(id, severity, f"announcements_rule{rest}") for id, severity, rest in expected]

    assert after(detailed, ALTER + sql) == wanted


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("DROP INDEX rule_ranks", ("index.missing", "warning", "(rank, amount DESC)")),
        ("DROP INDEX rule_titles", ("index.missing", "warning", "(upper((title)::text))")),
        ("DROP INDEX rule_kept", ("index.missing", "warning", "(rank)")),
        ("DROP INDEX rule_documents", ("index.missing", "warning", "(document)")),
        ("DROP INDEX rule_document", ("unique.missing", "error", "(document)")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_index_that_was_dropped_is_named(detailed: Project, sql: str, expected: Found) -> None:
    id, severity, rest = expected

    assert after(detailed, sql) == [(id, severity, f"announcements_rule{rest}")]


def test_an_index_of_another_name_is_as_good(detailed: Project) -> None:
    assert after(detailed, "ALTER INDEX rule_ranks RENAME TO made_by_an_older_django") == []


def test_an_index_over_something_else_is_not(detailed: Project) -> None:
    found = after(detailed, "DROP INDEX rule_ranks; CREATE INDEX rule_ranks ON announcements_rule (rank)")

    assert [one[0] for one in found] == ["index.missing", "schema.odd"]


def test_a_check_of_something_else_is_named_with_both_texts(detailed: Project) -> None:
    change = f"{ALTER} DROP CONSTRAINT rule_rank, ADD CONSTRAINT rule_rank CHECK (rank < 50)"

    assert after(detailed, change) == [("check.other", "error", "announcements_rule.rule_rank")]
    (finding,) = detailed.run("verify").report["findings"]
    assert "100" in finding["expected"]
    assert "50" in finding["found"]


def test_a_check_that_means_the_same_is_as_good(detailed: Project) -> None:
    same = "CHECK (rank < 100 OR code IN ('a', 'b'))"

    assert after(detailed, f"{ALTER} DROP CONSTRAINT rule_rank, ADD CONSTRAINT rule_rank {same}") == []


def test_a_foreign_key_that_was_dropped_is_named(current: Project) -> None:
    (name,) = current.database.lines(
        f"SELECT conname FROM pg_constraint WHERE conrelid = 'athena.{MEMBERSHIP}'::regclass"
        " AND confrelid = 'users_user'::regclass"
    )
    found = after(current, f"ALTER TABLE {MEMBERSHIP} DROP CONSTRAINT {name}")

    assert found == [("foreign_key.missing", "error", f"{MEMBERSHIP}(user_id)")]


def test_a_foreign_key_to_a_table_of_that_name_elsewhere_is_named(current: Project) -> None:
    (name,) = current.database.lines(
        f"SELECT conname FROM pg_constraint WHERE conrelid = 'athena.{MEMBERSHIP}'::regclass"
        " AND confrelid = 'athena.buildings_building'::regclass"
    )
    wrong = "FOREIGN KEY (building_id) REFERENCES kypseli.buildings_building DEFERRABLE INITIALLY DEFERRED"
    found = after(current, f"ALTER TABLE {MEMBERSHIP} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {wrong}")

    assert found == [("foreign_key.elsewhere", "error", f"{MEMBERSHIP}(building_id)")]
    (finding,) = current.run("verify").report["findings"]
    assert (finding["expected"], finding["found"]) == (
        "buildings_building(id)",
        "kypseli.buildings_building(id)",
    )


def test_a_foreign_key_that_acts_on_delete_is_a_warning(current: Project) -> None:
    (name,) = current.database.lines(
        f"SELECT conname FROM pg_constraint WHERE conrelid = 'athena.{MEMBERSHIP}'::regclass"
        " AND confrelid = 'users_user'::regclass"
    )
    cascading = "FOREIGN KEY (user_id) REFERENCES users_user ON DELETE CASCADE"
    found = after(
        current, f"ALTER TABLE {MEMBERSHIP} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {cascading}"
    )

    assert found == [("foreign_key.rules", "warning", f"{MEMBERSHIP}(user_id)")]


def test_a_constraint_that_was_never_validated_is_a_warning(detailed: Project) -> None:
    definition = "CHECK (rank < 100 OR code IN ('a', 'b')) NOT VALID"
    found = after(detailed, f"{ALTER} DROP CONSTRAINT rule_rank, ADD CONSTRAINT rule_rank {definition}")

    assert found == [("constraint.unchecked", "warning", "announcements_rule.rule_rank")]


def test_an_invalid_index_is_an_error(detailed: Project) -> None:
    found = after(
        detailed, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'athena.rule_ranks'::regclass"
    )

    assert found == [("index.invalid", "error", "announcements_rule.rule_ranks")]


def test_a_sequence_that_was_made_before_django_4_1_is_as_good(detailed: Project) -> None:
    serial = (
        f"{ALTER} ALTER id DROP IDENTITY; CREATE SEQUENCE announcements_rule_id_seq"
        " OWNED BY announcements_rule.id;"
        f" {ALTER} ALTER id SET DEFAULT nextval('announcements_rule_id_seq')"
    )

    assert after(detailed, serial) == []


def test_the_order_of_columns_does_not_matter(detailed: Project) -> None:
    assert after(detailed, f"{ALTER} DROP data; {ALTER} ADD data jsonb NOT NULL") == []


def test_what_a_pending_migration_will_add_is_not_expected(detailed: Project) -> None:
    add = "migrations.AddField('rule', 'later', models.TextField(null=True))"
    detailed.migration("announcements", "0005_later", "0004_rule", add)

    assert judged(detailed.run("verify")) == []


def test_a_column_that_a_pending_migration_will_add_is_a_warning(detailed: Project) -> None:
    add = "migrations.AddField('rule', 'later', models.TextField(null=True))"
    detailed.migration("announcements", "0005_later", "0004_rule", add)

    assert after(detailed, f"{ALTER} ADD later text") == [
        ("column.early", "warning", "announcements_rule.later")
    ]


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        ("tables", set()),
        ("columns", {"column.type"}),
        ("everything", {"column.type", "index.missing", "rows.missing"}),
    ],
)
def test_it_can_be_said_how_deep_to_look(detailed: Project, depth: str, expected: set[str]) -> None:
    detailed.database.sql(
        "DROP INDEX athena.rule_titles; ALTER TABLE athena.announcements_rule ALTER amount TYPE bigint;"
        "DELETE FROM athena.django_content_type WHERE model = 'rule'"
    )
    run = detailed.run("verify", "--depth", depth)

    assert {one["id"] for one in run.report["findings"]} == expected


# What no model tells of.

TRIGGER = (
    "CREATE FUNCTION {0}.audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
    " CREATE TRIGGER audit BEFORE INSERT ON {0}.buildings_building EXECUTE FUNCTION {0}.audit();"
)


def test_the_schemas_that_lack_what_most_have_are_named(current: Project) -> None:
    current.database.sql(TRIGGER.format("athena") + TRIGGER.format("kypseli"))
    run = current.run("verify")

    assert run.code == 0
    assert sorted(judged(run)) == [
        ("schema.odd", "warning", "piraeus", "buildings_building"),
        ("schema.odd", "warning", "piraeus", "schema"),
    ]
    assert "which 2 of 3 have" in run.text


def test_the_schemas_that_have_what_most_lack_are_named(current: Project) -> None:
    current.database.sql("CREATE VIEW athena.newest AS SELECT 1 AS one")

    assert [one[:3] for one in judged(current.run("verify"))] == [("schema.odd", "warning", "athena")] * 2


def test_what_all_schemas_have_is_nobodys_business(current: Project) -> None:
    current.database.sql("".join(TRIGGER.format(name) for name in ("athena", "kypseli", "piraeus")))

    assert judged(current.run("verify")) == []


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX mine ON buildings_building (name, address)",
        "ALTER TABLE buildings_building ALTER address SET DEFAULT 'nowhere'",
        "ALTER TABLE buildings_building ADD CHECK (address <> 'nowhere')",
        "ALTER TABLE buildings_building ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON buildings_building USING (true)",
        "CREATE TABLE mine (id bigint)",
        "CREATE SEQUENCE mine",
        "CREATE TYPE mine AS ENUM ('a', 'b')",
    ],
)
def test_everything_that_one_schema_has_alone_is_seen(current: Project, sql: str) -> None:
    assert [one[:2] for one in after(current, sql)] == [("schema.odd", "warning")]


def test_what_a_pending_migration_will_make_is_nobodys_own(detailed: Project) -> None:
    index = "migrations.AddIndex('rule', models.Index(fields=['code', 'rank'], name='rule_codes'))"
    table = "migrations.CreateModel('Later', [('id', models.BigAutoField(primary_key=True))])"
    detailed.migration("announcements", "0005_later", "0004_rule", f"{index}, {table}")
    made = "CREATE INDEX rule_codes ON announcements_rule (code, rank)"

    assert after(detailed, f"{made}; CREATE TABLE announcements_later (id bigint)") == []


def test_what_is_ignored_is_not_compared_either(current: Project) -> None:
    configure(current, IGNORE_TABLES=["mine*"])

    assert after(current, "CREATE TABLE mine_too (id bigint)") == []
