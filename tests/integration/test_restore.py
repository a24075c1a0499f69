"""Tenants that are brought back in their place: what comes back, what stays, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from railway_release.postgres.followers import followers
from tests.support.backups import asides
from tests.support.release import Project
from tests.support.schemas import copy_tenant

pytestmark = pytest.mark.xdist_group("restore")

MEMBERS = "buildings_buildingmembership"
KEY = f"{MEMBERS}_user_id_f7ce61eb_fk_users_user_id"
REPORTS = "CREATE SCHEMA reports; CREATE VIEW reports.all AS SELECT * FROM {}"


@pytest.mark.versions
@pytest.mark.server
def test_one_tenant_comes_back_whole_and_its_neighbours_keep_what_is_newer(backed_up: Project, restore):
    database = backed_up.database
    rows = database.lines(f"SELECT * FROM athena.{MEMBERS} ORDER BY id")
    for schema in ("athena", "kypseli"):
        database.sql(f"DELETE FROM {schema}.{MEMBERS} WHERE id > 2")
    run = restore("--schema", "athena", "--apply")

    assert (run.code, run.states) == (0, {"athena": "restored"}), run.text
    back = database.lines(f"SELECT * FROM athena.{MEMBERS} ORDER BY id")
    assert back == rows
    assert database.sql(f"SELECT count(*) FROM kypseli.{MEMBERS}") == "2"
    (aside,) = asides(backed_up)
    assert database.sql(f"SELECT count(*) FROM {aside}.{MEMBERS}") == "2"


def test_owners_privileges_comments_keys_and_sequences_come_back(backed_up: Project, restore, restorable):
    database, name = backed_up.database, restorable[0]
    here = "'athena'::regnamespace"
    keys = f"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = {here} ORDER BY 1"
    privileges = f"SELECT relname, relacl, relowner::regrole FROM pg_class WHERE relnamespace = {here}"
    said = "obj_description(oid, 'pg_namespace')"
    schema = f"SELECT nspowner::regrole, nspacl, {said} FROM pg_namespace WHERE nspname = 'athena'"
    sequence = f"SELECT nextval(pg_get_serial_sequence('athena.{MEMBERS}', 'id'))"
    before = database.lines(schema)
    restore("--schema", "athena", "--apply")

    assert database.lines(schema) == before
    assert f"keeper_{name}" in database.sql(schema)
    assert "of the goddess" in database.sql(schema)
    key = f"SELECT oid FROM pg_constraint WHERE connamespace = {here} AND conname = '{KEY}'"
    assert database.sql(f"SELECT obj_description(({key}), 'pg_constraint')") == "of theirs"
    owners = dict(line.split("|")[::2] for line in database.lines(privileges))
    assert owners[MEMBERS] == f"keeper_{name}"
    assert f"reader_{name}=r/keeper_{name}" in database.sql(privileges)
    assert database.lines(keys)
    assert "NOT VALID" not in database.sql(keys)
    assert int(database.sql(sequence)) > int(database.sql(f"SELECT max(id) FROM athena.{MEMBERS}"))


def test_what_belonged_to_a_role_that_is_gone_belongs_to_whoever_restores(
    backed_up: Project, restore, restorable
):
    database, keeper = backed_up.database, f"keeper_{restorable[0]}"
    reader = f"reader_{restorable[0]}"
    database.sql(f"ALTER ROLE {keeper} RENAME TO {keeper}_gone; ALTER ROLE {reader} RENAME TO {reader}_gone")
    try:
        run = restore("--schema", "athena", "--apply")
    finally:
        database.sql(f"ALTER ROLE {keeper}_gone RENAME TO {keeper}")
        database.sql(f"ALTER ROLE {reader}_gone RENAME TO {reader}")

    assert run.states == {"athena": "restored"}, run.text
    owner = f"SELECT relowner::regrole FROM pg_class WHERE oid = 'athena.{MEMBERS}'::regclass"
    assert database.sql(owner) == database.sql("SELECT current_user")
    assert keeper in str(run.report["restores"][0]["remarks"])


def test_without_apply_nothing_is_written_and_the_printed_command_does_it(backed_up: Project, restore):
    before = backed_up.database.lines("SELECT oid, nspname FROM pg_namespace ORDER BY 1")
    run = restore("--schema", "athena")

    assert run.code == 0
    assert backed_up.database.lines("SELECT oid, nspname FROM pg_namespace ORDER BY 1") == before
    assert "rename it to athena__before_" in run.event("restore.planned")["message"]
    assert "--schema athena --apply" in run.event("restore.hinted")["message"]


def test_all_tenants_come_back_where_none_is_named_and_the_shared_schema_does_not(restore):
    run = restore("--apply")

    assert run.states == dict.fromkeys(("athena", "kypseli", "piraeus"), "restored"), run.text


def test_what_is_put_aside_is_no_tenant_and_goes_when_it_is_discarded(backed_up: Project, restore):
    restore("--schema", "athena", "--apply")
    again = restore("--schema", "athena", "--apply")
    plan = backed_up.run("plan")

    assert again.states == {"athena": "restored"}
    aside = plan.event("schemas.put_aside")["schemas"]
    assert len(aside) == 2
    assert not plan.findings("schema.unowned")
    assert backed_up.run("verify").code == 0
    shown = restore("--discard")
    assert "nothing was written" in shown.event("restore.finished")["message"]
    assert {one["schema"] for one in shown.report["discards"]} == set(asides(backed_up))
    assert len(asides(backed_up)) == 2
    (words,) = [
        event["message"].partition("run_migrations.py ")[2] for event in shown.named("restore.hinted")
    ]
    dropped = backed_up.run(*words.split())  # the backup itself may be deleted by now
    assert dropped.states == dict.fromkeys(aside, "dropped"), dropped.text
    assert not asides(backed_up)
    for name in ("latest", again.report["backup_name"]):
        none = restore("--discard", "--apply", name=name)
        assert none.states == {}
        assert "nothing like that is put aside" in none.event("restore.finished")["message"]


def test_only_what_came_from_the_named_schemas_is_discarded(backed_up: Project, restore):
    restore("--schema", "athena", "--schema", "kypseli", "--apply")
    restore("--schema", "athena", "--into", "a copy", "--apply")
    run = restore("--schema", "athena", "--discard", "--apply")

    assert set(run.states.values()) == {"dropped"}
    assert len(run.states) == 2, run.text
    assert [name.partition("__")[0] for name in asides(backed_up)] == ["kypseli"]
    assert restore("--schema", "piraeus", "--discard", "--apply").states == {}


def test_what_a_restored_schema_lacks_is_an_error(past: Project, tmp_path: Path):
    past.database.sql(f"DROP TABLE athena.{MEMBERS} CASCADE")
    to = str(tmp_path / "backups")
    assert past.run("backup", RELEASE_BACKUP_TO=to).code == 0
    run = past.run("restore", "latest", "--schema", "athena", "--apply", RELEASE_BACKUP_TO=to)

    assert (run.code, run.states) == (8, {"athena": "restored"}), run.text
    assert run.findings("table.ghost")


def test_what_is_put_aside_stays_where_others_depend_on_it(backed_up: Project, restore):
    restore("--schema", "athena", "--apply")
    (aside,) = backed_up.database.lines(
        "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'athena\\_\\_before%'"
    )
    backed_up.database.sql(
        f"CREATE SCHEMA reports; CREATE VIEW reports.all AS SELECT * FROM {aside}.{MEMBERS}"
    )
    run = restore("--discard", "--apply")

    assert (run.code, run.states) == (5, {aside: "failed"})
    assert "reports" in run.outcome(aside)["message"]
    assert backed_up.database.sql(f"SELECT count(*) FROM {aside}.{MEMBERS}") != "0"


def test_what_a_later_release_has_written_is_not_undone_unless_told_to(backed_up: Project, restore):
    backed_up.migration(
        "buildings", "0099_later", "0006_fill_slugs", "migrations.RunSQL('CREATE TABLE later (id int)')"
    )
    assert backed_up.run("--no-collectstatic").code == 0
    run = restore("--schema", "athena", "--apply")

    assert (run.code, run.states) == (8, {})
    assert "buildings.0099_later" in run.event("schemas.refused")["message"]
    assert restore("--schema", "athena", "--apply", "--replace-newer").code == 0


def test_a_schema_that_others_depend_on_is_not_renamed_unless_told_to(backed_up: Project, restore):
    backed_up.database.sql(
        f"CREATE SCHEMA reports; CREATE VIEW reports.all AS SELECT * FROM athena.{MEMBERS}"
    )
    run = restore("--schema", "athena", "--apply")

    assert (run.code, run.states) == (8, {})
    assert "view reports" in run.event("schemas.refused")["message"]
    assert restore("--schema", "athena", "--apply", "--leave-followers").states == {"athena": "restored"}


def test_keys_that_go_on_pointing_at_what_is_put_aside_are_errors(restore):
    refused = restore("--schema", "public", "--apply")
    run = restore("--schema", "public", "--apply", "--leave-followers")

    assert "--into NAME makes a copy" in refused.event("schemas.refused")["message"]
    assert (run.code, run.states) == (8, {"public": "restored"}), run.text
    elsewhere = {schema for schema, _ in run.findings("foreign_key.elsewhere")}
    assert elsewhere == {"athena", "kypseli", "piraeus"}


HIDDEN = """
CREATE EXTENSION hstore SCHEMA athena; CREATE TABLE kypseli.others ();
GRANT SELECT ON kypseli.others TO {owner};
CREATE TABLE piraeus.hidden AS SELECT 1 AS id; ALTER TABLE piraeus.hidden OWNER TO {owner};
ALTER TABLE piraeus.hidden ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
"""


def test_what_the_role_may_not_do_is_refused_beforehand(current: Project, as_ordinary, tmp_path):
    database, to = current.database, {"RELEASE_BACKUP_TO": str(tmp_path / "backups")}
    roles = as_ordinary(current, "owner")
    database.sql(HIDDEN.replace("{owner}", roles.owner))
    taken = current.run("backup", **to, DATABASE_URL=database.url)
    run = current.run("restore", "latest", "--apply", **to)
    name = database.url.rpartition("/")[2]
    database.sql(f'ALTER DATABASE "{name}" OWNER TO postgres')
    shown = current.run("restore", "latest", "--schema", "piraeus", **to)
    refused = {one["schema"]: str(one["refusals"]) for one in run.report["restores"]}

    assert taken.code == 0, taken.text
    assert (run.code, run.states) == (8, {"piraeus": "restored"}), run.text
    assert "what belonged to postgres, which" in refused["kypseli"]
    assert "hstore cannot be moved to a schema of another name: --into-database" in refused["athena"]
    assert f'GRANT CREATE ON DATABASE "{name}" TO' in shown.event("schemas.refused")["message"]


FOLLOWERS = """
CREATE TYPE athena.kind AS ENUM ('a'); CREATE COLLATION athena.own (locale = 'C');
CREATE FUNCTION athena.one() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION athena.text(athena.kind) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $$a$$';
CREATE FUNCTION athena.event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE TABLE athena.a (id int PRIMARY KEY, v int); CREATE TABLE athena.inner (id int REFERENCES athena.a);
CREATE VIEW athena.inside AS SELECT * FROM athena.a; CREATE EXTENSION hstore SCHEMA athena;
CREATE SCHEMA "or"; CREATE TABLE "or".t (id int REFERENCES athena.a, k athena.kind,
    c text COLLATE athena.own, d int DEFAULT athena.one(), h athena.hstore);
