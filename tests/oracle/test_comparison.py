"""What the comparison sees, and what it does not look at."""

import pytest

from tests.conftest import TENANTS
from tests.support.identity import without_new_ids
from tests.support.picture import differences, picture
from tests.support.release import Database
from tests.support.server import database_url

ADDED = """
INSERT INTO public.django_content_type (app_label, model) VALUES ('users', 'new');
INSERT INTO public.auth_permission (content_type_id, codename, name)
    SELECT id, 'new', 'New' FROM public.django_content_type WHERE model = 'new';
"""


@pytest.fixture
def database(new_database, template):
    """A copy of the database that `before` shows."""
    return new_database(template(*TENANTS))


@pytest.fixture(scope="session")
def before(server, template):
    """The picture of a database."""
    return picture(Database(database_url(server, template(*TENANTS))))


@pytest.fixture
def seen(database, before):
    """The sections that are different once the statement has run."""

    def look(statement):
        database.sql(statement)
        return sorted({line.partition(":")[0] for line in differences(before, picture(database))})

    return look


def test_equal_databases_have_no_differences(database, before):
    assert differences(before, picture(database)) == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX another ON athena.buildings_building (name)",
        "ALTER TABLE athena.buildings_building ALTER name SET DEFAULT ''",
        "ALTER TABLE athena.buildings_building ALTER name DROP NOT NULL",
        "ALTER TABLE athena.buildings_building ADD CONSTRAINT positive CHECK (id > 0) NOT VALID",
        "ALTER TABLE athena.buildings_building RENAME name TO title",
        "COMMENT ON COLUMN athena.buildings_building.name IS 'A comment'",
        "ALTER SEQUENCE athena.buildings_building_id_seq INCREMENT 2",
        "CREATE FUNCTION athena.nothing() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    ],
)
def test_another_definition_is_a_difference_in_that_schema(seen, statement):
    assert "definitions of athena" in seen(statement)


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("buildings_building", "UPDATE {} SET name = 'Other' WHERE id = 1"),
        ("django_content_type", "UPDATE {} SET id = 9999 WHERE model = 'building'"),
        ("django_content_type", "DELETE FROM {} WHERE model = 'building'"),
        ("django_migrations", "DELETE FROM {} WHERE app = 'announcements'"),
        ("django_migrations", "UPDATE {} SET id = 9999 WHERE app = 'contenttypes' AND name LIKE '0001%'"),
    ],
)
def test_other_rows_are_a_difference_in_that_table(seen, table, statement):
    assert seen(statement.format(f"kypseli.{table}")) == [f"rows kypseli.{table}"]


def test_another_permission_is_a_difference(seen):
    statement = "UPDATE public.auth_permission SET codename = 'other' WHERE codename = 'add_user'"
    assert seen(statement) == ["rows public.auth_permission"]


def test_another_value_of_a_sequence_is_a_difference(seen):
    statement = "SELECT nextval('piraeus.buildings_building_id_seq')"
    assert seen(statement) == ["sequences of piraeus"]


def test_times_and_ids_of_records_are_no_difference(seen):
    statement = "UPDATE athena.django_migrations SET applied = '2000-01-01', id = id + 1000"
    assert seen(statement) == []


def test_a_column_named_so_may_differ_in_its_value_but_not_in_having_one(new_database):
    one, other = new_database(), new_database()
    for database, number in ((one, 1), (other, 2)):
        database.sql(f"CREATE TABLE t (id int, differs_a int); INSERT INTO t VALUES (1, {number})")
    assert differences(picture(one), picture(other)) == []

    other.sql("UPDATE t SET differs_a = NULL")
    assert differences(picture(one), picture(other)) == [
        'rows public.t: -{"id": 1, "differs_a": true}',
        'rows public.t: +{"id": 1, "differs_a": false}',
    ]


@pytest.mark.parametrize(
    ("statement", "is_seen"),
    [
        ("UPDATE public.django_content_type SET id = 9999 WHERE model = 'new'", False),
        ("UPDATE public.auth_permission SET id = 9999 WHERE codename = 'new'", False),
        ("UPDATE public.auth_permission SET id = 9999 WHERE codename = 'add_user'", True),
        ("UPDATE public.auth_permission SET content_type_id = 1 WHERE codename = 'new'", True),
        ("UPDATE public.django_content_type SET model = 'other' WHERE model = 'new'", True),
    ],
)
def test_new_content_types_and_permissions_may_have_other_ids(new_database, template, statement, is_seen):
    one, other = (new_database(template(*TENANTS)) for _ in "ab")
    start = picture(one)
    for database in (one, other):
        database.sql(ADDED)
    moved = "UPDATE public.auth_permission SET content_type_id = 9999 WHERE codename = 'new'"
    follow = moved if "content_type SET id" in statement else ""
    other.sql(
        f"SET session_replication_role = replica; {statement}; {follow}"
    )  # foreign keys are right at the end
    pictures = [without_new_ids(picture(database), start) for database in (one, other)]

    assert bool(differences(*pictures)) == is_seen
