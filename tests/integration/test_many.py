"""Many tenants: what does not depend on a tenant is done once, and output stays short."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from railway_release.postgres.shape_queries import DETAILS, TABLES
from tests.support.proxy import open_proxy
from tests.support.release import Database, Project, Run
from tests.support.trips import counting_proxy
from tests.support.unwell import borrowed

from .conftest import MANY

# What they all look at is built once.
pytestmark = pytest.mark.xdist_group("many")


@pytest.fixture
def many(new_database: Callable[..., Database], many_template: str, tmp_path: Path) -> Project:
    """A copy of them, for tests that change something."""
    return Project(tmp_path / "many", new_database(many_template))


def counted(project: Project, *words: str) -> tuple[Run, int]:
    """A run, and how often it connected."""
    with open_proxy(project.database.url) as proxy:
        run = project.run(*words, DATABASE_URL=proxy.url)
        return run, proxy.connections


def test_with_nothing_to_do_more_tenants_cost_no_more_connections(
    current: Project, all_well: Project
) -> None:
    few_run, few = counted(current, "--no-collectstatic")
    many_run, more = counted(all_well, "--no-collectstatic")

    assert (few_run.code, many_run.code) == (0, 0), many_run.text
    assert many_run.report["counts"] == {"current": len(MANY) + 4}
    assert more == few


def test_with_nothing_to_do_more_tenants_cost_no_more_lines(current: Project, all_well: Project) -> None:
    few, more = current.run("--no-collectstatic"), all_well.run("--no-collectstatic")

    assert [event["event"] for event in more.events] == [event["event"] for event in few.events]


def test_several_connections_read_what_one_reads(many: Project) -> None:
    for name in ("tenant010", "tenant060", "tenant140"):
        many.database.sql(f"DELETE FROM {name}.django_content_type WHERE model = 'building'")
    many.database.sql("ALTER TABLE tenant100.django_migrations RENAME COLUMN app TO application")
    alone, together = many.run("verify", RELEASE_JOBS="1"), many.run("verify", RELEASE_JOBS="3")

    assert together.report["findings"] == alone.report["findings"]
    assert [schema for schema, _ in together.findings("rows.missing")] == [
        "tenant010",
        "tenant060",
        "tenant140",
    ]
    assert [schema for schema, _ in together.findings("records.unreadable")] == ["tenant100"]


def test_as_many_connections_read_as_there_are_jobs(all_well: Project) -> None:
    alone, one = counted(all_well, "verify", "--jobs", "1")
    together, three = counted(all_well, "verify", "--jobs", "3")

    assert (alone.code, together.code, three - one) == (0, 0, 2), together.text


GHOSTS, BEHIND = MANY[:-50], MANY[-50:]


def unwell(project: Project, ghosts: Sequence[str], behind: Sequence[str]) -> None:
    """Tenants without a table, some of which do not know of it."""
    tables = project.database.tables(ghosts[0]) - {"django_migrations", "django_content_type"}
    statements = [f"DROP TABLE {name}.buildings_buildingmembership;" for name in ghosts]
    for name in behind:
        forget = f"DELETE FROM {name}.django_migrations WHERE app IN ('announcements', 'buildings')"
        statements.append(f"{forget};DROP TABLE {', '.join(f'{name}.{table}' for table in tables)};")
    for start in range(0, len(statements), 10):  # all at once would need too many of the server's lock slots
        project.database.sql("".join(statements[start : start + 10]))


@pytest.fixture(scope="module")
def few_and_many(
    server: str, current_template: str, many_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, Project]]:
    """Two tenants that are unwell, and all the others."""
    folder = tmp_path_factory.mktemp("unwell")
    with (
        borrowed(server, current_template, folder / "few") as few,
        borrowed(server, many_template, folder / "many") as many,
    ):
        unwell(few, ["athena"], ["kypseli"])
        unwell(many, GHOSTS, BEHIND)
        yield few, many


def test_the_same_finding_in_many_is_one_line_and_all_names_are_in_the_report(
    few_and_many: tuple[Project, Project],
) -> None:
    run = few_and_many[1].run("verify")

    assert run.code == 8
    message = run.event("finding.reported")["message"]
    assert "100 schemas (tenant000, tenant001, tenant002, tenant003, tenant004 and 95 more)" in message
    assert sorted(schema for schema, _ in run.findings("table.ghost")) == list(GHOSTS)


@pytest.mark.parametrize(
    "words",
    [(), ("--sequences",), ("--explain", 'relation "buildings_buildingmembership" does not exist')],
    ids=["everything", "with sequences", "one error"],
)
def test_a_diagnosis_asks_no_tenant_by_itself(
    few_and_many: tuple[Project, Project], words: tuple[str, ...]
) -> None:
    asked, lines = [], []
    for project in few_and_many:
        with counting_proxy(project.database.url) as proxy:
            run = project.run("doctor", *words, DATABASE_URL=proxy.url)
        assert run.code == 8, run.text
        asked.append(proxy.all)
        lines.append(len(run.events))

    assert asked[1] - asked[0] < 100, "a tenant costs a round trip"
    assert lines[0] == lines[1]


def test_one_tenant_of_many_that_is_behind_is_migrated_alone(many: Project) -> None:
    many.database.sql(
        "DELETE FROM tenant070.django_migrations WHERE app = 'announcements' AND name LIKE '0003%';"
        "ALTER TABLE tenant070.announcements_announcement DROP COLUMN pinned"
    )
    run = many.run("--no-collectstatic")

    assert run.code == 0, run.text
    assert run.report["counts"] == {"current": len(MANY) + 3, "migrated": 1}
    assert run.outcome("tenant070")["applied"] == ["announcements.0003_announcement_pinned"]


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of a plan that read a table."""
    if "Relation Name" in plan:
        yield plan
    for part in plan.get("Plans", ()):
        yield from scans(part)


def test_of_one_schema_no_table_of_the_catalog_that_grows_with_the_others_is_read_whole(
    all_well: Project,
) -> None:
    """So that a repair, fake and a start command take no longer beside more tenants.

    The planner is told that reading whole costs twice what it does, as it would with twice as many tenants.
    """
    growing = ("attribute", "class", "constraint", "depend", "index", "trigger")
    all_well.database.sql("".join(f"ANALYZE pg_catalog.pg_{name};" for name in growing))
    tables = TABLES.replace("%s", "'tenant010'")
    oids = all_well.database.sql(f"SELECT array_agg(oid) FROM ({tables}) AS t (schema, name, is_table, oid)")
    selects = {
        name: select.replace("%s", f"'{oids}'") for name, select in DETAILS.items() if name != "others"
    }
    for name, select in {"tables": tables, **selects}.items():
        text = select.replace("%s", f"'{oids}'").replace("%%", "%")
        explained = json.loads(all_well.database.sql(f"SET seq_page_cost = 2; EXPLAIN (FORMAT JSON) {text}"))
        whole = [one["Relation Name"] for one in scans(explained[0]["Plan"]) if "Index Cond" not in one]
        assert not {f"pg_{one}" for one in growing} & set(whole), f"{name} reads {whole}"
