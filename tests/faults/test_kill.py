"""`kill -9`: each schema is before or after a migration, and the next release finishes the work."""

import pytest

from tests.support.release import Database, Project, until
from tests.support.running import WAIT_AT_GATE, only_in, run_sql, sessions

LAST = "0003_announcement_pinned"
TENANTS = ("athena", "kypseli", "piraeus")


def gate_in(project: Project, schema: str, app: str, name: str, after: str, *, atomic: bool = True) -> None:
    """A migration that makes a table before the gate and changes it after; in one schema it stops there."""
    steps = ["CREATE TABLE half (id int)", only_in(schema, WAIT_AT_GATE), "ALTER TABLE half ADD note text"]
    loose = "" if atomic else "]\n    atomic = False\n    _ = ["
    project.migration(app, name, after, ", ".join(map(run_sql, steps)) + loose)


def killed(project: Project, begin, gate) -> None:
    """A release was killed at the gate; the server has noticed."""
    release = begin(project)
    gate.reached()
    release.kill()
    until(lambda: sessions(project.database) == [], what="the end of the killed release's sessions")
    gate.open()


def half_tables(database: Database, schema: str) -> tuple[bool, bool]:
    """Whether the table is there, and whether its migration is recorded."""
    applied = database.sql(f"SELECT count(*) FROM {schema}.django_migrations WHERE name = '0099_half'")
    return "half" in database.tables(schema), applied == "1"


# In the shared schema, and in the first and the last tenant; between them it is another test's.
POINTS = [
    ("users", "0002_user_phone", "public"),
    ("announcements", LAST, "athena"),
    ("buildings", "0006_fill_slugs", "piraeus"),
]


@pytest.mark.parametrize("point", POINTS, ids=".".join)
def test_a_killed_release_leaves_whole_migrations_and_the_next_one_finishes(
    past: Project, begin, gate, point
):
    app, after, schema = point
    gate_in(past, schema, app, "0099_half", after)
    killed(past, begin, gate)

    assert half_tables(past.database, schema) == (False, False)
    assert past.run("verify").code == 0
    assert begin(past, name="next").finish().code == 0
    assert half_tables(past.database, schema) == (True, True)


def test_schemas_before_a_kill_stay_done_and_the_next_release_does_only_what_is_left(
    past: Project, begin, gate
):
    gate_in(past, "kypseli", "announcements", "0099_half", LAST)
    killed(past, begin, gate)

    assert [half_tables(past.database, schema) for schema in TENANTS] == [
        (True, True),
        (False, False),
        (False, False),
    ]
    assert past.database.applied("piraeus", "announcements") == ["0001_initial"]
    run = begin(past, name="next").finish()
    assert (run.code, run.states) == (
        0,
        {"public": "current", "athena": "current", "kypseli": "migrated", "piraeus": "migrated"},
    )
    assert half_tables(past.database, "kypseli") == (True, True)


def test_a_kill_in_a_migration_that_is_not_atomic_is_told_by_the_next_release(past: Project, begin, gate):
    gate_in(past, "kypseli", "announcements", "0099_half", LAST, atomic=False)
    killed(past, begin, gate)
    run = begin(past, name="next").finish()

    outcome = run.outcome("kypseli")
    assert (run.code, outcome["state"], outcome["sqlstate"]) == (7, "failed", "42P07")
    assert outcome["failed_at"] == "announcements.0099_half"
    assert run.states["piraeus"] == "migrated"


def test_a_release_killed_while_it_waits_leaves_nothing(past: Project, begin, session):
    session(past.database).run(
        "BEGIN; LOCK TABLE kypseli.announcements_announcement IN ACCESS EXCLUSIVE MODE;"
    )
    release = begin(past)
    release.reach("schema.retried", schema="kypseli")
    release.kill()

    until(lambda: sessions(past.database) == [], 15)
    assert past.database.applied("kypseli", "announcements") == ["0001_initial"]


def test_a_release_killed_three_times_at_the_same_place_still_ends_well(past: Project, begin):
    past.database.sql("CREATE SEQUENCE public.attempts")
    body = "IF nextval('public.attempts') <= 3 THEN PERFORM pg_sleep(2); END IF;"
    past.migration("announcements", "0004_slow", LAST, run_sql(only_in("kypseli", body)))
    for attempt in "123":
        release = begin(past, name=attempt)
        until(
            lambda n=attempt: (
                past.database.sql("SELECT last_value, is_called FROM public.attempts") == f"{n}|t"
            )
        )
        release.kill()
        until(lambda: sessions(past.database) == [], 15)

    assert begin(past, name="last").finish().code == 0
    assert past.database.applied("kypseli", "announcements")[-1] == "0004_slow"
