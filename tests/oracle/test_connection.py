"""What a project may do to its connection, by both engines."""

import pytest

from tests.oracle.conftest import PUBLIC, add_apps, build_levels, names
from tests.support.levels import BASE, Level, begin_with, build
from tests.support.unwell import borrowed

ISOLATION = """
from django.db.backends.postgresql.psycopg_any import IsolationLevel
DATABASES["default"]["OPTIONS"]["isolation_level"] = IsolationLevel.REPEATABLE_READ
"""
OPTIONS = """
from django.db.backends.postgresql.psycopg_any import is_psycopg3
DATABASES["default"]["OPTIONS"] |= {"assume_role": DATABASES["default"]["USER"]}
DATABASES["default"]["OPTIONS"] |= {"server_side_binding": True} if is_psycopg3 else {}
DATABASES["default"]["TIME_ZONE"] = "Europe/Athens"
"""
PATHS = """
PG_EXTRA_SEARCH_PATHS = ["extra"]
TENANT_LIMIT_SET_CALLS = True
"""


def test_what_bypasses_djangos_cursor_reaches_the_right_schema(topic, oracle):
    project = topic("driver")
    build_levels(project, "driver")
    comparison = oracle(project)

    assert comparison.stock.code == 0, comparison.stock.text
    assert comparison.equal, comparison.text


@pytest.fixture(scope="module")
def begun(server, origin, tmp_path_factory):
    """A database to copy, with a tenant that has begun and one with nothing."""
    with borrowed(server, origin.database, tmp_path_factory.mktemp("begun")) as project:
        begin_with(project, origin.base)
        add_apps(project, "driver", "queries")
        targets = (*BASE, ("driver", names("driver")[-2]), ("queries", "0001_initial"))
        build(project, [PUBLIC, Level("begun", targets, others=True), Level("zero")])
        project.database.sql("CREATE SCHEMA extra; CREATE TABLE extra.driver_line (id bigserial, text text)")
        yield project.database


@pytest.mark.xdist_group("driver")
@pytest.mark.parametrize(
    "settings", [ISOLATION, OPTIONS, PATHS], ids=["isolation level", "role, zone, binding", "search path"]
)
def test_settings_of_the_connection_hold_in_migrations(topic, begun, oracle, settings):
    project = topic("driver", "queries")
    project.database = begun
    project.settings(settings)
    comparison = oracle(project)

    assert comparison.stock.code == 0, comparison.stock.text
    assert comparison.equal, comparison.text
