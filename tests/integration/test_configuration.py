"""Flag, then environment, then Django settings, then default; every mistake at once, before any write.

What the values mean is in tests/unit/test_options.py.
"""

import pytest

from tests.support.release import Project, Run
from tests.support.snapshot import contents


def failure(run: Run) -> str:
    """The message of the one error that ended the command."""
    (cause,) = run.report["causes"]
    return cause["message"]


def missing(text: str, *words: str) -> list[str]:
    """Those of the words that are not in the text."""
    return [word for word in words if word not in text]


def test_all_mistakes_and_contradictions_of_all_sources_are_told_at_once_before_any_write(past: Project):
    past.settings("RAILWAY_RELEASE = {'RETRY_FOR': 'soon', 'LOCK_WAITS': 5}")
    before = contents(past.database)
    words = ("--lock-timeout", "never", "--shared-only", "--tenants-only", "--skip-backup")

    run = past.run(*words, RELEASE_MAX_FAILURES="many", RELEASE_REQUIRE_BACKUP="1")

    expected = (
        "--lock-timeout",
        "RELEASE_MAX_FAILURES",
        '"RETRY_FOR"',
        '"LOCK_WAITS"',
        "--shared-only and --tenants-only",
        "--skip-backup and --require-backup",
    )
    assert (run.code, run.report["error"]) == (2, "configuration.invalid")
    assert missing(failure(run), *expected) == []
    assert contents(past.database) == before


def test_a_contradiction_alone_is_refused_before_any_write(past: Project):
    before = contents(past.database)

    run = past.run("--app", "buildings", "zero")

    assert (run.code, run.report["error"]) == (2, "configuration.invalid")
    assert contents(past.database) == before


def test_settings_that_are_no_dictionary_are_refused(past: Project):
    past.settings("RAILWAY_RELEASE = ['LOCK_TIMEOUT']")

    run = past.run()

    assert (run.code, run.report["error"]) == (2, "configuration.invalid")


def test_a_variable_that_is_nearly_right_is_warned_of_and_those_of_other_tools_are_left_alone(past: Project):
    others = {"RELEASE_VERSION": "1.2.3", "RELEASE_NOTES_TITLE": "Lifts", "RELEASE": "2026.11"}
    run = past.run("plan", RELEASE_LOCK_TIMEOUTS="5", **others)

    event = run.event("variable.unknown")
    assert (run.code, event["level"]) == (9, "warn")
    assert missing(event["message"], "RELEASE_LOCK_TIMEOUTS", "RELEASE_LOCK_TIMEOUT?") == []


# The bound of a wait that ends in an error shows which source was heard.
@pytest.mark.parametrize(
    ("flag", "environ", "expected"),
    [("0.1", "0.2", "within 0.1 s"), ("", "0.2", "within 0.2 s"), ("", "", "within 0.3 s")],
)
def test_the_flag_wins_over_the_environment_and_that_over_the_settings(
    past: Project, flag: str, environ: str, expected: str
):
    past.settings("RAILWAY_RELEASE = {'CONNECT_TIMEOUT': 0.3}")
    words = ("--connect-timeout", flag) if flag else ()

    run = past.run(
        *words, DATABASE_URL="postgresql://app:word@127.0.0.1:1/railway", RELEASE_CONNECT_TIMEOUT=environ
    )

    assert (run.code, expected in failure(run)) == (3, True), failure(run)


def test_the_defaults_bound_every_migration(past: Project):
    run = past.run("--shared-only")

    message = run.event("migrations.bounded")["message"]
    assert missing(message, "a lock timeout of 3 s", "no statement timeout") == []


@pytest.mark.parametrize("source", ["flag", "environment", "settings"])
def test_the_report_is_written_and_the_log_level_heard_wherever_they_were_set(past: Project, source: str):
    path = past.folder / "found" / "report.json"
    path.parent.mkdir()
    if source == "settings":
        past.settings(f"RAILWAY_RELEASE = {{'REPORT': {str(path)!r}, 'LOG_LEVEL': 'error'}}")
    words = ("--report", str(path), "--log-level", "error") if source == "flag" else ()
    set_there = {"RELEASE_REPORT": str(path), "RELEASE_LOG_LEVEL": "error"} if source == "environment" else {}

    run = past.run("plan", *words, **{"RELEASE_REPORT": "", **set_there})

    assert path.exists()
    assert (run.code, {event["level"] for event in run.events} - {"error"}) == (9, set())


def test_the_negative_of_a_switch_wins_over_the_environment(past: Project):
    run = past.run("--shared-only", "--no-require-backup", RELEASE_REQUIRE_BACKUP="1")

    assert run.code == 0
