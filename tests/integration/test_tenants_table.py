"""The tenants' table: while it is behind its model, and where it names schemas that are gone."""

import pytest

from tests.support.diagnosis import ids, the
from tests.support.printed import decide, decisions, type_in
from tests.support.release import Project

LINE = "    created_at = models.DateTimeField(auto_now_add=True)\n"
ACTIVE = "models.BooleanField(default=True)"


def change_model(project: Project, more: str, operation: str) -> None:
    """Something more in the tenant model, and the migration for it."""
    models = (project.folder / "tenants" / "models.py").read_text(encoding="utf-8")
    project.write("tenants/models.py", models.replace(LINE, LINE + more))
    project.migration("tenants", "0002_more", "0001_initial", operation)


@pytest.fixture
def filtered(past: Project) -> Project:
    """The manager asks for a column that a pending migration adds."""
    more = (
        f"    active = {ACTIVE}\n\n    class Active(models.Manager):\n        def get_queryset(self):\n"
        "            return super().get_queryset().filter(active=True)\n\n    objects = Active()\n"
    )
    change_model(past, more, f"migrations.AddField('client', 'active', {ACTIVE})")
    return past


@pytest.fixture
def renamed(past: Project) -> Project:
    """The table gets another name by a pending migration."""
    more = "\n    class Meta:\n        db_table = 'customers'\n"
    change_model(past, more, "migrations.AlterModelTable('client', 'customers')")
    return past


def test_tenants_are_listed_by_name_while_their_table_lacks_a_column(filtered: Project) -> None:
    run = filtered.run("plan")

    assert run.code == 9
    assert [len(group["schemas"]) for group in run.report["pending"]] == [1, 3], run.text
    assert filtered.run("--tenants-only", "--no-collectstatic").states == {
        "public": "skipped",
        "athena": "migrated",
        "kypseli": "migrated",
        "piraeus": "migrated",
    }


@pytest.mark.parametrize("command", ["verify", "check"])
def test_tenants_that_cannot_be_known_are_an_error(renamed: Project, command: str) -> None:
    run = renamed.run(command)

    assert (run.code, run.findings("tenants.unknown")) == (8, [("public", "schema")]), run.text


def test_a_command_about_tenants_alone_fails_where_they_cannot_be_known(renamed: Project) -> None:
    run = renamed.run("--tenants-only")

    assert (run.code, run.report["error"]) == (3, "tenants.unknown")


def test_the_command_for_unknown_tenants_makes_them_known(renamed: Project) -> None:
    words = str(the(renamed.run("doctor"), "tenants.unknown")["command"]).split()[2:]

    assert words == ["--shared-only"]
    assert renamed.run(*words, "--no-collectstatic").code == 0
    assert "tenants.unknown" not in ids(renamed.run("doctor"))


def test_before_the_first_release_nobody_misses_tenants(empty: Project) -> None:
    assert empty.run("verify").report["findings"] == []


def test_a_table_of_tenants_that_was_dropped_is_made_anew_and_asks_for_its_rows(current: Project) -> None:
    current.database.sql("DROP TABLE tenants_client CASCADE; DELETE FROM tenants_domain")
    before = the(current.run("doctor"), "tenants.unknown")
    type_in(current, str(before["command"]))
    after = current.run("doctor")
    assert ids(after) == ["tenants.lost"], after.text

    (decision,) = decisions(current.run("repair"))
    decide(current, decision.choices[1])
    assert current.run("check").code == 0


def test_a_table_of_tenants_that_was_renamed_by_hand_is_given_its_name_back(current: Project) -> None:
    current.database.sql("ALTER TABLE tenants_client RENAME TO tenants_by_hand")
    command = str(the(current.run("doctor"), "tenants.unknown")["command"])
    assert command.endswith("repair --schema public  # shows what has to be decided, with the statements")

    decide(current, next(decisions(current.run("repair", "--schema", "public"))).choices[0])
    assert current.run("check").code == 0


# Schemas without rows.


