"""Choosing the connection of the release, and refusing a wrong one."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.account import temp_dir
from tests.support.proxy import open_proxy
from tests.support.release import Project, Run
from tests.support.second import second_server
from tests.support.server import database_url, psql
from tests.support.snapshot import contents
from tests.support.urls import changed, superuser

pytestmark = pytest.mark.versions

# On purpose: everything that means something in a URL.
ODD_PASSWORD = "p@ss/w:rd%#?&=+ ö"
NOWHERE = "postgresql://nobody:nothing@127.0.0.1:1/nothing"


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for a Unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="rr-", dir=temp_dir()))
    yield folder
    shutil.rmtree(folder)


def chosen(run: Run) -> tuple[str, str, str, str]:
    """What connection.chosen says."""
    event = run.event("connection.chosen")
    return event["host"], str(event["port"]), event["database"], event["why"]


def expected(url: str, why: str) -> tuple[str, str, str, str]:
    host, _, port = url.rpartition("@")[2].partition("/")[0].partition(":")
    return host, port, url.rpartition("/")[2], why


def test_the_connection_of_the_settings_is_used_and_logged(past: Project):
    run = past.run("plan")

    assert chosen(run) == expected(past.database.url, "settings")


@pytest.mark.parametrize("variable", ["RELEASE_DATABASE_URL", "DATABASE_UNPOOLED_URL"])
def test_a_direct_url_takes_the_place_of_the_settings_connection(past: Project, variable: str):
    with open_proxy(past.database.url) as proxy:
        url = changed(past.database.url, host="127.0.0.1", port=proxy.port)
        run = past.run("plan", **{variable: url})

    assert (run.code, chosen(run)) == (9, expected(url, variable))
    assert proxy.connections > 0


def test_release_database_url_wins_over_database_unpooled_url(past: Project):
    run = past.run("plan", RELEASE_DATABASE_URL=past.database.url, DATABASE_UNPOOLED_URL=NOWHERE)

    assert chosen(run) == expected(past.database.url, "RELEASE_DATABASE_URL")


def test_the_public_urls_are_not_used_without_the_flag(past: Project):
    run = past.run("plan", DATABASE_PUBLIC_URL=NOWHERE, DATABASE_PUBLIC_UNPOOLED_URL=NOWHERE)

    assert chosen(run)[3] == "settings"


@pytest.mark.parametrize("variable", ["DATABASE_PUBLIC_UNPOOLED_URL", "DATABASE_PUBLIC_URL"])
def test_with_public_a_public_url_is_used(past: Project, variable: str):
    name = past.database.url.rpartition("/")[2]
    private = f"postgresql://app:private@db.railway.internal:5432/{name}"

    run = past.run("plan", "--public", DATABASE_URL=private, **{variable: past.database.url})

    assert (run.code, chosen(run)) == (9, expected(past.database.url, variable))


def test_with_public_the_unpooled_url_is_the_first(past: Project):
    run = past.run(
        "plan", "--public", DATABASE_PUBLIC_UNPOOLED_URL=past.database.url, DATABASE_PUBLIC_URL=NOWHERE
    )

    assert chosen(run)[3] == "DATABASE_PUBLIC_UNPOOLED_URL"


def test_with_public_a_private_unpooled_url_is_passed_over(past: Project):
    run = past.run("plan", "--public", DATABASE_UNPOOLED_URL=NOWHERE, DATABASE_PUBLIC_URL=past.database.url)

    assert chosen(run)[3] == "DATABASE_PUBLIC_URL"


def test_public_without_a_public_url_names_both_variables(past: Project):
    run = past.run("plan", "--public")

    (cause,) = run.report["causes"]
    assert (run.code, run.report["error"]) == (3, "database.url_unusable")
    assert "DATABASE_PUBLIC_UNPOOLED_URL or DATABASE_PUBLIC_URL" in cause["message"]


def test_migrations_run_on_the_chosen_connection_with_its_percent_encoded_password(empty: Project):
    with superuser(empty.database, ODD_PASSWORD) as role:
        run = empty.run(RELEASE_DATABASE_URL=changed(empty.database.url, user=role, password=ODD_PASSWORD))
        owners = empty.database.lines("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")

    assert (run.code, owners) == (0, [role]), run.text


def test_the_backup_gets_the_chosen_connection(past: Project):
    with superuser(past.database, ODD_PASSWORD) as role:
        url = changed(past.database.url, user=role, password=ODD_PASSWORD)
        command = "printenv PGUSER PGDATABASE"
        run = past.run(RELEASE_DATABASE_URL=url, RELEASE_BACKUP_COMMAND=command)

    assert [line["message"] for line in run.named("backup.printed")] == [role, url.rpartition("/")[2]]


def test_engine_and_options_of_the_settings_stay_with_a_direct_url(past: Project):
    past.write("config/backend/__init__.py", "")
    past.write(
        "config/backend/base.py", "from django_tenants.postgresql_backend.base import DatabaseWrapper\n"
    )
    past.settings(
        "DATABASES['default']['ENGINE'] = 'config.backend'\n"
        "DATABASES['default']['OPTIONS'] = {'sslmode': 'prefer', 'options': '-c work_mem=12345kB'}"
    )
    past.migration(
        "users",
        "0003_seen",
        "0002_user_phone",
        "migrations.RunPython(see)",
        extra="def see(apps, editor):\n"
        "    one = editor.connection.settings_dict\n"
        "    engine, tls = one['ENGINE'], one['OPTIONS']['sslmode']\n"
        "    values = f\"'{engine}' AS engine, '{tls}' AS tls, current_setting('work_mem') AS memory\"\n"
        "    editor.execute(f'CREATE TABLE seen AS SELECT {values}')\n",
    )

    run = past.run("--shared-only", RELEASE_DATABASE_URL=past.database.url)

    assert run.code == 0, run.text
    assert past.database.sql("SELECT * FROM public.seen") == "config.backend|prefer|12345kB"


def test_options_in_the_direct_url_win_over_those_of_the_settings(past: Project):
    past.settings("DATABASES['default']['OPTIONS'] = {'sslmode': 'require'}")

    run = past.run("plan", RELEASE_DATABASE_URL=f"{past.database.url}?sslmode=disable")

    assert run.code == 9, run.text


def test_the_alias_that_tenants_live_in_is_the_one_that_is_replaced(past: Project):
    past.settings(
        "DATABASES['tenants'] = database('postgresql://nobody:nothing@127.0.0.1:1/'"
        f" + {past.database.url.rpartition('/')[2]!r})\n"
        "TENANT_DB_ALIAS = 'tenants'"
    )

    run = past.run("plan", RELEASE_DATABASE_URL=past.database.url, TEST_COLD="1")

    assert chosen(run) == expected(past.database.url, "RELEASE_DATABASE_URL")


def test_a_url_with_a_socket_folder_in_its_query_works(past: Project, short_folder: Path):
    name = past.database.url.rpartition("/")[2]
    login = past.database.url.partition("@")[0]
    with open_proxy(past.database.url, short_folder) as proxy:
        run = past.run("plan", RELEASE_DATABASE_URL=f"{login}@/{name}?host={short_folder}")

    assert (run.code, chosen(run)) == (9, (str(short_folder), "5432", name, "RELEASE_DATABASE_URL"))
    assert proxy.connections > 0


def test_a_url_with_a_percent_encoded_socket_folder_works(past: Project, short_folder: Path):
    name = past.database.url.rpartition("/")[2]
    login = past.database.url.partition("@")[0]
    with open_proxy(past.database.url, short_folder):
        folder = str(short_folder).replace("/", "%2F")
        run = past.run("plan", RELEASE_DATABASE_URL=f"{login}@{folder}/{name}")

    assert (run.code, chosen(run)[0]) == (9, str(short_folder)), run.text


def test_a_url_to_a_database_of_another_name_is_refused(past: Project, new_database):
    other = new_database()
    before = contents(past.database), contents(other)

    run = past.run(RELEASE_DATABASE_URL=other.url)

    assert (run.code, run.report["error"]) == (3, "database.other")
    assert (contents(past.database), contents(other)) == before


def test_a_url_to_a_database_of_the_same_name_on_another_server_is_refused(past: Project):
    name = past.database.url.rpartition("/")[2]
    before = contents(past.database)
    with second_server() as url:
        psql(url, f'CREATE DATABASE "{name}"')
        run = past.run(RELEASE_DATABASE_URL=database_url(url, name))
        tables = psql(database_url(url, name), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")

    assert (run.code, run.report["error"], tables) == (3, "database.other", "0")
    assert contents(past.database) == before


def test_settings_out_of_reach_are_compared_by_database_name_alone(past: Project):
    name = past.database.url.rpartition("/")[2]

    run = past.run(
        "plan",
        RELEASE_DATABASE_URL=past.database.url,
        DATABASE_URL=f"postgresql://app:private@db.railway.internal/{name}",
    )

    assert (run.code, len(run.named("connection.not_compared"))) == (9, 1), run.text


@pytest.mark.parametrize(
    "railway", [{}, {"RAILWAY_ENVIRONMENT_NAME": "production"}], ids=["outside", "railway"]
)
@pytest.mark.parametrize(
    "url",
    ["", "postgresql://:@:/", "${{Postgres.DATABASE_URL}}", "postgresql://${{PGUSER}}:x@db:5432/railway"],
)
def test_an_empty_or_unresolved_database_url_is_named_as_such(
    past: Project, url: str, railway: dict[str, str]
):
    run = past.run("--connect-timeout", "1", DATABASE_URL=url, **railway)

    (cause,) = run.report["causes"]
    assert (run.code, run.report["error"]) == (3, "database.url_unusable"), cause
    assert cause["message"].startswith("DATABASE_URL ")


@pytest.mark.parametrize("url", ["", "postgresql://:@:/", "${{Postgres.DATABASE_URL}}"])
def test_a_hollow_database_url_is_named_although_the_settings_fail_on_it(past: Project, url: str):
    past.settings(
        "from django.core.exceptions import ImproperlyConfigured\n"
        "raise ImproperlyConfigured('No support for that scheme')"
    )

    run = past.run(DATABASE_URL=url)

    (cause,) = run.report["causes"]
    assert (run.code, run.report["error"]) == (3, "database.url_unusable")
    assert cause["message"].startswith("DATABASE_URL ")


@pytest.mark.parametrize(
    "url",
    [
        "${{Postgres.DATABASE_URL}}",
        "postgresql://:@:/",
        "postgresql://app:secret@host:port/railway",
        "postgresql://app:secret@host",
        "mysql://app:secret@host/railway",
        "host=db dbname=railway",
        "postgresql://app:secret@[host/railway",
    ],
)
def test_a_release_url_that_cannot_be_used_is_named(past: Project, url: str):
    run = past.run(RELEASE_DATABASE_URL=url)

    (cause,) = run.report["causes"]
    assert (run.code, run.report["error"]) == (3, "database.url_unusable")
    assert cause["message"].startswith("RELEASE_DATABASE_URL ")


def test_empty_direct_urls_count_as_not_set(past: Project):
    run = past.run("plan", RELEASE_DATABASE_URL="", DATABASE_UNPOOLED_URL="")

    assert (run.code, chosen(run)[3]) == (9, "settings")
