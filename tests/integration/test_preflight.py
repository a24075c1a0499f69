"""What must hold before the first write, and what is said when it does not."""

import pytest

from tests.support.proxy import closed_proxy
from tests.support.release import PROGRAM, Project, Run
from tests.support.running import Running
from tests.support.snapshot import contents
from tests.support.urls import changed, superuser

WAYS_OUT = (f"railway run {PROGRAM} --public", "--tunnel-only", "railway ssh")


def failure(run: Run) -> str:
    """The message of the one error that ended the command."""
    (cause,) = run.report["causes"]
    return cause["message"]


def outcome(run: Run) -> tuple[int, str]:
    return run.code, run.report["error"]


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"password": "wrong"}, "password authentication failed"),
        ({"user": "nobody_at_all"}, "nobody_at_all"),
        ({"name": "no_such_database"}, 'database "no_such_database" does not exist'),
    ],
    ids=["password", "role", "database"],
)
def test_a_refusal_of_the_server_ends_the_release_at_once(past: Project, part: dict[str, str], text: str):
    before = contents(past.database)

    run = past.run(DATABASE_URL=changed(past.database.url, **part))

    assert (outcome(run), run.named("database.retried")) == ((3, "database.refused"), [])
    assert text in failure(run)
    assert contents(past.database) == before


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("ALTER ROLE {role} NOLOGIN", "not permitted to log in"),
        (
            'ALTER ROLE {role} NOSUPERUSER; REVOKE CONNECT ON DATABASE "{name}" FROM PUBLIC',
            "permission denied",
        ),
    ],
    ids=["login", "connect"],
)
def test_a_role_that_may_not_connect_is_refused_at_once(past: Project, statement: str, text: str):
    with superuser(past.database, "secret-word") as role:
        past.database.sql(statement.format(role=role, name=past.database.url.rpartition("/")[2]))
        run = past.run(DATABASE_URL=changed(past.database.url, user=role, password="secret-word"))

    assert (outcome(run), run.named("database.retried")) == ((3, "database.refused"), [])
    assert text in failure(run)


def test_a_server_without_a_free_place_is_waited_for(past: Project):
    with superuser(past.database, "secret-word") as role:
        past.database.sql(f"ALTER ROLE {role} NOSUPERUSER CONNECTION LIMIT 0")
        url = changed(past.database.url, user=role, password="secret-word")
        run = past.run("--connect-timeout", "1", DATABASE_URL=url)

    assert outcome(run) == (3, "database.unreachable")
    assert "too many connections" in run.named("database.retried")[0]["cause"]


def test_a_server_that_is_not_there_is_waited_for_and_no_longer_than_asked(past: Project):
    with closed_proxy(past.database.url) as proxy:
        run = past.run("--connect-timeout", "1", DATABASE_URL=changed(past.database.url, port=proxy.port))

    attempts = [event["attempt"] for event in run.named("database.retried")]
    assert (outcome(run), attempts) == ((3, "database.unreachable"), list(range(1, len(attempts) + 1)))
    assert (len(attempts) > 0, run.report["phases_ms"]["preflight"] < 5000) == (True, True)
    assert "within 1 s" in failure(run)


def test_each_wait_is_an_event_with_attempt_wait_and_cause(past: Project):
    with closed_proxy(past.database.url) as proxy:
        run = past.run("--connect-timeout", "1", DATABASE_URL=changed(past.database.url, port=proxy.port))

    event = run.named("database.retried")[0]
    assert (event["level"], event["attempt"], event["phase"]) == ("warn", 1, "preflight")
    assert (0 <= event["wait_seconds"] <= 1, "refused" in event["cause"]) == (True, True)


def test_a_server_that_comes_up_during_the_wait_is_used(past: Project):
    with closed_proxy(past.database.url) as proxy:
        running = Running(past, "plan", DATABASE_URL=changed(past.database.url, port=proxy.port))
        running.reach("database.retried")
        proxy.open()
        run = running.finish()

    assert (run.code, proxy.connections > 0) == (9, True), run.text


def test_a_private_host_is_explained_at_once_outside_railway(past: Project):
    url = "postgresql://app:secret-word@postgres.railway.internal:5432/railway"

    run = past.run(DATABASE_URL=url, RAILWAY_ENVIRONMENT_NAME="production")

    assert (outcome(run), run.named("database.retried")) == ((3, "database.unreachable"), [])
    assert [way for way in WAYS_OUT if way not in failure(run)] == []


def test_a_private_host_is_waited_for_on_railway(past: Project):
    url = "postgresql://app:secret-word@postgres.railway.internal:5432/railway"

    run = past.run("--connect-timeout", "1", DATABASE_URL=url, RAILWAY_DEPLOYMENT_ID="d-1")

    assert outcome(run) == (3, "database.unreachable")
    assert ("postgres.railway.internal" in failure(run), len(run.named("database.retried")) > 0) == (
        True,
        True,
    )


