"""repair: how much it looks at."""

from tests.support.release import Project
from tests.support.trips import counting_proxy

from .test_engine import more_tenants

ALL_TABLES = "hash_record_extended"  # only a look at the tables of all schemas asks for digests
MEMBERSHIP, AUDIENCE = "buildings_buildingmembership", "announcements_announcement_audience"


def test_everything_is_looked_at_once_and_then_only_what_was_written(current: Project) -> None:
    more_tenants(current, 5)
    current.database.sql(f"DROP TABLE athena.{MEMBERSHIP}; DROP TABLE kypseli.{AUDIENCE}")
    with counting_proxy(current.database.url) as proxy:
        run = current.run("repair", "--apply", DATABASE_URL=proxy.url)
        looks = [trip for trip in proxy.waited_for if ALL_TABLES in trip]

    assert (run.code, run.report["findings"]) == (0, []), run.text
    assert len(looks) == 1


def test_what_a_repair_leaves_odd_is_found_although_the_others_are_not_read_again(current: Project) -> None:
    """A trigger that all others have: the new table lacks it, and nothing but the others tells of it."""
    more_tenants(current, 3)
    schemas = current.database.lines("SELECT schema_name FROM tenants_client ORDER BY 1")
    trigger = "CREATE TRIGGER kept BEFORE UPDATE ON {}.{} FOR EACH ROW EXECUTE FUNCTION"
    function = "suppress_redundant_updates_trigger()"
    current.database.sql("".join(f"{trigger.format(name, MEMBERSHIP)} {function};" for name in schemas))
    current.database.sql(f"DROP TABLE athena.{MEMBERSHIP}")
    run = current.run("repair", "--apply")

    assert (run.code, run.findings("schema.odd")) == (0, [("athena", MEMBERSHIP)]), run.text
    assert current.run("verify").findings("schema.odd") == run.findings("schema.odd")
