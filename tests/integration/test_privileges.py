"""A role with nothing but what docs/reference/privileges.md lists is enough."""

import re
import uuid
from collections.abc import Iterator

import pytest

from tests.support.release import ROOT, Database, Project
from tests.support.urls import changed

PAGE = (ROOT / "docs" / "reference" / "privileges.md").read_text(encoding="utf-8")
SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"


def listed() -> list[str]:
    """The statements of the section that says what is the least."""
    block = re.findall(r"```sql\n(.*?)```", PAGE.partition("## At least")[2], flags=re.DOTALL)[0]
    return [line for line in block.splitlines() if line and not line.startswith("--")]


def granted(database: Database, role: str, left_out: str = "") -> None:
    """Run the listed statements for every schema and table."""
    name = database.url.rpartition("/")[2]
    for statement in listed():
        for schema in database.lines(SCHEMAS) if '"SCHEMA"' in statement else [""]:
            for table in sorted(database.tables(schema)) if '"TABLE"' in statement else [""]:
                if not left_out or left_out not in statement:
                    filled = statement.replace('"DATABASE"', f'"{name}"').replace('"SCHEMA"', f'"{schema}"')
                    database.sql(filled.replace('"TABLE"', f'"{table}"').replace("deploy", role))


@pytest.fixture
def role(past: Project) -> Iterator[str]:
    """One that may do nothing in the project's database, not even what everybody may."""
    name, database = f"deploy_{uuid.uuid4().hex[:8]}", past.database
    database.sql(f"CREATE ROLE {name} LOGIN PASSWORD 'ordinary-word'")
    database.sql(f'REVOKE ALL ON DATABASE "{database.url.rpartition("/")[2]}" FROM PUBLIC')
    for schema in database.lines(SCHEMAS):
        database.sql(f'REVOKE ALL ON SCHEMA "{schema}" FROM PUBLIC')
    past.url = changed(database.url, user=name, password="ordinary-word")
    yield name
    database.sql(f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP OWNED BY {name}; DROP ROLE {name}")


def test_what_is_listed_is_enough_to_release_and_to_repair(past: Project, role: str):
    past.database.sql("DROP TABLE athena.buildings_buildingmembership")
    granted(past.database, role)

    repaired = past.run("repair", "--apply", "--schema", "athena")
    released = past.run()

    assert (repaired.code, released.code) == (0, 0), repaired.text + released.text
    assert past.run("check").code == 0


@pytest.mark.parametrize("left_out", ["GRANT CONNECT", "GRANT USAGE", "ALTER TABLE"])
def test_nothing_that_is_listed_can_be_left_out(past: Project, role: str, left_out: str):
    granted(past.database, role, left_out)

    assert past.run().code != 0


def test_a_schema_is_created_only_with_create_on_the_database(past: Project, role: str):
    past.database.sql(
        "INSERT INTO tenants_client (schema_name, name, created_at) VALUES ('votanikos', 'Lofts', now())"
    )
    granted(past.database, role)

    refused = past.run("repair", "--apply", "--create-schema", "--schema", "votanikos")
    past.database.sql(f'GRANT CREATE ON DATABASE "{past.database.url.rpartition("/")[2]}" TO {role}')
    created = past.run("repair", "--apply", "--create-schema", "--schema", "votanikos")

    assert (refused.states["votanikos"], created.code) == ("failed", 0), refused.text + created.text
    assert "buildings_building" in past.database.tables("votanikos")
