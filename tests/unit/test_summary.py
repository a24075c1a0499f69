"""The summary: groups and counts, then names, then what to type."""

from dataclasses import replace
from typing import Any

import pytest

from railway_release.diagnosis.causes import Cause
from railway_release.errors import Exit
from railway_release.migrations.outcome import First, Outcome, in_words
from railway_release.report.command_line import CommandLine
from railway_release.report.report import Report
from railway_release.report.result import Pending
from railway_release.report.summary import lines
from railway_release.runtime.text import in_time, sentence, some
from railway_release.verification.findings import Finding


def reported(command: str, **found: Any) -> Report:
    report = Report(command, "r1")
    report.result = replace(report.result, **found)
    return report


def texts(report: Report) -> list[str]:
    return [line.text for line in lines(report)]


def test_a_release_without_trouble_is_one_line():
    report = reported("release", outcomes=(Outcome("a", "migrated"), Outcome("b", "current")))

    assert texts(report) == ["release done in 0.0 s: 1 migrated, 1 current"]


def test_equal_failures_are_one_line_however_many_schemas():
    failed = [
        Outcome(f"t{n}", "failed", failed_at="a.0002", message="boom", hint="Mend it.") for n in range(900)
    ]
    report = reported("release", outcomes=tuple(failed))

    assert (
        texts(report)[0] == "900 schemas (t0, t1, t2, t3, t4 and 895 more) failed at a.0002: boom. Mend it."
    )


def test_the_command_to_run_again_names_the_unwell_schemas_and_quotes_them():
    report = reported("release", outcomes=(Outcome("a b", "failed", attempts=1), Outcome("c", "not reached")))

    assert "Run again with: python run_migrations.py --schema 'a b' --schema c" in texts(report)


def test_too_many_to_name_are_run_again_all_together():
    report = reported("release", outcomes=tuple(Outcome(f"t{n}", "failed", attempts=1) for n in range(6)))

    assert "Run again with: python run_migrations.py" in texts(report)


SHOWS = "To see what is there already: python run_migrations.py repair"
RECORDS = "# --apply records it if all is there"
FAKES = "python run_migrations.py fake x 0002 --schema a --data-is-done  # else undo what is there by hand"
AFTER = "Once that is put right, run again with: python run_migrations.py"


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ({"a": ""}, ["Run again with: python run_migrations.py --schema a"]),
        ({"a": "change"}, [f"{AFTER} --schema a"]),
        ({"a": "repair"}, [f"{SHOWS} --schema a  {RECORDS}", f"{AFTER} --schema a"]),
        (
            {"a": "fake"},
            [
                f"If all that x.0002 does is done there: {FAKES}",
                f"{AFTER} --schema a",
            ],
        ),
        (
            {"a": "", "b": "change"},
            ["Run again with: python run_migrations.py --schema a", f"{AFTER} --schema b"],
        ),
        ({"public": "change", "a": ""}, [f"{AFTER} --schema public --schema a"]),
    ],
)
def test_what_another_run_waits_for_comes_before_it(first: dict[str, First], said: list[str]):
    failed = [
        Outcome(name, "failed", failed_at="x.0002", first=one, attempts=1) for name, one in first.items()
    ]
    report = reported("release", shared_schema="public", outcomes=tuple(failed))

    assert texts(report)[1:-1] == said


def test_after_an_error_that_lasts_nothing_says_to_run_the_same_again_at_once():
    report = reported("release", outcomes=(Outcome("a", "not reached", message="it ended before"),))
    report.end(Exit.BACKUP, "pg_dump was not found. Install it.")

    assert texts(report)[2:-1] == [AFTER]


def test_what_the_migrations_have_made_is_one_line_however_much_it_is():
    made = [Finding("column.null", "information", "", f"t.c{n}", schemas=9) for n in range(7)]
    found = [line for line in lines(reported("verify", findings=tuple(made))) if "column" in line.text]

    assert [line.level for line in found] == ["info"]
    assert found[0].text.startswith(
        "by the migrations, not by the models: column.null t.c0, column.null t.c1"
    )
    assert found[0].text.endswith(" and 2 more")


def test_equal_findings_are_one_line_with_what_to_do():
    found = tuple(Finding("table.ghost", "error", name, "x_y", known=True) for name in ("a", "b"))
    (line,) = [line for line in lines(reported("verify", findings=found)) if line.event == "finding.reported"]

    assert line.level == "error"
    assert line.text.startswith(
        "table.ghost x_y in 2 schemas (a, b) (known before this release). A migration"
    )


def test_an_accepted_finding_is_told_with_its_reason_at_info():
    found = (Finding("table.ghost", "accepted", "a", "x_y", reason="unused"),)
    (line,) = [line for line in lines(reported("verify", findings=found)) if line.event == "finding.reported"]

    assert (line.level, "(accepted: unused)" in line.text) == ("info", True)


