"""repair: what it does without a choice, what it does when a warning is named, and what a person decides."""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import TENANTS
from tests.support.causes import MEMBERSHIP, ONE, RULE
from tests.support.release import PROGRAM, Project, Run
from tests.support.schemas import add_row
from tests.support.unwell import Story, damage, definitions, grown, live, mends, refusals, remedy, settle

pytestmark = pytest.mark.xdist_group("choices")

ANNOUNCEMENT = "announcements_announcement"
RULES = f"""
DO $do$ DECLARE name text; BEGIN
    SELECT conname INTO name FROM pg_constraint
        WHERE conrelid = '{MEMBERSHIP}'::regclass AND confrelid = 'buildings_building'::regclass;
    EXECUTE format('ALTER TABLE {MEMBERSHIP} DROP CONSTRAINT %I, ADD CONSTRAINT %I'
        ' FOREIGN KEY (building_id) REFERENCES buildings_building ON DELETE SET NULL', name, name);
END $do$
"""
UNCHECKED = (
    f"ALTER TABLE {RULE} DROP CONSTRAINT {RULE}_rank_check,"
    f" ADD CONSTRAINT {RULE}_rank_check CHECK (rank >= 0) NOT VALID"
)
# Warnings, each with the id by which it is named.
WARNED = {
    "index": ("DROP INDEX rule_ranks", "index.missing"),
    "rules": (RULES, "foreign_key.rules"),
    "unchecked": (UNCHECKED, "constraint.unchecked"),
}
# What only a person can decide, each with the id.
DECIDED = {
    "extra": (f"ALTER TABLE {RULE} ADD mine text", "column.extra"),
    "collation": (f'ALTER TABLE {RULE} ALTER title TYPE varchar(50) COLLATE "POSIX"', "column.collation"),
    "in_the_way": (f"ALTER TABLE {RULE} ADD mine text NOT NULL", "column.in_the_way"),
    "another_type": (f"ALTER TABLE {RULE} ALTER amount TYPE text", "column.type"),
    "not_generated": (f"ALTER TABLE {RULE} ALTER twice DROP EXPRESSION", "column.generated"),
    "no_value": (f"{ONE} ALTER TABLE {RULE} DROP document", "column.missing"),
    "another_key": (
        f"ALTER TABLE {RULE} DROP CONSTRAINT {RULE}_pkey CASCADE, ADD PRIMARY KEY (id, code), DROP amount",
        "key.missing",
    ),
}
# What psql cannot be given as it is printed: somebody has to say which value, or which rows.
GIVEN = {"no_value": "gen_random_uuid()"}


@dataclass(frozen=True)
class Choices:
    """What was proposed, and what became of it."""

    project: Project
    story: Story  # without a choice
    warned: Run  # with --finding for each warning
    decided: Run  # and for what a person decides
    doctor: Run


@pytest.fixture(scope="module")
def choices(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Choices]:
    """A tenant for each, and one repair without a choice for all of them."""
    with grown(server, template(*TENANTS), tmp_path_factory.mktemp("choices")) as project:
        healthy = settle(project, *WARNED, *DECIDED, behind=())
        for schema, (sql, _) in (WARNED | DECIDED).items():
            damage(project, schema, sql)
        add_row(project.database, "rhodes")
        doctor = project.run("doctor")
        story = live(project, healthy)
        warned, decided = (project.run("repair", *named(of)) for of in (WARNED, DECIDED))
        yield Choices(project, story, warned, decided, doctor)


def named(of: dict[str, tuple[str, str]]) -> list[str]:
    """The words that name these findings in these schemas."""
    return [word for schema, (_, id) in of.items() for word in ("--finding", id, "--schema", schema)]


@pytest.fixture(scope="module")
def repaired(choices: Choices) -> Run:
    """With the same words and --apply."""
    return choices.project.run("repair", "--apply", *named(WARNED))


@pytest.fixture(scope="module")
def left(choices: Choices) -> Run:
    """What is found after the first choice for each."""
    for schema in DECIDED:
        typed(choices.project, schema, statements(choices.decided, schema)[0])
    return choices.project.run("verify")


@pytest.mark.parametrize("schema", [*WARNED, "extra", "collation"])
def test_without_a_choice_warnings_are_left_as_they_are_and_named(choices: Choices, schema: str) -> None:
    id = (WARNED | DECIDED)[schema][1]
    told = [one["message"] for one in choices.story.dry.named("remedy.left_out")]

    assert remedy(choices.story.dry, schema) == {}
    assert definitions(choices.story.repaired, schema) == definitions(choices.story.damaged, schema)
    assert any(one.startswith(f"{schema}: {id} ") and f"repair --finding {id}" in one for one in told), told


@pytest.mark.parametrize("schema", WARNED)
def test_a_warning_that_is_named_is_repaired_and_said_with_what_changes(
    choices: Choices, repaired: Run, schema: str
) -> None:
    id = WARNED[schema][1]
    (effect,) = remedy(choices.warned, schema)["effects"]

    assert (choices.warned.code, [one.split()[0] for one in mends(choices.warned, schema)]) == (9, [id])
    assert effect.startswith(id)
    assert (repaired.code, repaired.states[schema]) == (0, "repaired"), repaired.text
    assert repaired.report["findings"] == []


