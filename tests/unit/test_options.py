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
        (
            {"backup_command": "true", "backup_hook": "config.backup"},
            "the backup command and the backup hook exclude each other",
        ),
        ({"backup": "off", "require_backup": True}, "--backup off and --require-backup exclude each other"),
        (
            {"backup_scope": "none", "require_backup": True},
            "--backup-scope none and --require-backup exclude each other",
        ),
        (
            {"backup": "pg_dump"},
            "--backup pg_dump needs --backup-to or RELEASE_BACKUP_TO, where its archives are kept",
        ),
        ({"backup": "command"}, "--backup command needs RELEASE_BACKUP_COMMAND"),
        ({"backup": "callable"}, "--backup callable needs RELEASE_BACKUP_HOOK"),
        (
            {"backup_encrypt": "gzip | age"},
            "the command that encrypts holds |, for a shell: make it a script",
        ),
        (
            {"backup_decrypt": "age 'no end"},
            "the command that decrypts cannot be split into words: No closing quotation",
        ),
        (
            {"backup_encrypt": "age", "backup_proof": "restore"},
            "--backup-proof restore needs --backup-decrypt",
        ),
        (
            {"into": "copy", "into_database": "postgresql://h/d"},
            "--into and --into-database exclude each other",
        ),
    ],
)
def test_contradictions_are_refused(flags, message):
    assert refused(flags, {}, {}) == message


def refused(flags, environ, settings):
    """What is said of a configuration that is refused."""
    with pytest.raises(InvalidConfiguration) as mistake:
        load(flags, environ, settings)
    return mistake.value.message


def test_a_flag_may_contradict_a_variable():
    assert "exclude each other" in refused({"skip_backup": True}, {"RELEASE_REQUIRE_BACKUP": "1"}, {})


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("lock_timeout", "0"),
        ("lock_timeout", "-1"),
        ("lock_timeout", "nan"),
        ("lock_wait", "inf"),
        ("max_failures", "1.5"),
        ("on_error", "explode"),
        ("verify", "maybe"),
        ("log_level", "loud"),
        ("log_format", "xml"),
        ("schema", [""]),
    ],
)
def test_a_value_of_a_flag_that_makes_no_sense_is_named(flag, value):
    assert f"--{flag.replace('_', '-')}: " in refused({flag: value}, {}, {})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RELEASE_REQUIRE_BACKUP", "perhaps"),
        ("RELEASE_POOLER", "transaction"),
        ("RELEASE_LOG_LEVEL", "loud"),
        ("RELEASE_EXPECT_TABLES", "everywhere:lifts"),
    ],
)
def test_a_value_of_a_variable_that_makes_no_sense_is_named(variable, value):
    assert f"{variable}: " in refused({}, {variable: value}, {})


@pytest.mark.parametrize(
    "setting",
    [
        {"LOCK_TIMEOUT": True},
        {"LOCK_TIMEOUT": None},
        {"MAX_FAILURES": -1},
        {"REQUIRE_BACKUP": "perhaps"},
        {"EXPECTED_TABLES": ["lifts"]},
        {"EXPECTED_TABLES": {"everywhere": ["lifts"]}},
        {"EXPECTED_TABLES": {"shared": "lifts", "tenant": 5}},
        {"IGNORE_TABLES": 5},
        {"ACCEPT": {"id": "table.ghost"}},
        {"ACCEPT": [{"id": "table.ghost", "schema": "*", "object": "*"}]},
        {"ACCEPT": [{"id": "table.ghost", "schema": "*", "object": "*", "reason": ""}]},
        {"BACKUP_HOOK": print},
        {"YES": True},
    ],
    ids=str,
)
def test_a_setting_that_makes_no_sense_is_named(setting):
    assert f'RAILWAY_RELEASE["{next(iter(setting))}"]' in refused({}, {}, setting)


@pytest.mark.parametrize(
    ("key", "right"), [("LOCK_TIMEOUTS", "LOCK_TIMEOUT"), ("lock_timeout", "LOCK_TIMEOUT")]
)
def test_an_unknown_setting_suggests_the_right_one(key, right):
    expected = f'RAILWAY_RELEASE["{key}"]: there is no such setting; did you mean {right}?'
    assert refused({}, {}, {key: 5}) == expected


@pytest.mark.parametrize("word", ["1", "true", "YES", "on"])
def test_a_switch_in_the_environment_is_turned_on_by_the_usual_words(word):
    assert load({}, {"RELEASE_REQUIRE_BACKUP": word}, {}).require_backup is True


@pytest.mark.parametrize("word", ["0", "false", "No", "off", ""])
def test_a_switch_in_the_environment_is_turned_off_by_the_usual_words(word):
    assert load({}, {"RELEASE_REQUIRE_BACKUP": word}, {}).require_backup is False


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
