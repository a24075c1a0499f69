"""Records that are lost for several migrations: proven together, at their end and at each point before it."""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import TENANTS
from tests.support.release import PROGRAM, Project, Run
from tests.support.unwell import Story, borrowed, damage, diagnosed, live, refusals, remedy, settle

pytestmark = pytest.mark.xdist_group("unrecorded")

# An app of its own; the third migration alters what the second has made, the fifth is not everywhere.
SHOP = {
    "0001_initial": "migrations.CreateModel('Item', [('id', models.BigAutoField(primary_key=True))]), "
    "migrations.CreateModel('Alias', [], options={'proxy': True}, bases=('shop.item',)), "
    "migrations.CreateModel('Other', [('id', models.BigAutoField(primary_key=True))], {'managed': False})",
    "0002_early": "migrations.AddField('item', 'early', models.CharField(max_length=5, default=''))",
    "0003_longer": "migrations.AlterField('item', 'early', models.CharField(max_length=9, default=''))",
    "0004_named": "migrations.AlterModelOptions('item', {'verbose_name': 'thing'})",
    "0005_size": "migrations.AddField('item', 'size', models.IntegerField(null=True))",
}
LOST = "DELETE FROM django_migrations WHERE app = 'shop'"
WITHOUT_SIZE = f"{LOST}; ALTER TABLE shop_item DROP size"
CHANGED = f"{LOST} AND name >= '0003'; ALTER TABLE shop_item DROP size"

CASES = {
    "all": LOST,
    "three": f"{LOST} AND name < '0004'",
    "until_third": WITHOUT_SIZE,
    "until_second": f"{WITHOUT_SIZE}; ALTER TABLE shop_item ALTER early TYPE varchar(5)",
    "changed": CHANGED,
    "otherwise": f"{CHANGED}; ALTER TABLE shop_item ALTER early TYPE varchar(7)",
    "neither": f"{WITHOUT_SIZE}; ALTER TABLE shop_item ALTER early TYPE varchar(7)",
    "contenttypes": "DELETE FROM django_migrations WHERE app = 'contenttypes'",
    "broken_gap": f"{LOST} AND name < '0004'; ALTER TABLE shop_item DROP early",
}
RECORDED = {
    "all": [*SHOP],
    "three": [*SHOP][:3],
    "until_third": [*SHOP][:3],
    "until_second": [*SHOP][:2],
    "contenttypes": ["0001_initial", "0002_remove_content_type_name"],
}


def shop(project: Project) -> None:
    project.settings("TENANT_APPS.append('shop')\nINSTALLED_APPS.append('shop')")
    project.write("shop/__init__.py", "")
    project.write("shop/migrations/__init__.py", "")
    fields = "early = models.CharField(max_length=9, default='')\n    size = models.IntegerField(null=True)"
    project.write(
        "shop/models.py",
        "from django.db import models\n\n\nclass Item(models.Model):\n"
        f"    {fields}\n\n    class Meta:\n        verbose_name = 'thing'\n"
        "\n\nclass Alias(Item):\n    class Meta:\n        proxy = True\n"
        "\n\nclass Other(models.Model):\n    class Meta:\n        managed = False\n",
    )
    before = ""
    for name, operations in SHOP.items():
        project.migration("shop", name, before, operations)
        if not before:
            path = project.folder / "shop" / "migrations" / f"{name}.py"
            path.write_text(path.read_text().replace("[('shop', '')]", "[]"))
        before = name


