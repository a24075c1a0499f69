"""The summary: groups and counts, then names, then what to type."""

from dataclasses import replace
from typing import Any

from railway_release.errors import Exit
from railway_release.migrations.outcome import Outcome, in_words
from railway_release.report.report import Report
from railway_release.report.result import Pending
from railway_release.report.summary import lines
from railway_release.runtime.text import some
from railway_release.verification.findings import Finding


def reported(command: str, **found: Any) -> Report:
    report = Report(command, "r1")
    report.result = replace(report.result, **found)
    return report


def texts(report: Report) -> list[str]:
    return [line.text for line in lines(report)]


def test_a_release_without_trouble_is_one_line():
    report = reported("release", outcomes=(Outcome("a", "migrated"), Outcome("b", "current")))

    assert texts(report) == ["release done in 0.0 s: 1 current, 1 migrated"]


def test_equal_failures_are_one_line_however_many_schemas():
    failed = [
        Outcome(f"t{n}", "failed", failed_at="a.0002", message="boom", hint="Mend it.") for n in range(900)
    ]
    report = reported("release", outcomes=tuple(failed))

    assert (
        texts(report)[0] == "900 schemas (t0, t1, t2, t3, t4 and 895 more) failed at a.0002: boom: Mend it."
    )


def test_the_command_to_run_again_names_the_unwell_schemas_and_quotes_them():
    report = reported("release", outcomes=(Outcome("a b", "failed"), Outcome("c", "not reached")))

    assert "Run again with: python run_migrations.py --schema 'a b' --schema c" in texts(report)


def test_too_many_to_name_are_run_again_all_together():
    report = reported("release", outcomes=tuple(Outcome(f"t{n}", "failed") for n in range(6)))

    assert "Run again with: python run_migrations.py" in texts(report)


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

    assert texts(report) == ["The backup failed.", "release exit code 5 in 0.0 s"]


def test_long_lists_end_with_how_many_more():
    assert some(["a", "b"], 2) == "a, b"
    assert some(["a", "b", "c"], 2) == "a, b and 1 more"
    assert in_words((("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"))) == "a.1, b.2, c.3 and 1 more"
