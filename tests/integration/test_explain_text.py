"""doctor --explain: where the text of an error comes from, and how the answer is told."""

import json

from tests.support.explained import ERROR, INITIAL, MEMBERSHIP, explain, explained, forget
from tests.support.release import PROGRAM, Project
from tests.support.schemas import everything


def test_an_error_in_another_language_is_understood_by_the_name(current: Project) -> None:
    forget(current, "athena")

    assert explain(current, f"ΣΦΑΛΜΑ:  η σχέση «{MEMBERSHIP}» δεν υπάρχει").ids() == ["release.never_ran"]


def test_an_error_in_another_language_about_nothing_known_is_a_usage_error(current: Project) -> None:
    run = current.run("doctor", "--explain", "Sicht »niemand« existiert nicht")

    assert (run.code, run.report["error"]) == (2, "explain.nothing")


def test_a_text_without_such_an_error_is_a_usage_error(current: Project) -> None:
    run = current.run("doctor", "--explain", "it does not work")

    assert (run.code, run.report["error"]) == (2, "explain.nothing")


def test_a_log_from_a_pipe_is_read_and_each_distinct_error_explained_once(current: Project) -> None:
    line = json.dumps({"message": f"ProgrammingError: {ERROR}", "level": "error"})
    log = f'started\n{line}\n{line}\n  column buildings_building.colour does not exist\nLINE 1: SELECT "a"\n'
    run = current.finish(current.start_reading("doctor", "--explain", "-"), text=log)

    assert [one["error"] for one in run.report["explanations"]] == [
        ERROR,
        "column buildings_building.colour does not exist",
    ]


def test_a_log_that_is_followed_need_not_end(current: Project) -> None:
    process = current.start_reading("doctor", "--explain", "-")
    assert process.stdin
    process.stdin.write(f"{ERROR}\n")
    process.stdin.flush()
    process.wait(60)  # the pipe is still open

    assert explained(current.finish(process)).ids() == ["deletion.shared"]


def test_a_log_with_many_errors_is_explained_as_far_as_anybody_reads(current: Project) -> None:
    log = "\n".join(f'relation "shop_{number:02}" does not exist' for number in range(25))
    run = current.finish(current.start_reading("doctor", "--explain", "-"), text=log)

    assert len(run.report["explanations"]) == 20
    assert 'relation "shop_20" does not exist' in run.event("errors.left_out")["message"]


def test_the_verdict_comes_before_the_evidence_and_the_command_last_and_nothing_is_written(
    current: Project,
) -> None:
    forget(current, "athena")
    before = everything(current.database)
    message = explain(current).run.event("error.explained")["message"]
    lines = message.splitlines()

    assert lines[0] == f"{ERROR}: {INITIAL} never ran in athena."
    assert lines[1:4] == [
        f"   model: buildings.BuildingMembership (table {MEMBERSHIP}), of an app in TENANT_APPS alone",
        "   there: 2 schemas (kypseli, piraeus)",
        "   not there: athena",
    ]
    assert lines[-1] == f"   -> {PROGRAM}"
    assert everything(current.database) == before
