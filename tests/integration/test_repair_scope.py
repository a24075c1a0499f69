"""repair: who looks, at which schemas, and what is never left behind."""

from collections.abc import Callable
from urllib.parse import urlsplit

from tests.support.release import Database, Project
from tests.support.schemas import held_open
from tests.support.snapshot import contents
from tests.support.unwell import mends, refusals

TENANTS = ["athena", "kypseli", "piraeus"]
MEMBERSHIP, AUDIENCE = "buildings_buildingmembership", "announcements_announcement_audience"

# Somebody's own trigger, which changes each table as soon as it is made.
MEDDLING = f"""
CREATE FUNCTION public.meddle() RETURNS event_trigger LANGUAGE plpgsql AS $body$ BEGIN
    ALTER TABLE athena.{AUDIENCE} ALTER building_id DROP NOT NULL;
END $body$;
CREATE EVENT TRIGGER meddle ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.meddle();
"""


def test_a_repair_after_which_something_would_still_be_wrong_is_undone(current: Project) -> None:
    current.database.sql(f"DROP TABLE athena.{AUDIENCE}; {MEDDLING}")
    before = contents(current.database)
    run = current.run("repair", "--apply")

    assert (run.code, run.states["athena"]) == (7, "failed")
    assert f"would still be wrong: column.null {AUDIENCE}.building_id" in run.outcome("athena")["message"]
    assert contents(current.database) == before


def test_a_role_that_may_only_read_sees_the_same_remedies(
    current: Project, new_role: Callable[[Database], str]
) -> None:
    current.database.sql(f"DROP TABLE athena.{AUDIENCE}; ALTER TABLE kypseli.{MEMBERSHIP} DROP user_id")
    mine = current.run("repair")
    theirs = current.run("repair", DATABASE_URL=new_role(current.database))

    assert (theirs.code, theirs.report["remedies"]) == (mine.code, mine.report["remedies"])


def test_a_masked_table_behind_which_nobody_can_look_is_refused(
    current: Project, new_role: Callable[[Database], str]
) -> None:
    current.database.sql(f"ALTER TABLE athena.{AUDIENCE} SET SCHEMA public")
    url = new_role(current.database)
    current.database.sql(f"REVOKE SELECT ON public.{AUDIENCE} FROM {urlsplit(url).username}")
    run = current.run("repair", DATABASE_URL=url)

    assert (run.code, mends(run, "athena")) == (8, [])
    assert "permission denied" in refusals(run, "athena")[f"table.masked {AUDIENCE}"]


def test_what_was_refused_and_a_migration_then_took_away_is_not_told(current: Project) -> None:
    current.database.sql("ALTER TABLE athena.announcements_announcement ALTER body TYPE varchar(900)")
    gone = "migrations.RemoveField('announcement', 'body')"
    current.migration("announcements", "0004_gone", "0003_announcement_pinned", gone)
    assert [*refusals(current.run("repair"), "athena")] == ["column.type announcements_announcement.body"]
    run = current.run("repair", "--apply")

    assert (run.code, refusals(run, "athena")) == (0, {}), run.text


def test_a_key_to_a_column_of_another_type_elsewhere_is_refused_in_the_words_of_the_server(
    current: Project,
) -> None:
    current.database.sql(
        "ALTER TABLE users_user DROP CONSTRAINT users_user_pkey CASCADE;"
        "ALTER TABLE users_user ALTER id DROP IDENTITY; ALTER TABLE users_user ALTER id TYPE text"
    )
    run = current.run("repair", "--schema", "athena")

    assert mends(run, "athena") == []
    whys = refusals(run, "athena").values()
    assert whys
    assert all(why == "The server would refuse it: operator does not exist: text = bigint." for why in whys)


def test_a_locked_table_is_waited_for_once(current: Project) -> None:
    table = "athena.buildings_building"
    constraints = "DROP CONSTRAINT buildings_building_pkey CASCADE, ALTER name DROP NOT NULL"
    current.database.sql(f"ALTER TABLE {table} {constraints}, ALTER address DROP NOT NULL")
    rule = "migrations.RunSQL('ALTER TABLE buildings_building ADD CHECK (id > 0), ADD UNIQUE (name)')"
    current.migration("buildings", "0007_rules", "0006_fill_slugs", rule)
    words = ("--schema", "athena", "--log-level", "debug")
    with held_open(current.database, f"LOCK TABLE {table}"):
        doctor = current.start("doctor", *words)
        repair = current.run("repair", *words)  # both wait, side by side
        looked = current.finish(doctor)

    assert len(repair.named("rows.unread")) == 1
    assert len(looked.named("rows.unread")) == 2  # by itself, and for what a repair would do


def test_only_the_schemas_asked_for_are_repaired(current: Project) -> None:
    current.database.sql(f"DROP TABLE athena.{AUDIENCE}; DROP TABLE kypseli.{AUDIENCE}")
    dry = current.run("repair", "--schema", "athena")
    assert [one["schemas"] for one in dry.report["remedies"]] == [["athena"]]
    assert current.run("repair", "--schema", "athena", "--apply").code == 0

    assert AUDIENCE in current.database.tables("athena")
    assert AUDIENCE not in current.database.tables("kypseli")


def test_schemas_that_lack_the_same_have_one_remedy(current: Project) -> None:
    current.database.sql("".join(f"DROP TABLE {name}.{AUDIENCE};" for name in TENANTS))
    (one,) = current.run("repair").report["remedies"]

    assert one["schemas"] == TENANTS


def test_nothing_to_repair_is_said_with_exit_code_0(current: Project) -> None:
    before = contents(current.database)
    run = current.run("repair", "--apply")

    assert (run.code, run.report["remedies"], set(run.states.values())) == (0, [], {"current"})
    assert contents(current.database) == before
