"""What is tried again and what never is."""

import pytest

from tests.support.release import Project, until
from tests.support.running import WAIT_AT_GATE, Running, first_time, only_in, run_sql, terminate
from tests.support.server import database_url

pytestmark = pytest.mark.versions

LAST = "0003_announcement_pinned"
SCHEMAS = ("athena", "kypseli", "piraeus")
WRITING = "BEGIN; LOCK TABLE athena.announcements_announcement IN ROW EXCLUSIVE MODE;"


ADD_A_ROW = run_sql(
    "INSERT INTO announcements_announcement (title, body, published_at, pinned) VALUES ('x', '', now(), true)"
)


def broken_once(project: Project, sqlstate: str) -> None:
    """The migration 0004 fails in athena, the first time only."""
    body = first_time(f"RAISE EXCEPTION 'on purpose' USING ERRCODE = '{sqlstate}';")
    project.migration("announcements", "0004_broken", LAST, run_sql(only_in("athena", body)))


def test_what_may_pass_is_tried_again(counted: Project, begin):
    """Which errors these are is in tests/unit/test_failures.py."""
    broken_once(counted, "57P01")
    run = begin(counted, "--tenants-only", "--schema", "athena").finish()

    assert (run.code, run.outcome("athena")["attempts"]) == (0, 2), run.text
    assert run.event("schema.retried")["sqlstate"] == "57P01"
    assert counted.database.applied("athena", "announcements")[-1] == "0004_broken"


def test_what_will_not_pass_is_not_tried_again(counted: Project, begin):
    broken_once(counted, "57014")
    run = begin(counted, "--tenants-only", "--schema", "athena").finish()

    outcome = run.outcome("athena")
    assert (run.code, outcome["attempts"], outcome["sqlstate"]) == (7, 1, "57014")
    assert counted.database.sql("SELECT last_value FROM public.attempts") == "1"


def test_a_syntax_error_fails_at_once_in_every_tenant(past: Project, begin):
    past.migration("announcements", "0004_typo", LAST, run_sql("SELEC 1"))
    run = begin(past).finish()

    assert run.code == 7
    assert {(run.outcome(s)["sqlstate"], run.outcome(s)["attempts"]) for s in SCHEMAS} == {("42601", 1)}


def test_an_integrity_error_is_not_tried_again(past: Project, begin):
    twins = "SELECT 'twin', '' FROM generate_series(1, 2)"
    past.database.sql(f"INSERT INTO athena.buildings_building (name, address) {twins}")
    constraint = "models.UniqueConstraint(fields=['name'], name='one_of_each')"
    past.migration(
        "buildings", "0007_unique", "0006_fill_slugs", f"migrations.AddConstraint('building', {constraint})"
    )
    run = begin(past).finish()

    outcome = run.outcome("athena")
    assert (run.code, outcome["sqlstate"], outcome["attempts"]) == (7, "23505", 1)
    assert (run.states["kypseli"], run.states["piraeus"]) == ("migrated", "migrated")


def test_a_serialization_failure_repeats_only_what_was_rolled_back(counted: Project, begin):
    counted.migration(
        "announcements",
        "0004_rows",
        LAST,
        ADD_A_ROW
        + ", "
        + run_sql(only_in("athena", first_time("RAISE EXCEPTION 'x' USING ERRCODE = '40001';"))),
    )
    run = begin(counted).finish()

    assert run.code == 0, run.text
    assert {
        counted.database.sql(f"SELECT count(*) FROM {s}.announcements_announcement WHERE title = 'x'")
        for s in SCHEMAS
    } == {"1"}


def test_each_try_has_a_connection_of_its_own(counted: Project, begin):
    counted.database.sql("CREATE SEQUENCE pid_1; CREATE SEQUENCE pid_2; CREATE SEQUENCE pid_3")
    note = "PERFORM setval('public.pid_' || nextval('public.attempts'), pg_backend_pid());"
    fail = "IF currval('public.attempts') < 3 THEN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END IF;"
    counted.migration("announcements", "0004_noted", LAST, run_sql(only_in("athena", note + fail)))
    run = begin(counted).finish()

    pids = {counted.database.sql(f"SELECT last_value FROM pid_{number}") for number in (1, 2, 3)}
    assert run.outcome("athena")["attempts"] == 3, run.text
    assert len(pids) == 3