def test_a_change_of_rules_says_from_what_to_what(choices: Choices) -> None:
    (effect,) = remedy(choices.warned, "rules")["effects"]

    assert ": ON DELETE SET NULL becomes DEFERRABLE INITIALLY DEFERRED: that is what happens when" in effect


def statements(run: Run, schema: str) -> list[list[str]]:
    """Those of each choice."""
    (refusal,) = remedy(run, schema)["refusals"]
    return [choice["statements"] for choice in refusal["choices"]]


def typed(project: Project, schema: str, lines: list[str]) -> None:
    """Do what is printed."""
    for printed in lines:
        line = printed.replace('"<schema>"', f'"{schema}"').replace("<schema>", schema)
        line = line.replace("…", GIVEN.get(schema, "true"))
        if line.startswith(PROGRAM):
            project.run(*shlex.split(line.removeprefix(PROGRAM)))
        else:
            project.database.sql(line)


@pytest.mark.parametrize("schema", DECIDED)
def test_the_first_choice_makes_the_difference_that_it_promises(
    choices: Choices, left: Run, schema: str
) -> None:
    assert (choices.decided.code, mends(choices.decided, schema)) == (8, [])
    assert schema not in {name for name, _ in left.findings(DECIDED[schema][1])}


@pytest.mark.parametrize("schema", ["extra", "collation", "in_the_way", "another_type", "not_generated"])
def test_doctor_says_what_is_to_be_decided_with_the_statement_for_it(choices: Choices, schema: str) -> None:
    (cause,) = [one for one in choices.doctor.report["diagnosis"] if one["id"] == DECIDED[schema][1]]
    command = str(cause["command"])

    assert command.startswith("decide, since nothing else can: If ")
    assert f'ALTER TABLE "{schema}"."{RULE}"' in command


@pytest.mark.parametrize(
    ("id", "says"),
    [
        ("column.missing", "shows the SQL, and what has to be decided; --apply does the rest"),
        ("key.missing", "shows what has to be decided, with the statements"),
    ],
)
def test_doctor_does_not_promise_what_repair_leaves_to_a_person(choices: Choices, id: str, says: str) -> None:
    (cause,) = [one for one in choices.doctor.report["diagnosis"] if one["id"] == id]

    assert cause["command"].endswith(f"  # {says}")


def test_what_cannot_be_repaired_does_not_keep_the_rest_from_it(choices: Choices) -> None:
    outcome = choices.story.applied.outcome("another_key")

    assert outcome["state"] == "refused"
    assert f"repaired column.missing {RULE}.amount" in outcome["repairs"]
    assert "ADD PRIMARY KEY" not in str(remedy(choices.story.dry, "another_key")["statements"])


def test_a_row_without_a_schema_gets_none_unless_that_is_asked_for(choices: Choices) -> None:
    told = [one["message"] for one in choices.story.dry.named("remedy.left_out")]
    cause = next(one for one in choices.doctor.report["diagnosis"] if one["id"] == "schema.missing")

    assert any(one.startswith("rhodes: schema.missing") for one in told)
    assert "EMPTY" in cause["command"]
    assert "--create-schema" in cause["command"]
    assert choices.story.applied.outcome("rhodes")["state"] == "skipped"


def test_a_schema_that_is_asked_for_is_said_to_be_empty(choices: Choices) -> None:
    run = choices.project.run("repair", "--create-schema", "--schema", "rhodes")

    assert remedy(run, "rhodes")["creates_schema"] is True
    assert "it will be EMPTY: no data comes back" in run.text


def test_a_finding_that_does_not_exist_is_no_choice(choices: Choices) -> None:
    run = choices.project.run("repair", "--finding", "index.mising")

    assert run.code == 2
    assert "Did you mean index.missing?" in run.text


# Rows in the shared table in the place of a tenant's own.


def of(run: Run, schema: str) -> list[dict[str, Any]]:
    """The choices about a masked table."""
    found: list[dict[str, Any]] = remedy(run, schema)["refusals"][0]["choices"]
    return found


def session_rows(project: Project) -> None:
    """An app that was moved to the tenants, with its rows in the shared schema still."""
    project.settings(
        "SHARED_APPS.remove('django.contrib.sessions')\nTENANT_APPS.append('django.contrib.sessions')"
    )
    project.database.sql("INSERT INTO django_session VALUES ('a', 'b', now()), ('c', 'd', now())")


def test_the_rows_of_a_moved_app_are_set_aside_and_given_to_the_tenants(current: Project) -> None:
    session_rows(current)
    run = current.run("repair")
    assert run.report["remedies"][0]["schemas"] == TENANTS or len(run.report["remedies"]) == 1
    *_, several = of(run, "athena")
    rename, repair, copy = several["statements"]
    for schema in TENANTS:
        current.database.sql(rename)
        own = repair.removeprefix(PROGRAM).replace("'<schema>'", schema)
        assert current.run(*shlex.split(own)).states[schema] == "repaired"
    current.database.sql(copy.replace('"<schema>"', "athena").replace("…", "session_key = 'a'"))

    assert current.database.sql("SELECT session_key FROM athena.django_session") == "a"
    assert current.run("verify").code == 0


