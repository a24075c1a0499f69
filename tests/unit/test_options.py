"""Configuration: flag over environment over settings over default, and every mistake at once."""

import pytest

from railway_release.config.acceptance import Accepted
from railway_release.config.config import Config
from railway_release.config.loading import load
from railway_release.config.options import near_misses
from railway_release.errors import InvalidConfiguration


def test_the_default_holds_where_nothing_is_set():
    assert load({}, {}, {}) == Config()


def test_settings_outrank_the_default():
    assert load({}, {}, {"LOCK_WAIT": 7}).lock_wait == 7.0


def test_the_environment_outranks_settings():
    assert load({}, {"RELEASE_LOCK_WAIT": "8"}, {"LOCK_WAIT": 7}).lock_wait == 8.0


def test_a_flag_outranks_the_environment():
    assert load({"lock_wait": "9"}, {"RELEASE_LOCK_WAIT": "8"}, {}).lock_wait == 9.0


def test_an_empty_variable_counts_as_not_set():
    assert load({}, {"RELEASE_LOCK_WAIT": ""}, {"LOCK_WAIT": 7}).lock_wait == 7.0


def test_all_mistakes_are_told_at_once():
    with pytest.raises(InvalidConfiguration) as mistake:
        load({"max_failures": "-1"}, {"RELEASE_LOCK_WAIT": "soon"}, {"LOCK_TIMEOUTS": 1})

    assert mistake.value.message.splitlines() == [
        'RAILWAY_RELEASE["LOCK_TIMEOUTS"]: there is no such setting; did you mean LOCK_TIMEOUT?',
        "RELEASE_LOCK_WAIT: a number of seconds is expected, not 'soon'",
        "--max-failures: a whole number of zero or more is expected, not '-1'",
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"shared_only": True, "tenants_only": True}, "--shared-only and --tenants-only exclude each other"),
        ({"shared_only": True, "schema": ["a"]}, "--shared-only and --schema exclude each other"),
        ({"app": ["buildings", "zero"]}, "--app … zero would unapply migrations, which this tool never does"),
        (
            {"backup_command": "pg_dump | gzip > x"},
            "the backup command holds > |, for a shell: set --backup-shell",
        ),
        (
            {"skip_backup": True, "require_backup": True},
            "--skip-backup and --require-backup (--no-require-backup ends that) exclude each other",
        ),
        ({"app": ["a", "b", "c"]}, "--app takes an app label and at most one migration"),
    ],
)
def test_contradictions_are_refused(flags, message):
    with pytest.raises(InvalidConfiguration) as mistake:
        load(flags, {}, {})

    assert mistake.value.message == message


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", "0.0001", "", True])
def test_a_lock_timeout_that_would_mean_no_limit_is_refused(value):
    with pytest.raises(InvalidConfiguration):
        load({"lock_timeout": value}, {}, {})


def test_only_near_misses_among_strange_variables_are_worth_a_word():
    environ = {"RELEASE_LOCK_WAITS": "1", "RELEASE_TRAIN": "november", "RELEASE_LOCK_WAIT": "1"}

    assert near_misses(Config, environ) == [("RELEASE_LOCK_WAITS", "RELEASE_LOCK_WAIT")]


def test_a_schema_name_may_hold_commas_and_outer_spaces():
    assert load({"schema": ["a, b", " c "]}, {}, {}).schema == ("a, b", " c ")


def test_expected_tables_read_the_same_from_settings_and_environment():
    setting = {"EXPECTED_TABLES": {"shared": ["a"], "tenant": ["b", "c"]}}
    environ = {"RELEASE_EXPECT_TABLES": "shared:a, tenant:b,tenant:c"}

    assert load({}, {}, setting).expected_tables == load({}, environ, {}).expected_tables
    assert load({}, environ, {}).tables_expected_in("tenant") == ("b", "c")


@pytest.mark.parametrize("value", ["a", "other:a", 3, {"other": ["a"]}, {"shared": 3}])
def test_expected_tables_of_another_shape_are_refused(value):
    with pytest.raises(InvalidConfiguration):
        load({}, {}, {"EXPECTED_TABLES": value})


def test_an_accepted_finding_is_matched_by_patterns():
    accepted = Accepted("table.*", "demo_*", "legacy", "unused")

    assert accepted.covers("table.ghost", "demo_1", "legacy")
    assert not accepted.covers("table.ghost", "athena", "legacy")


@pytest.mark.parametrize("value", ["x", [{"id": "table.ghost"}], [3]])
def test_an_accepted_finding_needs_all_its_parts(value):
    with pytest.raises(InvalidConfiguration):
        load({}, {}, {"ACCEPT": value})


def test_the_schemas_of_a_command_follow_from_its_flags():
    config = load({"exclude": ["b"], "tenants_only": True}, {}, {})

    assert [config.includes("a"), config.includes("b"), config.includes("public", shared=True)] == [
        True,
        False,
        False,
    ]
