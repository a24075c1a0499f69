"""doctor --explain: which cause a missing table or column has here."""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import TENANTS
from tests.support.diagnosis import repair
from tests.support.explained import ERROR, INITIAL, MEMBERSHIP, Explained, explain, forget
from tests.support.release import PROGRAM, Project
from tests.support.schemas import add_row, copy_schema
from tests.support.unwell import borrowed

# What is wrong is made once, and all the errors of one database are asked for at once.
pytestmark = pytest.mark.xdist_group("explain")

QUERIED = 'relation "announcements_announcement" does not exist'
SHARED = 'relation "users_user" does not exist'
OF_KYPSELI = f'relation "kypseli.{MEMBERSHIP}" does not exist'
OF_PUBLIC = f'relation "public.{MEMBERSHIP}" does not exist'
OF_ATHENA = f'relation "athena.{MEMBERSHIP}" does not exist'
OF_NOBODY = f'relation "atlantis.{MEMBERSHIP}" does not exist'
UNKNOWN = 'relation "shop_order" does not exist'
SWAPPED = 'relation "auth_user" does not exist'
NO_COLUMN = "column buildings_building.colour does not exist"
JOINING = 'relation "announcements_announcement_audience" does not exist'
TRACEBACK = f'File "django/db/models/deletion.py", line 345, in collect\nProgrammingError: {ERROR}'


@pytest.fixture(scope="module")
def well(server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explained]:
    """Every migration is in place."""
    with borrowed(server, current_template, tmp_path_factory.mktemp("well")) as project:
        yield explain(project, ERROR, QUERIED, SHARED, OF_NOBODY, UNKNOWN, SWAPPED, NO_COLUMN)


