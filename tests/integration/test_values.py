"""The values of customers' rows, which PostgreSQL quotes in the DETAIL of its errors, do not show."""

from textwrap import indent

import pytest

from tests.support.release import Project
from tests.support.schemas import copy_tenant

from .test_secrets import everything, leaked, python

VALUE = "Ermou Street 7"

# A row that a migration finds twice; PostgreSQL quotes it in the DETAIL of its error.
DUPLICATE = (
    "UPDATE buildings_building SET address = 'Ermou Street 7';"
    " CREATE UNIQUE INDEX buildings_address ON buildings_building (address)"
)
# The value is put together, since a traceback may quote the line of the source.
INSERT_TWICE = """\
cursor = connection.cursor()
cursor.execute('CREATE TEMPORARY TABLE t (a text PRIMARY KEY)')
value = ' '.join(['Ermou', 'Street', '7'])
try:
    cursor.execute('INSERT INTO t VALUES (%s), (%s)', [value, value])
except Exception as error:
    {}
"""
HANDLED = {
    "raised again": "raise",
    "raised from": "raise RuntimeError('no slug') from error",
    "raised within": "raise RuntimeError('no slug')",
    "quoted": "raise RuntimeError(f'no slug: {error}; giving up')",
    "quoted twice": "raise RuntimeError(f'no slug: {error} ({error!r})') from None",
    "printed": "print(error)\n    raise",
    "logged": "logging.error('no slug: %s', error)\n    raise",
    "logged with traceback": "logging.exception('no slug')\n    raise",
}


def test_the_values_of_an_integrity_error_do_not_show(past: Project):
    past.migration("buildings", "0007_unique", "0006_fill_slugs", f"migrations.RunSQL({DUPLICATE!r})")

    run = past.run("--schema", "athena", "--log-level", "debug")

    assert (run.code, run.outcome("athena")["sqlstate"], leaked(everything(past, run), VALUE)) == (
        7,
        "23505",
        [],
    )


@pytest.mark.parametrize("source", ["flag", "environment", "settings"])
def test_the_values_of_an_integrity_error_show_on_request(past: Project, source: str):
    past.migration("buildings", "0007_unique", "0006_fill_slugs", f"migrations.RunSQL({DUPLICATE!r})")
    if source == "settings":
        past.settings("RAILWAY_RELEASE = {'SHOW_VALUES': True}")
    words = ("--show-values",) if source == "flag" else ()

    run = past.run("--schema", "athena", *words, RELEASE_SHOW_VALUES="1" if source == "environment" else "")

    assert VALUE in run.event("schema.failed")["message"]
    assert VALUE in run.outcome("athena")["message"]


def test_the_values_do_not_show_however_a_migration_handles_its_integrity_error(past: Project):
    """Each way in a tenant of its own."""
    copy_tenant(past.database, "athena", *HANDLED)
    ways = "".join(
        f"if editor.connection.schema_name == {name!r}:\n{indent(INSERT_TWICE.format(body), '    ')}"
        for name, body in HANDLED.items()
    )
    python(past, ways, app="buildings", after="0006_fill_slugs")

    run = past.run("--log-level", "debug")

    failed = {name for name, state in run.states.items() if state == "failed"}
    assert (run.code, failed, leaked(everything(past, run), VALUE)) == (7, {*HANDLED}, [])


def test_the_values_do_not_show_in_retries(past: Project):
    detail = "RAISE 'busy' USING ERRCODE = '40001', DETAIL = 'Key (address)=(Ermou Street 7)'"
    operation = f"migrations.RunSQL({f'DO $$ BEGIN {detail}; END $$'!r})"
    past.migration("buildings", "0007_busy", "0006_fill_slugs", operation)

    run = past.run("--schema", "athena", "--retry-for", "1", "--log-level", "debug")

    assert len(run.named("schema.retried")) > 0
    assert (run.code, leaked(everything(past, run), VALUE)) == (7, [])


def test_the_values_do_not_show_when_the_shared_schema_fails(past: Project):
    python(past, INSERT_TWICE.format("raise"))

    run = past.run("--log-level", "debug")

    assert (run.code, leaked(everything(past, run), VALUE)) == (6, [])


def inside(function: str) -> str:
    """INSERT_TWICE as the body of a function."""
    return f"def {function}:\n" + "".join(
        f"    {line}\n" for line in INSERT_TWICE.format("raise").splitlines()
    )


def test_the_values_do_not_show_when_an_app_cannot_be_loaded(past: Project):
    past.write(
        "announcements/apps.py",
        "from django.apps import AppConfig\nfrom django.db import connection\n\n\n"
        f"{inside('insert()')}\n\n"
        "class Config(AppConfig):\n    name = 'announcements'\n\n    def ready(self):\n        insert()\n",
    )

    run = past.run("--log-level", "debug")

    assert (run.code, leaked(everything(past, run), VALUE)) == (2, [])


def test_the_values_do_not_show_in_a_crash(past: Project):
    models = (past.folder / "tenants" / "models.py").read_text()
    crash = (
        f"from django.db import connection\n\n\n{inside('fail()')}\n\nClient.objects.get_queryset = fail\n"
    )
    past.write("tenants/models.py", f"{models}\n\n{crash}")

    run = past.run("--log-level", "debug")

    assert (run.code, len(run.named("release.crashed")), leaked(everything(past, run), VALUE)) == (1, 1, [])