def test_a_deadlock_is_tried_again_and_succeeds(counted: Project, begin, session):
    wait_for_other = (
        "WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted"
        " AND relation = 'athena.buildings_building'::regclass)"
        " LOOP PERFORM pg_sleep(0.05); END LOOP;"
    )
    counted.migration(
        "announcements",
        "0004_two_tables",
        LAST,
        run_sql(
            only_in(
                "athena",
                "LOCK TABLE athena.buildings_building IN ACCESS EXCLUSIVE MODE;"
                + first_time(wait_for_other)
                + "LOCK TABLE athena.announcements_announcement IN ACCESS SHARE MODE;",
            )
        ),
    )
    # Only the release notices the deadlock, and so is the one that is ended by it.
    other = session(counted.database)
    release = begin(counted, "--lock-timeout", "30")
    until(lambda: counted.database.sql("SELECT is_called FROM public.attempts") == "t")
    other.run("SET deadlock_timeout = '60s'; BEGIN;")
    other.send("LOCK TABLE athena.announcements_announcement IN ACCESS EXCLUSIVE MODE;")
    other.send("LOCK TABLE athena.buildings_building IN ACCESS EXCLUSIVE MODE; COMMIT;")
    run = release.finish()

    assert run.event("schema.retried")["sqlstate"] == "40P01"
    assert (run.code, run.outcome("athena")["attempts"]) == (0, 2), run.text


def test_a_connection_that_is_cut_in_the_middle_of_a_migration_is_replaced(counted: Project, begin, gate):
    counted.migration(
        "announcements",
        "0004_cut",
        LAST,
        ADD_A_ROW + ", " + run_sql(only_in("athena", first_time(WAIT_AT_GATE))),
    )
    release = begin(counted)
    gate.reached()
    terminate(counted.database, "railway-release ________")
    run = release.finish()

    assert (run.code, run.outcome("athena")["attempts"]) == (0, 2), run.text
    assert (
        counted.database.sql("SELECT count(*) FROM athena.announcements_announcement WHERE title = 'x'")
        == "1"
    )
    assert (
        counted.database.sql("SELECT count(*) FROM athena.django_migrations WHERE name = '0004_cut'") == "1"
    )


def test_migrations_that_were_applied_before_the_cut_are_counted_once(counted: Project, begin):
    cut = first_time("PERFORM pg_terminate_backend(pg_backend_pid());")
    counted.migration("announcements", "0004_cut", LAST, run_sql(only_in("athena", cut)))
    run = begin(counted).finish()

    assert run.outcome("athena")["applied"] == run.outcome("kypseli")["applied"]


def test_a_shared_schema_that_loses_its_connection_is_tried_again(counted: Project, begin):
    cut = first_time("PERFORM pg_terminate_backend(pg_backend_pid());")
    counted.migration("users", "0003_cut", "0002_user_phone", run_sql(only_in("public", cut)))
    run = begin(counted).finish()

    assert (run.code, run.outcome("public")["attempts"]) == (0, 2), run.text


def as_role(project: Project, role: str) -> str:
    """The project's database, seen by this role."""
    _, _, rest = project.database.url.partition("@")
    return f"postgresql://{role}:limited@{rest}"


def test_a_server_without_a_free_connection_is_tried_again(counted: Project, begin, limited):
    full = f"ALTER ROLE {limited} CONNECTION LIMIT 1;"
    counted.migration("announcements", "0004_full", LAST, run_sql(only_in("athena", full)))
    # The stock engine connects anew for every schema.
    release: Running = begin(counted, DATABASE_URL=as_role(counted, limited), RELEASE_ENGINE="stock")
    cause = release.reach("schema.retried", schema="kypseli")["cause"]
    counted.database.sql(f"ALTER ROLE {limited} CONNECTION LIMIT -1")
    run = release.finish()

    assert "too many connections" in cause
    assert (run.code, run.outcome("kypseli")["state"]) == (0, "migrated"), run.text


def test_a_look_without_a_free_connection_is_tried_again(counted: Project, begin, limited):
    counted.database.sql(f"ALTER ROLE {limited} CONNECTION LIMIT 0")
    release: Running = begin(counted, "plan", DATABASE_URL=as_role(counted, limited))
    release.reach("database.retried")
    counted.database.sql(f"ALTER ROLE {limited} CONNECTION LIMIT -1")
    run = release.finish()

    assert run.code == 9, run.text