CREATE VIEW "or".v AS SELECT * FROM athena.a; CREATE STATISTICS "or".s ON id, v FROM athena.a;
CREATE TABLE "or".heir () INHERITS (athena.a);
CREATE CAST (athena.kind AS text) WITH FUNCTION athena.text; CREATE PUBLICATION p FOR TABLE athena.a;
CREATE EVENT TRIGGER event ON ddl_command_end EXECUTE FUNCTION athena.event();
"""


def test_all_that_follows_a_schema_which_is_renamed_is_known(backed_up: Project):
    import psycopg  # not there where the tests of another driver are run

    backed_up.database.sql(FOLLOWERS)
    with psycopg.connect(backed_up.database.url) as connection:
        found = followers(connection, "athena")

    assert found == [
        "cast from athena.kind to text",
        'column c of table "or".t',
        'column k of table "or".t',
        'constraint t_id_fkey on table "or".t',
        'default value for column d of table "or".t',
        "event trigger event",
        "publication of table athena.a in publication p",
        'rule _RETURN on view "or".v',
        'statistics object "or".s',
        'table "or".heir',
    ]


@pytest.mark.versions
def test_rows_that_are_gone_are_named_and_keys_to_them_are_added_not_valid_only_by_choice(backed_up, restore):
    database = backed_up.database
    user = database.sql(f"SELECT min(user_id) FROM athena.{MEMBERS}")
    for schema in ("athena", "kypseli", "piraeus"):
        database.sql(f"DELETE FROM {schema}.{MEMBERS} WHERE user_id = {user}")
    database.sql(f"DELETE FROM public.users_user WHERE id = {user}")
    before = database.lines("SELECT oid, nspname FROM pg_namespace ORDER BY 1")
    run = restore("--schema", "athena", "--apply")

    assert (run.code, run.states) == (5, {"athena": "failed"})
    assert f"users_user that are gone ({user})" in run.outcome("athena")["message"]
    assert database.lines("SELECT oid, nspname FROM pg_namespace ORDER BY 1") == before
    forced = restore("--schema", "athena", "--apply", "--not-valid")
    assert forced.states == {"athena": "restored"}
    assert "NOT VALID" in str(forced.outcome("athena")["repairs"])
    assert forced.findings("constraint.unchecked")


def test_a_tenant_whose_schema_is_gone_comes_back(backed_up: Project, restore):
    backed_up.database.sql("DROP SCHEMA athena CASCADE")

    assert restore("--schema", "athena", "--apply").states == {"athena": "restored"}
    assert backed_up.run("--no-collectstatic").code == 0


def test_a_tenant_whose_row_is_gone_comes_back_and_that_is_said(backed_up: Project, restore):
    own = "(SELECT id FROM public.tenants_client WHERE schema_name = 'athena')"
    backed_up.database.sql(
        f"DELETE FROM public.tenants_domain WHERE tenant_id = {own};"
        "DELETE FROM public.tenants_client WHERE schema_name = 'athena'"
    )
    shown = restore("--schema", "athena", "--schema", "kypseli")
    remarks = {one["schema"]: str(one["remarks"]) for one in shown.report["restores"]}
    run = restore("--schema", "athena", "--apply")

    assert "no row for it, so that it is no tenant; --schema public --into NAME" in remarks["athena"]
    assert "no row" not in remarks["kypseli"]
    assert run.states == {"athena": "restored"}, run.text
    copied = restore("--schema", "public", "--into", "then", "--apply")
    assert copied.states == {"public": "restored"}, copied.text
    row = "SELECT count(*) FROM \"then\".tenants_client WHERE schema_name = 'athena'"
    assert backed_up.database.sql(row) == "1"


def test_what_the_backup_does_not_hold_is_a_mistake(backed_up: Project, restore):
    run = restore("--schema", "nowhere")

    assert (run.code, run.report["error"]) == (2, "name.unknown")
    assert (
        backed_up.run("restore", "2020", RELEASE_BACKUP_TO=str(backed_up.folder)).report["error"]
        == "name.unknown"
    )


ODD = ("a", "a b", "Ω" * 31, "A", "100% $1", "x.y-z")


def test_odd_names_and_confusable_ones_are_backed_up_and_restored_as_others_are(current: Project, tmp_path):
    database, to = current.database, str(tmp_path / "backups")
    copy_tenant(database, "athena", *ODD)
    taken = current.run("backup", RELEASE_BACKUP_TO=to)
    for name in ODD:
        database.sql(f'DELETE FROM "{name}".{MEMBERS}')
    named = [word for name in ODD for word in ("--schema", name)]
    run = current.run("restore", "latest", "--apply", *named, RELEASE_BACKUP_TO=to)

    assert taken.code == 0, taken.text
    assert run.states == dict.fromkeys(ODD, "restored"), run.text
    for name in ODD:
        assert database.sql(f'SELECT count(*) FROM "{name}".{MEMBERS}') == "8"
    assert len(asides(current)) == len(ODD)
    assert all(len(name.encode()) <= 63 for name in asides(current))