@pytest.fixture(scope="module")
def story(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    """One tenant for each case, and one repair for all of them."""
    with borrowed(server, template(*TENANTS), tmp_path_factory.mktemp("lost")) as project:
        shop(project)
        healthy = settle(project, *CASES, behind=())
        for schema, sql in CASES.items():
            damage(project, schema, sql)
        yield live(project, healthy)


@pytest.mark.parametrize(("schema", "names"), RECORDED.items())
def test_what_is_there_of_migrations_without_a_record_is_recorded(
    story: Story, schema: str, names: list[str]
) -> None:
    app = "contenttypes" if schema == "contenttypes" else "shop"

    assert remedy(story.dry, schema)["records"] == [f"{app}.{name}" for name in names]


def test_no_release_is_advised_where_it_would_fail_on_what_is_there(story: Story) -> None:
    """Neither the proxy nor the table of somebody else is missing."""
    assert diagnosed(story.doctor, "all") == {"migration.unrecorded"}


@pytest.mark.parametrize("schema", ["changed", "otherwise"])
def test_a_column_that_a_pending_migration_changes_is_not_to_be_changed_back(
    story: Story, schema: str
) -> None:
    assert diagnosed(story.doctor, schema) == {"change.early", "release.never_ran"}
    assert refusals(story.dry, schema) == {}


def test_only_that_part_of_a_change_is_recorded_which_is_there(story: Story) -> None:
    assert remedy(story.dry, "changed")["records"] == ["shop.0003_longer"]
    assert remedy(story.dry, "otherwise") == {}
    assert story.applied.outcome("otherwise")["applied"] == [f"shop.{name}" for name in [*SHOP][2:]]


@pytest.mark.parametrize("schema", RECORDED)
def test_the_release_that_follows_does_the_rest(story: Story, schema: str) -> None:
    records = f"rows {schema}.django_migrations"

    assert story.applied.outcome(schema)["state"] == "repaired", story.applied.text
    assert {*story.repaired[records]} == {*story.healthy[records]}


def test_of_what_holds_nowhere_the_refusal_names_the_migration_that_is_nearest(story: Story) -> None:
    ((object, why),) = refusals(story.dry, "neither").items()

    assert object == "migration.unrecorded shop.0003_longer"
    assert "early (character varying(9) expected, character varying(7)" in why


def test_a_gap_whose_work_is_not_there_says_what_is_missing(story: Story) -> None:
    (why,) = refusals(story.dry, "broken_gap").values()

    assert why.startswith("shop.0004_named is recorded as applied before its dependency shop.0003_longer.")
    assert "column.missing shop_item.early" in why


def test_what_is_missing_is_shown_with_the_sql_that_makes_it(story: Story) -> None:
    (refusal,) = remedy(story.dry, "broken_gap")["refusals"]
    ((complete, again),) = [one["statements"] for one in refusal["choices"]]

    assert complete.startswith(
        'SET search_path = "<schema>", "public"; ALTER TABLE "shop_item" ADD COLUMN "early"'
    )
    assert again == f"{PROGRAM} repair --schema '<schema>' --apply"


def test_what_is_refused_leaves_8_and_the_pending_migrations_9(story: Story) -> None:
    assert (story.dry.code, story.applied.code) == (8, 8)
    assert [one["exit_code"] for one in story.applied.report["causes"]] == [8, 9]


def test_what_only_looks_writes_nothing(story: Story) -> None:
    assert story.untouched


# fake, for one migration and what leads to it.


@pytest.fixture(scope="module")
def built(server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Released once, for copies of it."""
    with borrowed(server, current_template, tmp_path_factory.mktemp("shop")) as project:
        shop(project)
        assert project.run("--no-collectstatic").code == 0
        yield project


@pytest.fixture
def lost(built: Project, another: Callable[[Project], Project]) -> Project:
    """A copy of it, to change."""
    return another(built)


def fake(project: Project, *words: str) -> Run:
    return project.run("fake", *words, "--schema", "athena")


def test_fake_records_what_leads_to_a_migration_too(lost: Project) -> None:
    damage(lost, "athena", LOST)
    run = fake(lost, "shop", "0003")

    assert run.code == 0, run.text
    assert run.outcome("athena")["repairs"] == [f"recorded shop.{name}" for name in [*SHOP][:3]]
    assert lost.database.applied("athena", "shop") == [*SHOP][:3]


def test_fake_looks_past_what_later_migrations_have_changed(lost: Project) -> None:
    damage(lost, "athena", LOST)

    assert fake(lost, "shop", "0002").code == 0
    assert lost.database.applied("athena", "shop") == [*SHOP][:2]


def test_a_constraint_that_is_there_without_the_record_of_its_migration_is_found(lost: Project) -> None:
    check = "models.CheckConstraint(condition=models.Q(size__gt=-9), name='shop_size')"
    lost.migration("shop", "0006_check", "0005_size", f"migrations.AddConstraint('item', {check})")
    unique = "models.UniqueConstraint(fields=['early', 'size'], name='shop_once')"
    lost.migration("shop", "0007_unique", "0006_check", f"migrations.AddConstraint('item', {unique})")
    assert lost.run("--no-collectstatic").code == 0
    damage(lost, "athena", f"{LOST} AND name >= '0006'")

    assert diagnosed(lost.run("doctor"), "athena") == {"migration.unrecorded"}
    run = lost.run("repair", "--apply")
    assert run.outcome("athena")["repairs"] == ["recorded shop.0006_check", "recorded shop.0007_unique"]


def test_what_later_migrations_rename_is_not_missed_in_a_gap(lost: Project) -> None:
    lost.migration(
        "shop",
        "0006_index",
        "0005_size",
        "migrations.AddIndex('item', models.Index(fields=['size'], name='before')), "
        "migrations.RenameIndex('item', new_name='after', old_name='before'), "
        "migrations.AddField('item', 'was', models.TextField(null=True)), "
        "migrations.RenameField('item', 'was', 'is')",
    )
    lost.migration("shop", "0007_note", "0006_index", "migrations.AlterModelOptions('item', {})")
    assert lost.run("--no-collectstatic").code == 0
    damage(lost, "athena", f"{LOST} AND name = '0006_index'")
    (cause,) = [one for one in lost.run("doctor").report["diagnosis"] if one["id"] == "records.inconsistent"]

    assert cause["command"] == f"{PROGRAM} fake shop 0006_index --schema athena"
    assert fake(lost, "shop", "0006_index").code == 0


def test_either_of_two_that_others_are_built_on_can_be_recorded(current: Project) -> None:
    for schema, name in (("athena", "0001"), ("kypseli", "0002")):
        damage(current, schema, "DELETE FROM django_migrations WHERE app = 'contenttypes'")
        assert current.run("fake", "contenttypes", name, "--schema", schema).code == 0

    assert current.run("repair", "--apply").code == 0
    assert current.run("verify").code == 0


def test_a_table_that_others_have_lost_keeps_no_record_from_being_made(current: Project) -> None:
    damage(current, "kypseli", "DELETE FROM django_migrations WHERE app = 'contenttypes'")
    damage(
        current,
        "athena",
        "DELETE FROM django_migrations WHERE app = 'contenttypes'; DROP TABLE django_admin_log",
    )
    found = current.run("verify")

    # Nobody knows there whose content types a key should point to.
    assert [one["id"] for one in found.report["findings"] if one["schema"] == "kypseli"] == [
        "records.inconsistent"
    ]
    assert fake(current, "contenttypes", "0002").code == 0
    assert current.run("repair", "--apply").code == 0
    assert current.run("verify").code == 0


def test_what_a_pending_migration_takes_away_and_makes_anew_is_there_rightly(lost: Project) -> None:
    added = "migrations.AddField('item', 'size', models.TextField(null=True))"
    lost.migration("shop", "0006_anew", "0005_size", f"migrations.RemoveField('item', 'size'), {added}")

    assert diagnosed(lost.run("doctor"), "athena") == {"release.never_ran"}


def test_what_sql_of_a_pending_migration_has_made_already_keeps_a_release_from_being_advised(
    lost: Project,
) -> None:
    sql = "CREATE INDEX shop_extra ON shop_item (early); CREATE VIEW shop_view AS SELECT 1 AS one"
    lost.migration("shop", "0006_sql", "0005_size", f"migrations.RunSQL({sql!r})")
    assert lost.run("--no-collectstatic").code == 0
    damage(lost, "athena", f"{LOST} AND name = '0006_sql'")
    doctor, dry = lost.run("doctor"), lost.run("repair")

    assert diagnosed(doctor, "athena") == {"migration.unrecorded"}
    (refusal,) = remedy(dry, "athena")["refusals"]
    assert refusal["choices"][0]["statements"] == [
        f"{PROGRAM} fake shop 0006_sql --schema '<schema>' --data-is-done"
    ]
    assert lost.run("--no-collectstatic").outcome("athena")["first"] == "fake"
    assert fake(lost, "shop", "0006_sql", "--data-is-done").code == 0


def test_a_record_above_a_gap_is_taken_away_where_nothing_of_it_is_there(lost: Project) -> None:
    damage(
        lost,
        "athena",
        "DELETE FROM django_migrations WHERE name IN ('0004_named', '0003_longer');"
        " ALTER TABLE shop_item DROP size",
    )
    assert fake(lost, "--unfake", "shop", "0005").code == 0

    assert lost.run("--no-collectstatic").code == 0
    assert lost.run("verify").code == 0


# A squashed history, on one of the replaced migrations of which another app depends.

SQUASH = """
from django.db import migrations, models


class Migration(migrations.Migration):
    replaces = [("shop", "0001_initial"), ("shop", "0002_early"), ("shop", "0003_longer")]
    operations = [
        migrations.CreateModel("Item", [
            ("id", models.BigAutoField(primary_key=True)),
            ("early", models.CharField(max_length=9, default="")),
        ]),
    ]
"""


def squashed(project: Project) -> None:
    """The last two of what is replaced are recorded, and the first is not, on which announcements depends."""
    project.write("shop/migrations/0001_squashed.py", SQUASH)
    pinned = project.folder / "announcements" / "migrations" / "0003_announcement_pinned.py"
    text = pinned.read_text()
    pinned.write_text(text.replace("dependencies = [", "dependencies = [('shop', '0001_initial'), "))
    damage(project, "athena", "DELETE FROM django_migrations WHERE (app, name) = ('shop', '0001_initial')")


def test_a_gap_in_a_squashed_history_is_closed_by_repair(lost: Project) -> None:
    squashed(lost)
    assert lost.run("verify").findings("records.inconsistent") == [("athena", "django_migrations")]
    run = lost.run("repair", "--apply")

    assert run.code == 0, run.text
    assert lost.run("verify").code == 0


def test_a_gap_in_a_squashed_history_is_closed_by_fake(lost: Project) -> None:
    squashed(lost)

    assert fake(lost, "shop", "0001_initial").code == 0
    assert lost.run("check").code in (0, 9)
    assert lost.run("verify").code == 0


# The shared schema.


def test_a_gap_in_the_shared_records_is_closed_before_all_else(current: Project) -> None:
    damage(current, "public", "DELETE FROM django_migrations WHERE app = 'contenttypes'")
    damage(current, "athena", "DROP TABLE announcements_announcement_audience")
    assert current.run("--no-collectstatic").code == 3
    dry, run = current.run("repair"), current.run("repair", "--apply")

    assert (dry.code, remedy(dry, "public")["records"], remedy(dry, "athena")) == (
        9,
        ["contenttypes.0001_initial", "contenttypes.0002_remove_content_type_name"],
        {},
    )
    assert (run.code, run.states["public"], run.states["athena"]) == (0, "repaired", "repaired"), run.text
    assert current.run("verify").code == 0


def test_a_gap_in_the_shared_records_that_stays_keeps_all_from_being_migrated(past: Project) -> None:
    damage(past, "public", "DELETE FROM django_migrations WHERE (app, name) = ('users', '0001_initial')")
    damage(
        past,
        "public",
        "INSERT INTO django_migrations (app, name, applied) VALUES ('users', '0002_user_phone', now())",
    )
    damage(past, "public", "ALTER TABLE users_user RENAME username TO another")
    run = past.run("repair", "--apply")

    assert (run.code, run.states["public"], run.states["athena"]) == (8, "refused", "skipped"), run.text