def test_the_rows_of_a_moved_app_that_nobody_needs_are_deleted(current: Project) -> None:
    session_rows(current)
    nobody, *_ = of(current.run("repair"), "athena")
    current.database.sql(nobody["statements"][0])

    assert current.run("repair", "--apply").code == 0
    assert current.run("verify").code == 0


def test_where_the_shared_schema_has_the_table_rightly_the_sql_for_the_tenants_own_is_shown(
    current: Project,
) -> None:
    current.database.sql("DROP TABLE athena.django_content_type CASCADE")
    none, some = of(current.run("repair"), "athena")
    assert none["when"] == "If no row of it is a tenant's"
    (create,) = none["statements"]  # one, or each would have its own path
    current.database.sql(create.replace('"<schema>"', "athena"))

    assert "DELETE FROM" in some["statements"][-1]
    assert current.run("verify").findings("table.masked") == []
    assert current.run("repair", "--apply").code == 0


def test_no_release_is_suggested_for_schemas_that_it_will_not_touch(past: Project) -> None:
    past.database.sql(f"DELETE FROM athena.{MEMBERSHIP}; ALTER TABLE athena.{MEMBERSHIP} SET SCHEMA public;")
    run = past.run("--no-collectstatic")

    assert (run.code, run.states["athena"], run.states["kypseli"]) == (7, "failed", "migrated")
    assert run.outcome("athena")["hint"] == f"What fixes it: `{PROGRAM} repair --schema athena`."
    assert "Run again with" not in run.text


def test_refusals_are_read_by_their_objects(choices: Choices) -> None:
    assert [*refusals(choices.decided, "another_key")] == [f"key.missing {RULE}(id)"]


# All that can rely on a column; each is to be there again once its type was changed.
RELYING = """
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER told BEFORE UPDATE OF address ON buildings_building FOR EACH ROW
    WHEN (OLD.address IS DISTINCT FROM NEW.address) EXECUTE FUNCTION nothing();
CREATE TRIGGER off BEFORE UPDATE OF address ON buildings_building FOR EACH ROW EXECUTE FUNCTION nothing();
ALTER TABLE buildings_building DISABLE TRIGGER off;
CREATE POLICY filled ON buildings_building AS RESTRICTIVE FOR UPDATE TO CURRENT_USER
    USING (address IS NOT NULL) WITH CHECK (id IN (SELECT max(id) FROM buildings_building) OR address <> '');
CREATE TABLE noted (address text);
CREATE RULE noting AS ON UPDATE TO buildings_building WHERE NEW.address IS NULL
    DO ALSO INSERT INTO noted VALUES (OLD.address);
CREATE VIEW addresses AS SELECT id, address FROM buildings_building;
CREATE VIEW more_addresses AS SELECT * FROM addresses; GRANT SELECT ON more_addresses TO PUBLIC;
CREATE TRIGGER instead INSTEAD OF INSERT ON addresses FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE FUNCTION how_many() RETURNS bigint BEGIN ATOMIC SELECT count(address) FROM more_addresses; END;
CREATE MATERIALIZED VIEW kept AS SELECT address FROM buildings_building; CREATE INDEX ON kept (address)
"""
MADE = """
SELECT tgname, pg_get_triggerdef(t.oid), tgenabled::text FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
    WHERE NOT tgisinternal AND relnamespace = '{0}'::regnamespace UNION ALL
SELECT policyname, qual || with_check || roles::text, permissive FROM pg_policies WHERE schemaname = '{0}'
UNION ALL SELECT viewname, definition, viewowner FROM pg_views WHERE schemaname = '{0}' UNION ALL
SELECT relname, relacl::text, relkind::text FROM pg_class WHERE relnamespace = '{0}'::regnamespace UNION ALL
SELECT rulename, definition, '' FROM pg_rules WHERE schemaname = '{0}' UNION ALL
SELECT proname, pg_get_functiondef(oid), '' FROM pg_proc WHERE pronamespace = '{0}'::regnamespace
ORDER BY 1, 2
"""


def test_all_that_relies_on_a_column_is_made_again_once_its_type_was_changed(current: Project) -> None:
    damage(current, "kypseli", RELYING)
    damage(current, "athena", f"ALTER TABLE buildings_building ALTER address TYPE text; {RELYING}")
    (choice,) = current.run("repair").report["remedies"][0]["refusals"][0]["choices"]
    typed(current, "athena", choice["statements"])

    made = current.database.sql(MADE.format("athena"))
    assert current.run("verify", "--schema", "athena").findings("column.type") == []
    assert made.replace("athena.", "kypseli.") == current.database.sql(MADE.format("kypseli"))
