"""Every command that is printed makes the difference that it promises, or says what must be decided.

Each cause and each finding is built for real in a tenant of its own. What doctor prints is typed as it is,
what repair leaves to a person is decided, and then everything is looked at again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import pytest

from railway_release.diagnosis.catalogue import KINDS
from railway_release.verification.findings import CREATING, HINTS
from tests.conftest import TENANTS
from tests.support.causes import CAUSES, LEAF, MEMBERSHIP, ONE, RULE
from tests.support.printed import Decision, decide, decisions, is_command, type_in
from tests.support.release import Project, Run
from tests.support.schemas import add_row, copy_schema
from tests.support.unwell import damage, diagnosed, grown, settle


@dataclass(frozen=True)
class Built:
    """What is done to a schema by hand, the causes that doctor names for it, and the choice that is made."""

    ids: tuple[str, ...]
    sql: str
    choice: int = 0
    along: tuple[str, ...] = ()  # causes that wait for the choice, and are gone after it


def built(id: str, sql: str, choice: int = 0) -> Built:
    """The same with one cause."""
    return Built((id,), sql, choice)


FORGET = "DELETE FROM django_migrations WHERE app = 'announcements' AND name"
RECORD = "INSERT INTO django_migrations (app, name, applied) VALUES ('{}', '{}', now())"
BUILDING = "INSERT INTO buildings_building (id, name, address, slug) VALUES (99, 'x', '', '')"
CASCADE = f"""
DO $do$ DECLARE name text; BEGIN
    SELECT conname INTO name FROM pg_constraint
        WHERE conrelid = '{MEMBERSHIP}'::regclass AND confrelid = 'buildings_building'::regclass;
    EXECUTE format('ALTER TABLE {MEMBERSHIP} DROP CONSTRAINT %I, ADD CONSTRAINT %I'
        ' FOREIGN KEY (building_id) REFERENCES buildings_building ON DELETE CASCADE', name, name);
END $do$
"""
COLLATED = f'ALTER TABLE {RULE} ALTER title TYPE varchar(50) COLLATE "default"'
INVALID = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'rule_ranks'::regclass"
LEAF_KEY = "announcements_leaf_rule_id_f7c50c01_fk_announcements_rule_id"
UNCHECKED = f"""
ALTER TABLE {RULE} DROP CONSTRAINT {RULE}_rank_check; {ONE} UPDATE {RULE} SET rank = -1;
ALTER TABLE {RULE} ADD CONSTRAINT {RULE}_rank_check CHECK (rank >= 0) NOT VALID
"""
NAMES_TAKEN = f"""
DROP INDEX rule_ranks; CREATE INDEX rule_ranks ON buildings_building (name);
ALTER TABLE {RULE} DROP CONSTRAINT rule_once, ADD CONSTRAINT rule_once CHECK (rank > -5)
"""
NO_NUMBERS = f"""
{ONE} ALTER TABLE {RULE} DROP CONSTRAINT {RULE}_pkey CASCADE;
ALTER TABLE {RULE} ALTER id DROP IDENTITY, ALTER id DROP NOT NULL; UPDATE {RULE} SET id = NULL
"""
OTHER_TYPES = f"""
ALTER TABLE {LEAF} DROP CONSTRAINT {LEAF_KEY}; ALTER TABLE {LEAF} ALTER rule_id TYPE text;
DROP INDEX rule_document, rule_kept; ALTER TABLE {RULE} ALTER kept TYPE text
"""
# By a view of a view, a column that is computed from it, and an index that no number can have.
USED = f"""
ALTER TABLE {RULE} DROP twice, ALTER rank TYPE bigint, ALTER amount TYPE text;
ALTER TABLE {RULE} ADD twice integer GENERATED ALWAYS AS ((rank * 2)::integer) STORED;
CREATE INDEX lowered ON {RULE} (lower(amount));
CREATE VIEW amounts AS SELECT id, amount, twice FROM {RULE}; CREATE VIEW larger AS SELECT * FROM amounts
"""
TOO_LONG = f"{ONE} ALTER TABLE {RULE} ALTER code TYPE varchar(90); UPDATE {RULE} SET code = repeat('x', 80)"
USED_EXTRA = f"ALTER TABLE {RULE} ADD mine text; CREATE VIEW my_view AS SELECT mine FROM {RULE}"
RENAMED_AND_ALTERED = f"""
{ONE} ALTER TABLE {RULE} RENAME title TO heading; ALTER TABLE {RULE} ALTER heading DROP NOT NULL
"""
IN_THE_WAY = f"ALTER TABLE {RULE} ADD mine text NOT NULL"
TAKEN = "ALTER TABLE buildings_building RENAME TO kept; CREATE VIEW buildings_building AS TABLE kept"
SHOWN = """
DROP TABLE buildings_building CASCADE;
CREATE MATERIALIZED VIEW buildings_building AS
    SELECT 99::bigint AS id, 'x'::varchar(120) AS name, ''::varchar(200) AS address, ''::varchar(120) AS slug
