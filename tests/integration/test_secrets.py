"""Secrets are planted everywhere; nothing that comes out may hold one."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.release import Project, Run
from tests.support.terminal import on_terminal
from tests.support.urls import changed, superuser

# Quotes, a backslash and what a URL has to escape.
PASSWORD = "Pa/ss@wo:rd%#'\"\\ö-7731"


@pytest.fixture
def secret_url(past: Project) -> Iterator[str]:
    """The project's database through a role with a password that appears nowhere else."""
    with superuser(past.database, PASSWORD) as role:
        yield changed(past.database.url, user=role, password=PASSWORD)


def python(project: Project, body: str, app: str = "users", after: str = "0002_user_phone") -> None:
    """Add a migration that runs some Python."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    head = "import json, logging, os\nfrom urllib.parse import urlsplit\nfrom django.conf import settings\n"
    extra = f"{head}from django.db import connection\n\n\ndef run(apps, editor):\n{lines}"
    project.migration(app, f"{int(after[:4]) + 1:04}_python", after, "migrations.RunPython(run)", extra=extra)


def everything(project: Project, run: Run) -> str:
    """All that a run let out, and its report as it lies on disk."""
    return run.text + (project.folder.parent / "report.json").read_text(encoding="utf-8")


def leaked(text: str, *secrets: str) -> list[str]:
    """The secrets that can be found in the text, as they are or as some format writes them."""
    spellings = {s: {s, quote(s, safe=""), quote(s), repr(s)[1:-1], s.replace('"', '\\"')} for s in secrets}
    return [secret for secret, ways in spellings.items() if any(way in text for way in ways)]


def fragments(text: str) -> list[str]:
    """The parts of PASSWORD that are long enough to be told from other words."""
    return [part for part in ("wo:rd", "wo%3Ard", "-7731") if part in text]


SHOWN = {
    "url": "print(os.environ['DATABASE_URL'])",
    "settings": "print(settings.DATABASES)",
    "as json": "print(json.dumps(settings.DATABASES['default']['PASSWORD']))",
    "bare": "print(settings.DATABASES['default']['PASSWORD'])",
    "as in the url": "print(urlsplit(os.environ['DATABASE_URL']).password)",
    "parameters": "print(connection.get_connection_params())",
    "environment": "print(dict(os.environ))",
    "log": "logging.getLogger('app').error('cannot reach %s', os.environ['DATABASE_URL'])",
    "logged exception": "try:\n    raise RuntimeError(os.environ['DATABASE_URL'])\n"
    "except RuntimeError:\n    logging.exception('no lift')",
}


RAISED = {
    "exception": "raise RuntimeError('cannot reach ' + os.environ['DATABASE_URL'])",
    "key error": "{}[settings.DATABASES['default']['PASSWORD']]",
}


def test_the_password_of_the_database_never_shows(past: Project, secret_url: str):
    python(past, "\n".join(SHOWN.values()))

    run = past.run("--shared-only", "--no-collectstatic", "--log-level", "debug", DATABASE_URL=secret_url)

    text = everything(past, run)
    assert (run.code, leaked(text, PASSWORD), fragments(text)) == (0, [], [])
    assert text.count("***") >= len(SHOWN)


@pytest.mark.parametrize("body", RAISED.values(), ids=RAISED)
def test_the_password_of_the_database_is_not_in_what_is_told_of_an_error(
    past: Project, secret_url: str, body: str
):
    python(past, body)

    run = past.run("--shared-only", "--no-collectstatic", "--log-level", "debug", DATABASE_URL=secret_url)

    text = everything(past, run)
    assert (run.code, leaked(text, PASSWORD), fragments(text)) == (6, [], [])
    assert "***" in text


def test_a_password_escaped_in_an_unusual_way_never_shows(past: Project, secret_url: str):
    python(past, SHOWN["as in the url"])
    unusual = quote(PASSWORD, safe="").replace("%2F", "%2f").replace("-", "%2D")

    run = past.run(
        "--shared-only",
        "--no-collectstatic",
        "--log-level",
        "debug",
        DATABASE_URL=secret_url.replace(quote(PASSWORD, safe=""), unusual),
    )

    text = everything(past, run)
    assert (run.code, leaked(text, PASSWORD, unusual), fragments(text)) == (0, [], [])


@pytest.mark.parametrize("variable", ["RELEASE_DATABASE_URL", "DATABASE_UNPOOLED_URL"])
def test_the_password_of_a_direct_url_never_shows(past: Project, secret_url: str, variable: str):
    python(past, "print(settings.DATABASES)\nprint(dict(os.environ))")

    run = past.run("--shared-only", "--no-collectstatic", "--log-level", "debug", **{variable: secret_url})

    text = everything(past, run)
    assert (run.code, leaked(text, PASSWORD), fragments(text)) == (0, [], [])


@pytest.mark.parametrize(
    "part",
    [{"port": 1}, {"name": "no_such_database"}, {"user": "nobody_at_all"}, {"host": "no-such-host.invalid"}],
    ids=str,
)
def test_connection_errors_keep_the_password(past: Project, secret_url: str, part: dict):
    url = changed(secret_url, **({"user": "x", "password": PASSWORD} | part))

    run = past.run("--connect-timeout", "0.5", "--log-level", "debug", DATABASE_URL=url)

    text = everything(past, run)
    assert (run.code, leaked(text, PASSWORD), fragments(text)) == (3, [], [])


def test_a_url_that_cannot_be_parsed_keeps_its_password(past: Project):
    run = past.run(RELEASE_DATABASE_URL=f"postgresql://app:{quote(PASSWORD)}@[host/railway")

    assert (run.code, leaked(everything(past, run), PASSWORD)) == (3, [])


def test_a_dsn_in_words_keeps_its_password(past: Project):
    python(past, "print(os.environ['REPLICA_DSN'])\nprint(os.environ['REPLICA_DSN'].rpartition('=')[2])")

    run = past.run(
        "--shared-only",
        "--no-collectstatic",
        "--log-level",
        "debug",
        REPLICA_DSN="host=db password=wood-lift-77",
    )

    assert (run.code, leaked(everything(past, run), "wood-lift-77")) == (0, [])


SECRET_VARIABLES = (
    "SECRET_KEY",
    "GITHUB_TOKEN",
    "STRIPE_API_KEY",
    "STRIPE_KEY",
    "FIELD_ENCRYPTION_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "EMAIL_HOST_PASSWORD",
    "SMTP_PASS",
    "GOOGLE_CREDENTIALS",
    "PROXY_AUTH",
    "GITHUB_PAT",
    "MAPS_APIKEY_LIVE",
    "GATEWAY_BEARER",
    "CLOUD_CREDENTIAL_BLOB",
    "QUEUE_DSN",
    "VAPID_PRIVATE_PEM",
)


def test_variables_that_sound_secret_never_show(past: Project):
    """Printed or raised; a harmless one whose name only resembles theirs is shown."""
    values = {name: f"wood-lift-{number}77" for number, name in enumerate(SECRET_VARIABLES)}
    words = f"[os.environ[name] for name in {(*SECRET_VARIABLES, 'MEDIA_PATH')!r}]"
    python(past, f"print({words})\nprint(settings.AUTH_USER_MODEL)\nraise RuntimeError({words})")

    run = past.run("--shared-only", "--log-level", "debug", MEDIA_PATH="/srv/shown", **values)

    text = everything(past, run)
    assert (run.code, leaked(text, *values.values())) == (6, [])
    assert ("/srv/shown" in text, "users.User" in text) == (True, True)


def test_a_sentry_dsn_never_shows(past: Project):
    python(past, "print(os.environ['SENTRY_DSN'])")

    run = past.run(
        "--shared-only", "--log-level", "debug", SENTRY_DSN="https://woodlift77@o1.ingest.sentry.io/4"
    )

    assert (run.code, leaked(everything(past, run), "woodlift77")) == (0, [])


def test_no_line_of_a_private_key_shows(past: Project):
    key = "-----BEGIN PRIVATE KEY-----\nwoodliftwoodlift77\nelevatorelevator88\n-----END PRIVATE KEY-----"
    python(past, "print(os.environ['JWT_PRIVATE_KEY'])")

    run = past.run("--shared-only", "--log-level", "debug", JWT_PRIVATE_KEY=key)

    text = everything(past, run)
    assert (run.code, leaked(text, "woodliftwoodlift77", "elevatorelevator88")) == (0, [])


SECRET_SETTINGS = (
    "SECRET_KEY = {!r}",
    "JWT_SECRET = ({!r}).encode()",
    "SECRET_KEY_FALLBACKS = [{!r}]",
    "EMAIL_HOST_PASSWORD = {!r}",
    "STORE = {{'default': {{'LOCATION': 'redis://:' + {!r} + '@cache:6379'}}}}",
    "CHANNEL_LAYERS = {{'default': {{'CONFIG': {{'hosts': ['redis://:' + {!r} + '@cache:6379']}}}}}}",
    "STORES = [{{'OPTIONS': {{'access_key': 'x', 'secret_key': {!r}}}}}]",
    "API_TOKENS = {{'stripe': {!r}}}",
)


def test_settings_that_sound_secret_never_show(past: Project):
    words = [f"wood-lift-{number}77" for number in range(len(SECRET_SETTINGS))]
    past.settings("\n".join(one.format(word) for one, word in zip(SECRET_SETTINGS, words, strict=True)))
    made = f"words = [''.join(['wood-', 'lift-', str(n), '77']) for n in range({len(words)})]"
    python(past, f"{made}\nprint(words)\nraise RuntimeError(words)")

    run = past.run("--shared-only", "--log-level", "debug")

    text = everything(past, run)
    assert (run.code, leaked(text, *words), text.count("***") >= len(words)) == (6, [], True)


@pytest.mark.parametrize(
    "command", ["printenv PGPASSWORD", "printenv", "sh -c 'printenv PGPASSWORD >&2; exit 3'"]
)
def test_a_backup_command_that_prints_the_password_does_not_give_it_away(
    past: Project, secret_url: str, command: str
):
    run = past.run("--shared-only", DATABASE_URL=secret_url, RELEASE_BACKUP_COMMAND=command)

    text = everything(past, run)
    assert len(run.named("backup.printed")) > 0
    assert (leaked(text, PASSWORD), fragments(text)) == ([], [])


def test_a_backup_hook_that_raises_the_password_does_not_give_it_away(past: Project, secret_url: str):
    past.write(
        "config/backup.py", "def hook(context):\n    raise RuntimeError(context.connection['PGPASSWORD'])\n"
    )

    run = past.run("--backup-hook", "config.backup.hook", DATABASE_URL=secret_url)

    text = everything(past, run)
    assert (run.code, leaked(text, PASSWORD), fragments(text)) == (5, [], [])


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="reads /proc, which Linux has")
def test_no_password_is_in_the_arguments_of_any_process(past: Project, secret_url: str):
    arguments = past.folder / "arguments"
    command = f"cat /proc/[0-9]*/cmdline > '{arguments}' 2>/dev/null; true"

    more = {"RELEASE_BACKUP_COMMAND": command, "TEST_COLD": "1"}
    run = past.run("--shared-only", "--backup-shell", DATABASE_URL=secret_url, **more)

    text = arguments.read_text(errors="replace")
    assert (run.code, "run_migrations.py" in text, leaked(text, PASSWORD)) == (0, True, [])


def test_settings_that_raise_a_secret_do_not_give_it_away(past: Project, secret_url: str):
    past.settings("raise RuntimeError(f'no such store: {DATABASES}')")

    run = past.run(DATABASE_URL=secret_url)

    text = everything(past, run)
    assert (run.code, leaked(text, PASSWORD), fragments(text)) == (2, [], [])


def test_a_crash_in_the_project_keeps_the_password(past: Project, secret_url: str):
    past.write(
        "tenants/models.py",
        (past.folder / "tenants" / "models.py").read_text()
        + "\n\nfrom django.conf import settings\n\n\ndef fail():\n    url = str(settings.DATABASES)\n"
        "    raise ArithmeticError(url)\n\n\nClient.objects.get_queryset = fail\n",
    )

    run = past.run(DATABASE_URL=secret_url)

    text = everything(past, run)
    assert (run.code, "Traceback" in run.text, leaked(text, PASSWORD), fragments(text)) == (1, True, [], [])


def test_a_usage_error_does_not_repeat_a_url(past: Project):
    run = past.run(f"--database-url={changed(past.database.url, password='wood-lift-77')}")

    assert (run.code, leaked(run.text, "wood-lift-77")) == (2, [])


def test_a_terminal_shows_no_password(past: Project, secret_url: str):
    python(past, "print(settings.DATABASES)")

    seen = on_terminal(past, "--shared-only", "--log-level", "debug", DATABASE_URL=secret_url)

    assert (seen.code, leaked(seen.text, PASSWORD), fragments(seen.text)) == (0, [], [])


def test_the_json_document_holds_no_password(past: Project, secret_url: str):
    python(past, RAISED["exception"])

    run = past.run("--shared-only", "--json", DATABASE_URL=secret_url)

    text = everything(past, run)
    assert (run.code, leaked(text, PASSWORD), fragments(text)) == (6, [], [])


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_tenant_whose_name_holds_a_secret_is_migrated_as_any_other(past: Project, jobs: str):
    past.database.sql("ALTER SCHEMA piraeus RENAME TO piraeus2")
    past.database.sql("UPDATE tenants_client SET schema_name = 'piraeus2' WHERE schema_name = 'piraeus'")
    run = past.run("--no-collectstatic", RELEASE_JOBS=jobs, MAIL_PASSWORD="piraeus", SMS_PASSWORD="athena")

    assert run.code == 0, run.text
    assert run.states == dict.fromkeys(("public", "athena", "kypseli", "piraeus2"), "migrated")
