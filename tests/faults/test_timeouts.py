"""How long a migration may wait for a table, and how long it may run."""

import re

import pytest

from tests.support.release import Project, until
from tests.support.running import only_in, run_sql

LAST = "0003_announcement_pinned"
HOLD = "BEGIN; LOCK TABLE kypseli.announcements_announcement IN ACCESS EXCLUSIVE MODE;"
QUEUE = (
    "SELECT 1 FROM pg_locks WHERE relation = 'kypseli.announcements_announcement'::regclass AND NOT granted"
)


def test_a_lock_that_another_session_lets_go_of_is_waited_for_by_trying_again(past: Project, begin, session):
    blocker = session(past.database)
    blocker.run(HOLD)
    release = begin(past, "--lock-timeout", "0.3")
    release.reach("schema.retried", schema="kypseli")
    blocker.close()
    run = release.finish()

    assert run.code == 0, run.text
    assert run.outcome("kypseli")["attempts"] > 1
    assert set(run.states.values()) == {"migrated"}


def test_whoever_holds_the_lock_is_named_with_the_age_of_its_transaction(past: Project, begin, session):
    blocker = session(past.database, "nightly report")
    blocker.run(HOLD)
    text = begin(past, "--lock-timeout", "0.5", "--schema", "kypseli").reach("schema.blocked")["message"]

    assert re.fullmatch(
        rf"kypseli: blocked by pid {blocker.pid}"
        r" \(nightly report, role \w+, idle in transaction, transaction open for \d+ s\)",
        text,
    )


def test_every_expiry_names_the_blocker_anew(past: Project, begin, session):
    blocker = session(past.database)
    blocker.run(HOLD)
    run = begin(past, "--lock-timeout", "0.5", "--retry-for", "4", "--schema", "kypseli").finish()

    assert len(run.named("schema.blocked")) == run.outcome("kypseli")["attempts"] > 1


def test_a_retry_tells_attempt_wait_and_cause(past: Project, begin, session):
    session(past.database).run(HOLD)
    event = begin(past, "--lock-timeout", "0.3", "--schema", "kypseli").reach("schema.retried")

    assert (event["attempt"], event["sqlstate"], event["level"]) == (1, "55P03", "warn")
    assert event["cause"] == "canceling statement due to lock timeout"
    assert event["wait_seconds"] >= 0


def test_a_lock_that_is_never_let_go_of_fails_that_tenant_alone(past: Project, begin, session):
    session(past.database).run(HOLD)
    run = begin(past, "--lock-timeout", "0.3", "--retry-for", "1").finish()

    assert run.code == 7
    assert run.states == {
        "public": "migrated",
        "athena": "migrated",
        "kypseli": "failed",
        "piraeus": "migrated",
    }
    outcome = run.outcome("kypseli")
    assert (outcome["sqlstate"], outcome["failed_at"]) == (
        "55P03",
        "announcements.0002_announcement_audience",
    )


def test_a_tenant_that_failed_for_a_lock_is_left_at_a_whole_migration(past: Project, begin, session):
    session(past.database).run(HOLD)
    run = begin(past, "--lock-timeout", "0.3", "--retry-for", "0").finish()

    applied = [f"announcements.{name}" for name in past.database.applied("kypseli", "announcements")[1:]]
    assert [step for step in run.outcome("kypseli")["applied"] if step.startswith("announcements")] == applied
    assert past.database.sql("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == "0"


def test_nobody_queues_behind_the_release_between_two_tries(past: Project, begin, session):
    session(past.database).run(HOLD)
    release = begin(past, "--lock-timeout", "0.3", "--retry-for", "30", "--schema", "kypseli")
    release.reach("schema.retried")

    until(lambda: not past.database.sql(QUEUE), 5, "a moment in which the release waits for nothing")
    until(lambda: past.database.sql(QUEUE), 10, "another try")


def test_a_shared_table_that_stays_locked_ends_the_release_with_6(past: Project, begin, session):
    session(past.database).run("BEGIN; LOCK TABLE public.users_user IN ACCESS EXCLUSIVE MODE;")
    run = begin(past, "--lock-timeout", "0.3", "--retry-for", "1").finish()

    assert (run.code, run.outcome("public")["sqlstate"]) == (6, "55P03")
    assert run.states == {
        "public": "failed",
        "athena": "not reached",
        "kypseli": "not reached",
        "piraeus": "not reached",
    }


def test_a_statement_that_runs_too_long_fails_and_is_not_retried(past: Project, begin):
    past.migration("announcements", "0004_long", LAST, run_sql(only_in("kypseli", "PERFORM pg_sleep(30);")))
    run = begin(past, "--statement-timeout", "1").finish()

    outcome = run.outcome("kypseli")
    assert (run.code, outcome["state"], outcome["sqlstate"], outcome["attempts"]) == (7, "failed", "57014", 1)
    assert outcome["failed_at"] == "announcements.0004_long"
    assert run.named("schema.retried") == []


def test_both_limits_are_in_the_log(past: Project, begin):
    run = begin(past, "--lock-timeout", "2.5", "--statement-timeout", "40").finish()

    assert run.event("migrations.bounded")["message"] == (
        "every migration runs with a lock timeout of 2.5 s and a statement timeout of 40 s"
    )


SETTINGS = (
    "INSERT INTO public.seen SELECT current_schema(), current_setting('lock_timeout'),"
    " current_setting('statement_timeout')"
)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "3s|0"),
        (["--lock-timeout", "0.7", "--statement-timeout", "20"], "700ms|20s"),
    ],
)
def test_every_migration_runs_with_both_limits(past: Project, begin, words, expected):
    past.database.sql("CREATE TABLE public.seen (schema text, lock text, statement text)")
    past.migration("users", "0003_look", "0002_user_phone", run_sql(SETTINGS))
    past.migration("announcements", "0004_look", LAST, run_sql(SETTINGS))
    begin(past, *words).finish()

    assert past.database.lines("SELECT * FROM public.seen ORDER BY 1") == [
        f"{schema}|{expected}" for schema in ("athena", "kypseli", "piraeus", "public")
    ]


def test_limits_hold_on_the_connection_of_a_retry_and_in_migrations_that_are_not_atomic(past: Project, begin):
    past.database.sql("CREATE TABLE public.seen (schema text, lock text, statement text)")
    past.database.sql("CREATE SEQUENCE public.attempts")
    lost = "IF nextval('public.attempts') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;"
    past.migration("announcements", "0004_lost", LAST, run_sql(only_in("athena", lost)))
    past.migration(
        "announcements", "0005_look", "0004_lost", run_sql(SETTINGS) + "]\n    atomic = False\n    _ = ["
    )
    run = begin(past, "--schema", "athena", "--schema", "public").finish()

    assert run.outcome("athena")["attempts"] == 2, run.text
    assert past.database.lines("SELECT * FROM public.seen") == ["athena|3s|0"]


def test_a_limit_of_zero_seconds_for_locks_is_refused(past: Project):
    run = past.run("--lock-timeout", "0")

    assert (run.code, run.report["error"]) == (2, "configuration.invalid")