def test_a_look_that_loses_its_connection_is_tried_again(past: Project, begin, session):
    blocker = session(past.database)
    blocker.run("BEGIN; LOCK TABLE athena.django_migrations IN ACCESS EXCLUSIVE MODE;")
    release = begin(past)
    waiting = (
        "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE '% read' AND wait_event_type = 'Lock'"
    )
    until(lambda: past.database.sql(waiting), what="the look that waits")
    terminate(past.database, "railway-release % read")
    blocker.close()
    run = release.finish()

    assert run.code == 0, run.text


def test_a_migration_that_is_not_atomic_is_never_tried_again_once_begun(current: Project, begin, session):
    """It may be half applied, which is said."""
    concurrently(current)
    session(current.database).run(WRITING)
    run = begin(current, "--lock-timeout", "0.5").finish()

    outcome = run.outcome("athena")
    assert (run.code, outcome["sqlstate"], outcome["attempts"]) == (7, "55P03", 1), run.text
    assert outcome["failed_at"] == "announcements.0005_index"
    assert current.database.lines("SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid") == [
        "athena.by_title"
    ]
    assert "may be half applied" in outcome["hint"]
    assert "may be half applied" in run.event("schemas.failed")["message"]
    assert (run.states["kypseli"], run.states["piraeus"]) == ("migrated", "migrated")


def concurrently(project: Project) -> None:
    """0005 adds an index without a transaction."""
    project.write(
        "announcements/migrations/0005_index.py",
        "from django.contrib.postgres.operations import AddIndexConcurrently\n"
        "from django.db import migrations, models\n\n\n"
        "class Migration(migrations.Migration):\n"
        "    atomic = False\n"
        f"    dependencies = [('announcements', {LAST!r})]\n"
        "    operations = [\n"
        "        AddIndexConcurrently('announcement', models.Index(fields=['title'], name='by_title'))\n"
        "    ]\n",
    )


def test_what_comes_before_a_migration_that_is_not_atomic_is_still_tried_again(counted: Project, begin):
    broken_once(counted, "40001")
    counted.migration("announcements", "0005_loose", "0004_broken", "]\n    atomic = False\n    _ = [")
    run = begin(counted).finish()

    assert (run.code, run.outcome("athena")["attempts"]) == (0, 2), run.text


def test_all_retries_together_end_with_their_budget(past: Project, begin, session):
    for schema in SCHEMAS:
        table = f"{schema}.announcements_announcement"
        session(past.database).run(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;")
    # An attempt takes half of the budget, so that the first retry leaves too little for any other.
    run = begin(past, "--lock-timeout", "1.5", "--retry-for", "60", "--retry-total", "3").finish()

    assert run.code == 7
    assert [run.outcome(schema)["attempts"] for schema in SCHEMAS] == [2, 1, 1]


@pytest.mark.parametrize("option", ["--retry-for", "--retry-total"])
def test_no_retries_at_all_can_be_had(counted: Project, begin, option):
    broken_once(counted, "40001")
    run = begin(counted, option, "0").finish()

    assert (run.code, run.outcome("athena")["attempts"], run.outcome("athena")["sqlstate"]) == (7, 1, "40001")


def test_an_error_that_stays_is_given_up_after_the_time_for_one_schema(past: Project, begin):
    past.migration(
        "announcements",
        "0004_never",
        LAST,
        run_sql(only_in("athena", "RAISE EXCEPTION 'again' USING ERRCODE = '40001';")),
    )
    run = begin(past, "--retry-for", "2").finish()

    outcome = run.outcome("athena")
    assert (run.code, outcome["message"], outcome["sqlstate"]) == (7, "again", "40001")
    assert outcome["attempts"] > 1
    assert outcome["attempts"] == len(run.named("schema.retried")) + 1
    assert outcome["duration_ms"] < 4000


def test_a_database_that_comes_up_late_is_waited_for(past: Project, begin):
    name = past.database.url.rpartition("/")[2]
    maintenance = type(past.database)(database_url(past.database.url, "postgres"))
    maintenance.sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    release = begin(past)
    release.reach("database.retried")
    maintenance.sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    assert release.finish().code == 0