@pytest.mark.parametrize(
    ("rows", "lost"),
    [
        ("", ["athena", "kypseli", "piraeus"]),
        ("'public'", ["athena", "kypseli", "piraeus"]),
        ("'athena'", []),
    ],
    ids=["none", "only that of the shared schema", "one"],
)
def test_an_empty_table_of_tenants_beside_their_schemas_is_an_error(
    current: Project, rows: str, lost: list[str]
) -> None:
    values = "INSERT INTO tenants_client (schema_name, name, created_at) VALUES ('public', '', now());"
    kept = f"WHERE schema_name NOT IN ({rows})" if rows else ""
    current.database.sql(f"{values} DELETE FROM tenants_domain; DELETE FROM tenants_client {kept}")
    run = current.run("check")

    assert run.code == (8 if lost else 0), run.text
    assert [one["candidates"] for one in run.report["findings"] if one["id"] == "tenants.lost"] == [lost] * (
        run.code == 8
    )
    assert [name for name, _ in run.findings("schema.unowned")] == ([] if lost else ["kypseli", "piraeus"])


def test_one_tenant_that_was_deleted_without_its_schema_is_no_loss(current: Project) -> None:
    current.database.sql(
        "INSERT INTO tenants_client (schema_name, name, created_at) VALUES ('public', '', now());"
        "DELETE FROM tenants_domain; DELETE FROM tenants_client WHERE schema_name <> 'public';"
        "DROP SCHEMA kypseli CASCADE; DROP SCHEMA piraeus CASCADE"
    )
    run = current.run("check")

    assert (run.code, run.findings("schema.unowned")) == (0, [("athena", "schema")]), run.text


def test_a_schema_is_not_unowned_because_the_manager_leaves_its_row_out(current: Project) -> None:
    models = (current.folder / "tenants" / "models.py").read_text(encoding="utf-8")
    manager = (
        "\n    class Others(models.Manager):\n        def get_queryset(self):\n"
        "            return super().get_queryset().exclude(schema_name='athena')\n\n    objects = Others()\n"
    )
    current.write("tenants/models.py", models.replace(LINE, LINE + manager))
    run = current.run("verify")

    assert (run.code, run.report["findings"]) == (0, []), run.text


def test_a_schema_of_another_program_is_nobodys_that_was_renamed(current: Project) -> None:
    current.database.sql(
        "ALTER SCHEMA athena RENAME TO athena_old; CREATE SCHEMA athena_2;"
        "CREATE TABLE athena_2.django_migrations AS SELECT * FROM public.django_migrations"
    )
    found = {one["id"]: one["candidates"] for one in current.run("verify").report["findings"][:2]}

    assert found == {"schema.missing": ["athena_old"], "schema.unowned": []}


def test_an_empty_schema_is_made_for_a_renamed_tenant_only_by_its_name(current: Project) -> None:
    current.database.sql("ALTER SCHEMA athena RENAME TO athena_old; DROP SCHEMA kypseli CASCADE")
    asked = current.run("repair", "--create-schema", "--apply")
    refused = {one.schema: len(one.choices) for one in decisions(asked)}
    assert (asked.code, refused) == (8, {"athena": 5, "kypseli": 5}), asked.text

    assert current.run("repair", "--create-schema", "--schema", "kypseli", "--apply").code == 0
    assert current.database.tables("kypseli") == current.database.tables("piraeus")
    assert current.database.tables("athena") == set()


# Rows without schemas.


@pytest.mark.parametrize("command", ["verify", "check", "release"])
def test_a_schema_that_was_dropped_is_an_error(current: Project, command: str) -> None:
    current.database.sql("DROP SCHEMA athena CASCADE")
    run = current.run(command)
    (finding,) = [one for one in run.report["findings"] if one["id"] == "schema.missing"]

    assert (run.code, finding["severity"], finding["schema"]) == (8, "error", "athena")
    assert finding["found"] == "it should have one, which was dropped, renamed or never made"


@pytest.mark.parametrize("domain", [True, False], ids=["with a domain", "without"])
def test_a_row_that_was_never_given_a_schema_is_a_warning(current: Project, domain: bool) -> None:
    models = (current.folder / "tenants" / "models.py").read_text(encoding="utf-8")
    current.write("tenants/models.py", models.replace(LINE, f"{LINE}    auto_create_schema = False\n"))
    current.database.sql(
        "INSERT INTO public.tenants_client (schema_name, name, created_at) VALUES ('rhodes', 'Rhodes', now())"
    )
    if domain:
        current.database.sql(
            "INSERT INTO public.tenants_domain (domain, is_primary, tenant_id)"
            " SELECT 'rhodes', true, id FROM public.tenants_client WHERE schema_name = 'rhodes'"
        )
    run = current.run("check")

    assert (run.code, [one["severity"] for one in run.report["findings"]]) == (0, ["warning"]), run.text