@pytest.fixture(scope="module")
def one_behind(
    server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """The migration never ran in athena; to look at only."""
    with borrowed(server, current_template, tmp_path_factory.mktemp("behind")) as project:
        forget(project, "athena")
        yield project


@pytest.fixture(scope="module")
def behind(one_behind: Project) -> Explained:
    """What is told there."""
    return explain(one_behind, ERROR, f'relation "kypseli"."{MEMBERSHIP}" does not exist', OF_PUBLIC)


@pytest.fixture(scope="module")
def two(server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explained]:
    """It never ran in kypseli, and athena has lost the table."""
    with borrowed(server, current_template, tmp_path_factory.mktemp("two")) as project:
        forget(project, "kypseli")
        project.database.sql(f"DROP TABLE athena.{MEMBERSHIP}")
        yield explain(project, ERROR, OF_ATHENA)


# The four causes of a table that is not there.


def test_a_migration_that_never_ran_is_named_with_the_schemas_that_lack_it(behind: Explained) -> None:
    assert (behind.run.code, behind.ids()) == (8, ["release.never_ran"]), behind.run.text
    assert behind.verdict() == f"{INITIAL} never ran in athena."
    assert behind.cause()["command"] == PROGRAM
    assert behind.by_error[ERROR]["there"] == ["kypseli", "piraeus"]


def test_the_command_for_a_migration_that_never_ran_fixes_it(past: Project) -> None:
    past.database.sql(
        "DELETE FROM athena.django_migrations WHERE app = 'buildings';"
        "DROP TABLE athena.buildings_buildingmembership, athena.buildings_building"
    )
    assert explain(past).verdict() == f"{INITIAL} never ran in athena."
    assert past.run("--no-collectstatic").code == 0

    assert explain(past).ids() == ["deletion.shared"]


def test_no_release_is_advised_where_it_fails_on_what_later_migrations_have_made(past: Project) -> None:
    past.run("--no-collectstatic")
    past.database.sql(
        "DELETE FROM athena.django_migrations WHERE app = 'buildings' AND name > '0002';"
        f"DROP TABLE athena.{MEMBERSHIP}"
    )
    found = explain(past)

    assert found.ids() == ["migration.unrecorded"], found.run.text
    assert found.cause()["command"].startswith(f"{PROGRAM} repair --schema athena")


def test_a_recorded_migration_without_its_table_is_a_ghost_which_the_command_shows_and_fixes(
    current: Project,
) -> None:
    current.database.sql(f"DROP TABLE athena.{MEMBERSHIP}")
    ghost = explain(current)
    words = repair(ghost.cause())

    assert (ghost.run.code, ghost.ids()) == (8, ["table.ghost"])
    assert ghost.verdict() == f"{INITIAL} is recorded as applied in athena, but its table is not there."
    assert f'CREATE TABLE \\"{MEMBERSHIP}\\"' in current.run(*words[:-1]).stdout
    assert current.run(*words).code == 0
    assert explain(current).run.code == 0


def test_a_table_of_the_shared_schema_in_the_way_is_masking(current: Project) -> None:
    current.database.sql(f"ALTER TABLE athena.{MEMBERSHIP} SET SCHEMA public")
    masked = explain(current)

    assert (masked.run.code, masked.ids()) == (8, ["table.masked"])
    assert "athena" in masked.verdict()


def test_with_every_migration_in_place_it_is_a_deletion_from_the_shared_schema(well: Explained) -> None:
    assert (well.run.code, well.ids()) == (0, ["deletion.shared"]), well.run.text
    assert well.verdict().startswith(
        f"Only the shared schema lacks {MEMBERSHIP}, rightly: deleting users.User"
    )
    assert "No migration cures that" in well.verdict()
    assert "delete_everywhere" in str(well.cause()["command"])


def test_that_deletion_does_raise_the_error(current: Project) -> None:
    raised = current.python(
        "from users.models import User\n"
        "try: User.objects.get(username='eleni').delete()\n"
        "except Exception as error: print(str(error).splitlines()[0])"
    )

    assert raised.strip() == ERROR


def test_a_traceback_of_a_deletion_settles_that_it_was_one(current: Project) -> None:
    assert "that is what happened here" in explain(current, TRACEBACK).verdict()


def test_a_tenant_table_that_no_deletion_asks_for_was_queried_from_the_shared_schema(well: Explained) -> None:
    assert well.cause(QUERIED)["id"] == "shared.queried"


def test_a_tenant_without_its_schema_is_named(current: Project) -> None:
    add_row(current.database, "rhodes")
    found = explain(current)

    assert found.ids() == ["schema.missing"]
    assert found.verdict() == "The tenant rhodes has a row but no schema, so it has no table at all."


def test_several_causes_are_all_named_the_likeliest_first(two: Explained) -> None:
    assert two.ids() == ["release.never_ran", "table.ghost"]


def test_the_schema_that_the_error_names_comes_first(two: Explained) -> None:
    assert two.ids(OF_ATHENA) == ["table.ghost", "release.never_ran"]


@pytest.mark.parametrize(
    ("error", "id", "sentence"),
    [
        (OF_KYPSELI, "nothing.missing", " is there now, in kypseli; the error is from before."),
        (OF_PUBLIC, "deletion.shared", "No migration cures that."),
    ],
    ids=["kypseli", "public"],
)
def test_the_schema_that_the_error_names_decides(
    behind: Explained, error: str, id: str, sentence: str
) -> None:
    assert behind.ids(error) == [id]
    assert behind.verdict(error).endswith(sentence)


def test_a_shared_table_that_is_there_is_missing_nowhere(well: Explained) -> None:
    assert well.cause(SHARED)["id"] == "nothing.missing"


def test_an_app_in_neither_list_has_its_tables_nowhere(current: Project) -> None:
    current.settings("SHARED_APPS.remove('django.contrib.sessions')")
    current.database.sql("DROP TABLE public.django_session")
    error = 'relation "django_session" does not exist'
    found = explain(current, error)

    assert (found.run.code, found.cause(error)["id"]) == (8, "app.homeless"), found.run.text


def test_a_deletion_that_failed_while_a_tenant_is_behind_has_two_causes(one_behind: Project) -> None:
    assert explain(one_behind, TRACEBACK).ids() == ["release.never_ran", "deletion.shared"]


def test_a_schema_that_cannot_be_read_is_said_to_be_unknown(current: Project) -> None:
    current.database.sql("ALTER TABLE athena.django_migrations RENAME app TO label")

    assert explain(current).by_error[ERROR]["about"].endswith("; nothing is known of athena")


# Names that no model has, or not yet, or no longer.


def test_a_schema_that_is_not_in_this_database(well: Explained) -> None:
    assert well.cause(OF_NOBODY)["id"] == "name.unknown"
    assert (
        well.verdict(OF_NOBODY) == "There is no schema atlantis in this database, and no tenant of that name."
    )


def test_an_unknown_name_is_said_to_be_unknown(well: Explained) -> None:
    assert well.cause(UNKNOWN)["id"] == "name.unknown"
    assert well.verdict(UNKNOWN) == "No model of this code has the table shop_order."


def test_a_model_that_a_setting_replaces_is_named(well: Explained) -> None:
    assert well.cause(SWAPPED)["seen"] == "auth.User is replaced by users.User"


POLL, AUDIT = (f'relation "{name}" does not exist' for name in ("announcements_poll", "audit_log"))


@pytest.fixture(scope="module")
def changing(
    server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Explained]:
    """A model without a migration, one that a migration removes, and a table of SQL."""
    with borrowed(server, current_template, tmp_path_factory.mktemp("changing")) as project:
        polls, buildings = (project.folder / app / "models.py" for app in ("announcements", "buildings"))
        poll = "\n\nclass Poll(models.Model):\n    question = models.TextField()\n"
        polls.write_text(polls.read_text() + poll)
        buildings.write_text(buildings.read_text().partition("class BuildingMembership")[0])
        remove = "migrations.DeleteModel('BuildingMembership')"
        sql = "migrations.RunSQL('CREATE TABLE audit_log (id int)')"
        project.migration("buildings", "0007_remove", "0006_fill_slugs", remove)
        project.migration("buildings", "0008_audit", "0007_remove", sql)
        yield explain(project, POLL, ERROR, AUDIT)


def test_a_model_without_a_migration_cannot_have_its_table(changing: Explained) -> None:
    assert changing.cause(POLL)["command"] == "python manage.py makemigrations announcements"


def test_a_table_that_a_migration_removes_points_at_older_code(changing: Explained) -> None:
    assert changing.cause()["seen"] == "buildings.0007_remove removes or renames it"


def test_a_table_of_sql_is_traced_to_its_migration(changing: Explained) -> None:
    cause = changing.cause(AUDIT)

    assert (cause["id"], cause["command"]) == ("release.never_ran", PROGRAM)
    assert cause["seen"].startswith("buildings.0008_audit, whose SQL makes it, is pending in 3 schemas")


NOTES, PLACES, OWN, GONE, GONE_PLACES = (
    f'relation "{name}" does not exist'
    for name in ("notes_kept", "notes_kept_places", "athena.own_made", "notes_gone", "notes_gone_places")
)
EXTRA = "column announcements_announcement.extra does not exist"
_ID = (
    "('id', models.BigAutoField(primary_key=True)), ('places', models.ManyToManyField('buildings.Building'))"
)


@pytest.fixture(scope="module")
def of_migrations(
    server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Explained]:
    """No model has what migrations have made; kypseli waits for them, and athena has lost it."""
    with borrowed(server, current_template, tmp_path_factory.mktemp("of_migrations")) as project:
        kept, gone = (
            f"migrations.CreateModel('{name}', [{_ID}], options={{'db_table': 'notes_{name.lower()}'}})"
            for name in ("Kept", "Gone")
        )
        extra = "migrations.AddField('announcement', 'extra', models.IntegerField(null=True))"
        own = "migrations.RunSQL('CREATE TABLE own_made (id int)')"
        made = f"{kept}, {gone}, {extra}, {own}"
        project.migration("announcements", "0004_made", "0003_announcement_pinned", made)
        project.migration("announcements", "0005_gone", "0004_made", "migrations.DeleteModel('Gone')")
        assert project.run("--no-collectstatic", "--exclude", "kypseli").code == 0
        project.database.sql(
            "SET search_path = athena; DROP TABLE notes_kept CASCADE; DROP TABLE own_made;"
            "ALTER TABLE announcements_announcement DROP extra"
        )
        yield explain(project, NOTES, PLACES, OWN, GONE, GONE_PLACES, EXTRA)


@pytest.mark.parametrize(
    ("error", "lost"), [(NOTES, "table.ghost"), (EXTRA, "column.missing"), (OWN, "table.ghost")]
)
def test_what_only_migrations_know_is_explained_as_what_models_have(
    of_migrations: Explained, error: str, lost: str
) -> None:
    assert {one["id"]: one["schemas"] for one in of_migrations.by_error[error]["causes"]} == {
        "release.never_ran": ["kypseli"],
        lost: ["athena"],
    }


def test_it_is_said_that_only_migrations_know_it(of_migrations: Explained) -> None:
    assert of_migrations.by_error[PLACES]["about"].endswith(
        "only the migrations know it, and no model of this code"
    )


@pytest.mark.parametrize("error", [GONE, GONE_PLACES])
def test_what_a_migration_has_removed_is_known_by_the_name_it_had(
    of_migrations: Explained, error: str
) -> None:
    assert of_migrations.cause(error)["seen"] == "announcements.0005_gone removes or renames it"


# Columns, and what is to come.

SLUG, T3_SLUG = (f"column {name}.slug does not exist" for name in ("buildings_building", "T3"))
BARE_SLUG = "column slug does not exist"


@pytest.fixture(scope="module")
def to_come(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Explained]:
    """Two releases behind."""
    with borrowed(server, template(*TENANTS), tmp_path_factory.mktemp("to_come")) as project:
        texts = ('column "slug" of relation "buildings_building" does not exist', T3_SLUG)
        yield explain(project, *texts, 'column "slug" does not exist', JOINING)


@pytest.mark.parametrize("error", [SLUG, T3_SLUG, BARE_SLUG])
def test_a_column_whose_migration_never_ran(to_come: Explained, error: str) -> None:
    assert to_come.run.code == 8
    assert to_come.verdict(error).startswith("buildings.0005_building_slug never ran in 3 schemas")


def test_a_joining_table_belongs_to_the_migration_of_its_field(to_come: Explained) -> None:
    assert to_come.verdict(JOINING).startswith(
        "announcements.0002_announcement_audience never ran in 3 schemas"
    )


NAME, KEY = "column T3.name does not exist", f"column {MEMBERSHIP}.building_id does not exist"


@pytest.fixture(scope="module")
def lost(server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explained]:
    """Athena has lost columns."""
    with borrowed(server, current_template, tmp_path_factory.mktemp("lost")) as project:
        project.database.sql(
            "ALTER TABLE athena.buildings_building DROP COLUMN name, DROP COLUMN slug;"
            f"ALTER TABLE athena.{MEMBERSHIP} DROP COLUMN building_id"
        )
        yield explain(project, NAME, SLUG, KEY)


def test_of_the_columns_that_an_alias_may_stand_for_the_missing_one_is_explained(lost: Explained) -> None:
    about = lost.by_error[NAME]["about"]

    assert about.startswith("buildings.Building (table buildings_building, column name)")


def test_a_column_that_is_recorded_and_not_there(lost: Explained) -> None:
    assert (lost.run.code, lost.cause(SLUG)["id"], lost.cause(SLUG)["schemas"]) == (
        8,
        "column.missing",
        ["athena"],
    )


def test_a_foreign_key_is_known_by_its_column(lost: Explained) -> None:
    assert lost.cause(KEY)["id"] == "column.missing"
    assert str(lost.cause(KEY)["command"]).startswith(f"{PROGRAM} repair --schema athena")


def test_a_column_that_no_model_has(well: Explained) -> None:
    assert well.verdict(NO_COLUMN) == "No model of this code has the column colour in buildings_building."


# How it came about.


def test_a_table_of_an_app_that_was_moved(current: Project) -> None:
    current.settings(
        "SHARED_APPS.remove('django.contrib.sessions')\nTENANT_APPS.append('django.contrib.sessions')"
    )
    error = 'relation "django_session" does not exist'
    found = explain(current, error)

    assert found.cause(error)["id"] == "app.moved"
    assert found.verdict(error).endswith(
        "its app was moved to TENANT_APPS after its migrations were recorded there."
    )


def test_a_ghost_that_its_template_lacks_too(current: Project) -> None:
    current.settings("TENANT_BASE_SCHEMA = 'template'")
    copy_schema(current.database, "athena", "template")
    forget(current, "template")
    current.database.sql(f"DROP TABLE kypseli.{MEMBERSHIP}")
    found = explain(current)

    assert found.ids() == ["release.never_ran", "template.stale"]
    assert found.cause(number=1)["schemas"] == ["kypseli"]
