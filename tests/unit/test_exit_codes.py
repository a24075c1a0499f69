"""With several causes, the exit code follows the documented order; and each way to a code has a test."""

import itertools
from pathlib import Path

from railway_release.errors import PRECEDENCE, Exit, first


def test_without_a_cause_it_is_done():
    assert first(set()) == Exit.DONE


def test_every_code_but_done_has_its_place_in_the_order():
    assert sorted(PRECEDENCE) == sorted(set(Exit) - {Exit.DONE})


def test_of_two_causes_the_earlier_one_is_taken():
    for sooner, later in itertools.combinations(PRECEDENCE, 2):
        assert first({later, sooner}) == sooner


def test_the_order_is_the_documented_one():
    assert list(PRECEDENCE) == [1, 130, 143, 2, 3, 4, 11, 5, 6, 7, 8, 10, 9]


# What leads to each code, and the test that goes that way.
WAYS = {
    Exit.UNEXPECTED: {
        "an error": "integration/test_values.py::test_the_values_do_not_show_in_a_crash",
        "an end of the process while migrations are read": "faults/test_misbehaviour.py::"
        "test_code_that_ends_the_process_while_migrations_are_read_does_not_end_it_in_silence",
    },
    Exit.USAGE: {
        "a name": "integration/test_fake.py::test_what_cannot_be_meant_is_said",
        "the settings": "integration/test_findings.py::"
        "test_a_finding_is_accepted_only_when_all_of_it_matches",
        "a text without an error": "integration/test_explain_text.py::"
        "test_an_error_in_another_language_about_nothing_known_is_a_usage_error",
    },
    Exit.PREFLIGHT: {
        "the server": "integration/test_preflight.py::test_a_refusal_of_the_server_ends_the_release_at_once",
        "the files": "integration/test_history.py::"
        "test_two_leaf_migrations_are_a_conflict_and_nothing_is_written",
        "the shared records": "integration/test_history.py::"
        "test_a_gap_in_the_shared_records_stops_the_release_before_any_write",
    },
    Exit.LOCK: {
        "held": "faults/test_locks.py::"
        "test_a_release_that_has_waited_long_enough_names_the_holder_and_exits_4",
        "lost": "faults/test_locks.py::"
        "test_the_migration_in_hand_ends_and_nothing_more_is_started_once_the_lock_is_lost",
        "held, for repair": "faults/test_repairs.py::test_nobody_else_writes_while_a_repair_is_under_way",
    },
    Exit.BACKUP: {
        "in a release": "faults/test_backup.py::test_a_command_that_fails_ends_the_release_before_any_write",
        "in a repair": "faults/test_repairs.py::test_nothing_is_repaired_when_the_backup_fails",
        "in fake": "integration/test_fake.py::test_the_backup_comes_first_and_ends_it_when_it_fails",
    },
    Exit.SHARED_FAILED: {
        "a release": "integration/test_outcomes.py::test_when_the_shared_schema_fails_no_tenant_is_touched",
        "a repair": "integration/test_repair_causes.py::"
        "test_no_tenant_is_touched_when_the_shared_schema_fails",
    },
    Exit.TENANTS_FAILED: {
        "a migration": "integration/test_outcomes.py::test_one_failure_more_than_tolerated_fails_the_release",
        "a tenant that is left alone": "integration/test_repair_choices.py::"
        "test_no_release_is_suggested_for_schemas_that_it_will_not_touch",
        "a repair": "integration/test_repair_scope.py::"
        "test_a_repair_after_which_something_would_still_be_wrong_is_undone",
        "a repair refused by the server": "integration/test_repair_beside.py::"
        "test_a_repair_that_the_server_refuses_leaves_the_schema_as_it_was",
    },
    Exit.VERIFICATION: {
        "verify and check": "integration/test_looking.py::test_a_missing_table_in_one_tenant",
        "a release": "integration/test_findings.py::"
        "test_a_release_with_nothing_pending_still_finds_what_is_missing",
        "doctor": "integration/test_doctor.py::"
        "test_migrations_that_never_ran_are_named_with_their_schemas_and_the_day",
        "doctor --explain": "integration/test_explain.py::"
        "test_a_recorded_migration_without_its_table_is_a_ghost_which_the_command_shows_and_fixes",
        "a refusal, looked at": "integration/test_repair_refusals.py::"
        "test_looking_at_what_is_refused_exits_8_and_writes_nothing",
        "a refusal of a finding, with --apply": "integration/test_repair_causes.py::"
        "test_an_app_whose_rows_are_shared_still_is_refused",
        "a refusal of a record, with --apply": "integration/test_unrecorded.py::"
        "test_what_is_refused_leaves_8_and_the_pending_migrations_9",
        "fake": "integration/test_fake.py::test_what_is_there_is_recorded_and_what_is_missing_is_named",
    },
    Exit.PENDING: {
        "plan and check": "integration/test_looking.py::test_pending_work_in_every_schema",
        "what is not finished": "faults/test_unfinished.py::"
        "test_receivers_that_raised_an_error_are_called_again",
        "repair": "integration/test_repair.py::"
        "test_the_dry_run_exits_9_and_neither_it_nor_doctor_writes_anything",
        "repair --apply": "integration/test_unrecorded.py::"
        "test_what_is_refused_leaves_8_and_the_pending_migrations_9",
    },
    Exit.COLLECTSTATIC: {
        "no place": "integration/test_static.py::"
        "test_collectstatic_asked_for_without_a_place_is_exit_code_ten",
        "a storage": "integration/test_static.py::"
        "test_a_failing_storage_is_exit_code_ten_with_the_migrations_done",
    },
    Exit.DATABASE_LOST: {
        "gone": "faults/test_connections.py::"
        "test_a_database_that_goes_away_for_good_ends_every_command_with_11",
    },
    Exit.INTERRUPTED: {
        "SIGINT": "faults/test_signals.py::test_ctrl_c_in_the_middle_of_a_migration_ends_the_release_soon",
        "SIGINT in a repair": "faults/test_repairs.py::test_a_signal_in_the_middle_leaves_nothing_half_done",
    },
    Exit.TERMINATED: {
        "SIGTERM": "faults/test_signals.py::test_a_signal_in_the_middle_of_a_migration_ends_the_release_soon",
        "SIGTERM in a repair": "faults/test_repairs.py::test_a_signal_in_the_middle_leaves_nothing_half_done",
    },
}


def test_each_way_to_an_exit_code_is_gone_by_a_test():
    tests = Path(__file__).resolve().parents[1]

    assert set(WAYS) == set(PRECEDENCE)
    for ways in WAYS.values():
        for named in ways.values():
            path, name = named.split("::")
            assert f"def {name}(" in (tests / path).read_text(encoding="utf-8"), named
