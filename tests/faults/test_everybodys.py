"""Migrations that change what all schemas share, in several of them at the same time."""

from tests.integration.test_engine import change, more_tenants
from tests.support.running import run_sql

SHARED = (
    "CREATE OR REPLACE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    " SELECT pg_sleep(0.05)"
)
GRANT = "GRANT USAGE ON SCHEMA public TO PUBLIC; SELECT pg_sleep(0.05)"
EXTENSION = "CREATE EXTENSION IF NOT EXISTS hstore SCHEMA public; SELECT pg_sleep(0.05)"
HIDDEN = f"""
def forwards(apps, editor):
    editor.execute({SHARED!r}.replace("touch", "touch_unseen"))
"""


def test_what_the_sql_says_to_be_everybodys_runs_in_one_schema_at_a_time(current):
    more_tenants(current, 5)
    change(current, *(run_sql(statement) for statement in (SHARED, GRANT, EXTENSION)))
    run = current.run("--no-collectstatic", RELEASE_JOBS="4")

    assert (run.code, run.named("schema.retried")) == (0, []), run.text


def test_collisions_that_the_plan_cannot_know_are_retried(current):
    more_tenants(current, 5)
    change(current, "migrations.RunPython(forwards)", extra=HIDDEN)
    run = current.run("--no-collectstatic", RELEASE_JOBS="4")

    assert run.code == 0, run.text
    assert len(run.named("schema.retried")) > 0