def test_a_host_that_does_not_exist_is_named(past: Project):
    url = changed(past.database.url, host="no-such-host.invalid")

    run = past.run("--connect-timeout", "0.2", DATABASE_URL=url)

    assert (outcome(run), "no-such-host.invalid" in failure(run)) == ((3, "database.unreachable"), True)


def test_another_engine_than_django_tenants_is_refused(past: Project):
    past.settings("DATABASES['default']['ENGINE'] = 'django.db.backends.postgresql'")

    run = past.run()

    assert outcome(run) == (3, "project.not_tenants")
    assert "django_tenants.postgresql_backend" in failure(run)


def test_an_engine_that_is_not_postgresql_is_refused(past: Project):
    past.settings("DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'db.sqlite3'}}")

    run = past.run("--connect-timeout", "1")

    assert outcome(run) == (3, "project.not_tenants"), run.text
    assert not (past.folder / "db.sqlite3").exists()


def test_without_the_router_of_django_tenants_the_release_is_refused(past: Project):
    past.settings("DATABASE_ROUTERS = []")

    run = past.run()

    # django-tenants itself refuses to be set up.
    assert outcome(run) == (2, "settings.failed")
    assert "DATABASE_ROUTERS setting must contain" in failure(run)


def test_a_tenant_model_that_is_not_django_tenants_is_refused(past: Project):
    past.settings("TENANT_MODEL = 'users.User'")

    run = past.run()

    assert outcome(run) == (3, "project.not_tenants"), run.text
    assert "TENANT_MODEL" in failure(run)


def test_a_tenant_model_that_does_not_exist_is_refused(past: Project):
    past.settings("TENANT_MODEL = 'tenants.Customer'")

    run = past.run()

    assert outcome(run) in {(3, "project.not_tenants"), (2, "settings.failed")}, run.text
    assert "tenants.Customer" in failure(run)


def test_a_plain_django_project_is_told_what_is_missing(past: Project):
    past.settings(
        "DATABASES['default']['ENGINE'] = 'django.db.backends.postgresql'\n"
        "DATABASE_ROUTERS = []\n"
        "INSTALLED_APPS = ['django.contrib.contenttypes', 'django.contrib.auth', 'users']\n"
        "del TENANT_MODEL, TENANT_DOMAIN_MODEL, SHARED_APPS, TENANT_APPS"
    )

    run = past.run()

    assert outcome(run) == (3, "project.not_tenants"), run.text
    assert "TENANT_MODEL" in failure(run)


def test_errors_of_the_system_checks_stop_the_release_before_any_write(past: Project):
    before = contents(past.database)
    past.settings(
        "from django.core import checks\n"
        "@checks.register\n"
        "def lift(app_configs, **kwargs):\n"
        "    return [checks.Error('the lift is stuck', hint='climb', id='config.E001')]"
    )

    run = past.run()

    assert outcome(run) == (3, "preflight.failed")
    assert ("config.E001" in failure(run), "the lift is stuck" in failure(run)) == (True, True)
    assert contents(past.database) == before


def test_warnings_and_silenced_errors_of_the_system_checks_do_not_stop_the_release(past: Project):
    past.settings(
        "from django.core import checks\n"
        "SILENCED_SYSTEM_CHECKS = ['config.E001']\n"
        "@checks.register\n"
        "def lift(app_configs, **kwargs):\n"
        "    return [checks.Error('silenced', id='config.E001'), checks.Warning('slow', id='config.W001')]"
    )

    assert past.run().code == 0


def test_a_report_that_cannot_be_written_is_noticed_before_any_write(past: Project):
    before = contents(past.database)

    run = past.run("--report", str(past.folder / "no" / "such" / "folder" / "report.json"))

    assert run.code == 2, run.text
    assert contents(past.database) == before


def test_a_report_that_is_a_folder_is_noticed_before_any_write(past: Project):
    before = contents(past.database)

    run = past.run("--report", str(past.folder))

    assert run.code == 2, run.text
    assert contents(past.database) == before


def test_a_backup_hook_that_cannot_be_imported_is_noticed_before_any_write(past: Project):
    before = contents(past.database)

    run = past.run("--backup-hook", "config.backup.no_such_hook")

    assert outcome(run) == (2, "configuration.invalid")
    assert "config.backup.no_such_hook" in failure(run)
    assert contents(past.database) == before


def test_the_report_of_a_failed_preflight_says_how_long_it_took(past: Project):
    run = past.run(DATABASE_URL=changed(past.database.url, password="wrong"))

    assert list(run.report["phases_ms"]) == ["preflight"]