def test_a_plan_lists_what_waits_by_groups():
    report = reported("plan", pending=(Pending((("a", "0001"), ("a", "0002")), ("s", "t")),))

    assert texts(report)[0] == "2 schemas (s, t): 2 pending (a.0001, a.0002)"


def test_the_exit_code_is_in_the_last_line():
    report = Report("release", "r1")
    report.end(Exit.BACKUP, "The backup failed.")

    assert texts(report) == ["The backup failed.", "release FAILED (exit 5) after 0.0 s"]


def last(report: Report) -> str:
    return texts(report)[-1]


def test_the_last_line_of_a_failed_release_says_how_many_are_done_and_how_many_not():
    outcomes = (*(Outcome(f"t{n}", "migrated") for n in range(11)), *(Outcome(n, "failed") for n in "ab"))
    report = reported("release", outcomes=outcomes, failures={Exit.TENANTS_FAILED: "2 failed."})

    assert last(report) == "release FAILED (exit 7) after 0.0 s: 11 migrated, 2 failed"


def test_an_interrupted_release_has_not_failed_but_stopped():
    report = reported("release", outcomes=(Outcome("a", "migrated"), Outcome("b", "not reached")))
    report.end(Exit.INTERRUPTED, "Stopped by SIGINT.")

    assert last(report) == "release STOPPED (exit 130) after 0.0 s: 1 migrated, 1 not reached"


GHOST = Finding("table.ghost", "error", "a", "x_y")
WARNING = Finding("index.missing", "warning", "a", "x_y(z)")
ACCEPTED = Finding("index.missing", "accepted", "a", "x_y(z)", reason="unused")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((), "29 schemas compared, no differences"),
        ((ACCEPTED,), "29 schemas compared, no differences"),
        ((WARNING,), "29 schemas compared, 1 warning"),
        ((GHOST, WARNING), "29 schemas compared, 1 error, 1 warning"),
    ],
)
def test_the_last_line_of_verify_says_what_was_compared_and_found(found: tuple[Finding, ...], expected: str):
    assert last(reported("verify", compared=29, findings=found)) == f"verify done in 0.0 s: {expected}"


def test_the_last_line_of_a_repair_with_nothing_to_do_says_so():
    assert (
        last(reported("repair", compared=5)) == "repair done in 0.0 s: 5 schemas compared, nothing to repair"
    )
    assert last(reported("repair", compared=5, findings=(WARNING,))).endswith("compared, 1 finding left")


def test_the_last_line_of_a_plan_is_an_answer_and_no_failure():
    waiting = (Pending((("a", "0001"),), ("s", "t")),)
    report = reported("plan", compared=5, pending=waiting, failures={Exit.PENDING: "Migrations are pending."})

    assert last(report) == "plan done (exit 9) in 0.0 s: migrations pending in 2 of 5 schemas"


def test_the_last_line_of_doctor_counts_the_causes():
    causes = [
        Cause(id, severity, "seen", "meaning", "command", ())
        for id, severity in (("a.b", "error"), ("c.d", "info"))
    ]
    report = reported("doctor", diagnosis=tuple(causes), failures={Exit.VERIFICATION: "1 cause found."})

    assert last(report) == "doctor done (exit 8) in 0.0 s: found 1 to fix"


def test_a_release_is_no_advice_where_it_would_touch_none_of_what_is_pending():
    waiting = (Pending((("a", "0001"),), ("s", "t")),)

    def advice(held_up: str) -> bool:
        report = reported("doctor", pending=waiting, held_up=frozenset(held_up))
        return "To migrate: python run_migrations.py" in texts(report)

    assert (advice("st"), advice("s"), advice("")) == (False, True, True)


def test_a_plan_names_every_migration_and_schema_on_request():
    migrations = tuple(("a", f"{n:04}") for n in range(1, 8))
    (line, *_) = texts(reported("plan", every=True, pending=(Pending(migrations, tuple("stuvwxyz")),)))

    names = ", ".join(f"a.{n:04}" for n in range(1, 8))
    assert line == f"s, t, u, v, w, x, y, z: 7 pending ({names})"


def test_a_message_ends_in_a_full_stop_before_its_hint():
    assert [sentence(text) for text in ("boom", "boom.", "Why?")] == ["boom.", "boom.", "Why?"]


def test_another_command_is_for_the_same_project_and_database():
    called = CommandLine(reaching=("--settings", "config.two"))

    assert called.other("doctor") == "python run_migrations.py doctor --settings config.two"


def test_long_lists_end_with_how_many_more_and_never_with_one_more():
    assert some(["a", "b"], 2) == "a, b"
    assert some(["a", "b", "c"], 2) == "a, b, c"
    assert some(["a", "b", "c", "d"], 2) == "a, b and 2 more"
    assert in_words((("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"))) == "a.1, b.2, c.3, d.4"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.24, "0.2 s"), (8.4, "8 s"), (90, "90 s"), (600, "10 min"), (10800, "3 h")],
)
def test_durations_are_as_exact_as_a_person_wants_them(seconds: float, expected: str):
    assert in_time(seconds) == expected
