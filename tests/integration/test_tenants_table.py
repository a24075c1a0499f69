"""The tenants' table: while it is behind its model, and where it names schemas that are gone."""

import pytest

from tests.support.diagnosis import ids, the
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