"""
PARTED = f"""
{BUILDING}; ALTER TABLE buildings_building RENAME TO plain;
CREATE TABLE buildings_building (LIKE plain) PARTITION BY LIST (id);
CREATE TABLE buildings_part PARTITION OF buildings_building DEFAULT;
INSERT INTO buildings_building SELECT * FROM plain; DROP TABLE plain CASCADE
"""
INDEX = "CREATE INDEX own ON buildings_building (address)"

# Tenants that are two releases behind.
BEHIND = {
    "athena": built(
        "column.early", "ALTER TABLE announcements_announcement ADD pinned boolean NOT NULL DEFAULT false"
    ),
    "kypseli": built("release.held_up", "DROP TABLE buildings_building CASCADE"),
    "piraeus": built("release.never_ran", ""),
}
NEWEST = {
    **{
        name: Built(tuple({text.split()[0]: 0 for text in one.mends}) or (one.diagnosis,), one.sql)
        for name, one in CAUSES.items()
    },
    "collation": built("column.collation", COLLATED),
    "extra_dropped": built("column.extra", f"ALTER TABLE {RULE} ADD mine text"),
    "extra_accepted": built("column.extra", f"ALTER TABLE {RULE} ADD yours text", 1),
    "not_generated": built("column.generated", f"ALTER TABLE {RULE} ALTER twice DROP EXPRESSION"),
    "in_the_way_dropped": built("column.in_the_way", IN_THE_WAY, 1),
    "in_the_way_kept": built("column.in_the_way", IN_THE_WAY),
    "renamed": built("column.missing", f"{ONE} ALTER TABLE {RULE} RENAME title TO heading"),
    "renamed_and_altered": Built(("column.missing",), RENAMED_AND_ALTERED, along=("column.null",)),
    "table_renamed": built("table.ghost", "ALTER TABLE buildings_building RENAME TO buildings_old"),
    "table_alike": built("table.ghost", f"ALTER TABLE {MEMBERSHIP} RENAME TO members"),
    "names_taken": Built(("index.missing", "unique.missing"), NAMES_TAKEN),
    "name_of_type": built("table.ghost", f"DROP TABLE {LEAF}; CREATE TYPE {LEAF} AS ENUM ('a')", 1),
    "unchecked_rows": built("constraint.unchecked", UNCHECKED),
    "no_numbers": Built(
        ("column.null", "key.missing"), NO_NUMBERS, along=("column.uncounted", "foreign_key.missing")
    ),
    "other_types": Built(
        ("column.type",), OTHER_TYPES, along=("foreign_key.missing", "unique.missing", "index.missing")
    ),
    "too_long": built("column.type", TOO_LONG),
    "used": Built(("column.type",), USED, along=("column.generated",)),
    "used_extra": built("column.extra", USED_EXTRA),
    "typed": built("column.type", f"ALTER TABLE {RULE} ALTER amount TYPE text"),
    "required": built("column.missing", f"{ONE} ALTER TABLE {RULE} DROP document", 1),
    "rules": built("foreign_key.rules", CASCADE),
    "invalid": built("index.invalid", INVALID),
    "unfinished": built("migrations.unfinished", RECORD.format("railway_release", "unfinished 000001")),
    "inconsistent": built("records.inconsistent", f"{FORGET} = '0005_note'"),
    "no_rows": built("rows.missing", "DELETE FROM django_content_type WHERE model = 'building'"),
    "odd": built("schema.odd", INDEX, 1),
    "parted": built("table.kind", PARTED),
    "shown": built("table.kind", SHOWN),
    "shown_in_vain": built("table.kind", SHOWN, 1),
    "taken": built("table.kind", TAKEN),
    "behind": built("sequence.behind", BUILDING),
    "several_unrecorded": built("migration.unrecorded", f"{FORGET} >= '0005'"),
    "created": built("schema.unfinished", f"COMMENT ON SCHEMA created IS '{CREATING}'"),
}
# Schemas without a row, and rows without a schema: renamed in one of the two places, or gone.
UNOWNED = ("rhodes_old", "samos_old", "unowned")
ALONE = {
    "unowned": built("schema.unowned", "", 1),
    "rhodes": built("schema.missing", ""),
    "samos": built("schema.missing", "", 1),
    "chios": built("schema.missing", "", 6),  # after two for each of those schemas
    "pg_chios": built("tenant.misnamed", "", 3),
}
# Each in a database of its own: the fewer tenants there are in one, the less each command has to look at.
# What has one cause is in one of them: its command is for all of its schemas.
OF_TABLES = ("migration", "migrations", "records", "rows", "schema", "sequence", "table")
TABLES = {name: one for name, one in NEWEST.items() if one.ids[0].split(".")[0] in OF_TABLES}
OTHERS = {name: one for name, one in NEWEST.items() if name not in TABLES}
PARTS = ({**BEHIND, **ALONE, **TABLES}, OTHERS)
BUILT = {schema: one for part in PARTS for schema, one in part.items()}

FILE = "what is printed is written into a file or a form, by a person"
CODE = "what is printed changes code or settings, by a person"
SERVER = "what is printed changes the server or the role, which the tests beside share"
ANSWER = "it is an answer: nothing is wrong in the database"
OWN = "built, typed and looked at again in a project of its own: "
ELSEWHERE = {
    "change.early": f"{OWN}test_unrecorded",
    "app.ahead": "nothing but the newer code helps, and that is said",
    "app.homeless": CODE,
    "app.in_both": CODE,
    "app.moved": f"{OWN}test_repair_causes",
    "app.unmigrated": CODE,
    "build.migrates": FILE,
    "config.expiring": FILE,
    "contenttypes.in_both": CODE,
    "database.pooled": FILE,
    "deletion.locks": SERVER,
    "deletion.shared": CODE,
    "exclusion.missing": f"{OWN}tests/oracle/test_repair_random",
    "extension.misplaced": f"{OWN}test_settings_of_apps",
    "inspection.ended": "it has the hint of what ended the look",
    "key.unreachable": f"{OWN}test_settings_of_apps",
    "migrate.bare": FILE,
    "migration.half_applied": f"{OWN}test_doctor",
    "model.unmigrated": CODE,
    "name.unknown": ANSWER,
    "nothing.missing": ANSWER,
    "pg_dump.missing": FILE,
    "pg_dump.old": FILE,
    "predeploy.commented": FILE,
    "procfile.ignored": FILE,
    "records.unreadable": "the server's words say what is wrong, and no statement fits all of it",
    "release.refused": "it has the hint of what ends the release",
    "role.unprivileged": SERVER,
    "router.custom": ANSWER,
    "rows.in_the_way": f"{OWN}test_doctor_rows",
    "server.connections": SERVER,
    "server.lock_slots": SERVER,
    "shared.leftover": f"{OWN}test_doctor_tables",
    "shared.queried": CODE,
    "start.default": FILE,
    "start.migrates": FILE,
    "table.missing": CODE,
    "template.stale": f"{OWN}test_repair_causes",
    "tenant.locks": SERVER,
    "tenant.mistyped": CODE,
    "tenants.lost": f"{OWN}test_tenants_table",
    "tenants.unknown": f"{OWN}test_tenants_table",
}


def of_each(*schemas: str) -> pytest.MarkDecorator:
    """These schemas, each with what became of its part."""
    several = []
    for number, part in enumerate(PARTS):
        group = pytest.mark.xdist_group(f"printed {number}")  # each part is built once
        several += [pytest.param(number, one, marks=group, id=one) for one in part if one in schemas]
    return pytest.mark.parametrize(("part", "schema"), several)


@dataclass(frozen=True)
class Story:
    """What doctor named, what became of it once its commands were typed, and once all was decided."""

    before: Run
    between: Run
    decisions: tuple[Decision, ...]
    after: Run


@pytest.fixture(scope="module")
def stories(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], Story]:
    """All of one part, by its number; told once."""

    @cache
    def tell(number: int) -> Story:
        with grown(server, template(*TENANTS), tmp_path_factory.mktemp("printed")) as project:
            return _tell(project, PARTS[number], "12"[number])

    return tell


@pytest.fixture
def story(stories: Callable[[int], Story], part: int) -> Story:
    """That of the part with the schema."""
    return stories(part)


def _tell(project: Project, part: Mapping[str, Built], jobs: str) -> Story:
    _build(project, part)
    before = _doctor(project)
    shown = _type_all(project, before, jobs)
    between = _doctor(project)
    left = tuple(decisions(project.run("repair", "--warnings")))
    for one in left:
        if one.choices and one.schema in part and one.id in part[one.schema].ids:
            decide(project, one.choices[part[one.schema].choice])
    _type_all(project, _doctor(project), jobs)
    return Story(before, between, (*left, *shown), _doctor(project))


def _build(project: Project, part: Mapping[str, Built]) -> None:
    behind = [name for name in BEHIND if name in part]
    settle(project, *(name for name in part if name in NEWEST), behind=behind)
    if "unowned" in part:
        copy_schema(project.database, "piraeus", *UNOWNED)
        add_row(project.database, *(name for name in ALONE if name not in UNOWNED))
    for schema, one in part.items():
        damage(project, schema, one.sql)


def _doctor(project: Project) -> Run:
    return project.run("doctor", "--sequences")


def _type_all(project: Project, doctor: Run, jobs: str) -> list[Decision]:
    """Type all commands, with so many workers; returns what those that only show leave to a person."""
    shown: list[Decision] = []
    for text in dict.fromkeys(one["command"] for one in doctor.report["diagnosis"]):
        run = type_in(project, text, jobs).run if is_command(text) else None
        if run and "shows what has to be decided" in text:
            shown += decisions(run)
    return shown


@of_each(*BUILT)
def test_the_cause_is_named(story: Story, schema: str) -> None:
    assert diagnosed(story.before, schema) >= {*BUILT[schema].ids}, story.before.text


@of_each(*BUILT)
def test_what_is_printed_changes_it_or_leaves_a_choice_with_its_statements(story: Story, schema: str) -> None:
    left = diagnosed(story.between, schema) & {*BUILT[schema].ids}
    choices = {one.id for one in story.decisions if one.schema == schema and any(one.choices)}
    decided = {one["id"] for one in story.between.report["diagnosis"] if one["command"].startswith("decide")}

    assert left <= choices | decided, story.between.text


@of_each(*BUILT)
def test_it_is_gone_once_all_is_decided(story: Story, schema: str) -> None:
    left = diagnosed(story.after, schema) & {*BUILT[schema].ids, *BUILT[schema].along}

    assert left <= {"schema.odd", "schema.unowned"}, story.after.text


@of_each("renamed", "table_renamed", "table_alike", "renamed_and_altered")
def test_a_repair_is_printed_after_a_rename_only_where_something_is_left(story: Story, schema: str) -> None:
    found = next(one for one in story.decisions if one.schema == schema and one.id in BUILT[schema].ids)

    assert any("repair" in line for line in found.choices[0]) is (schema == "renamed_and_altered")


def test_every_cause_and_every_finding_is_built_here_or_told_why_not() -> None:
    built = {id for one in BUILT.values() for id in one.ids}

    assert (KINDS.keys() | HINTS.keys()) - built == ELSEWHERE.keys()
