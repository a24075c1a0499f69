"""Secrets are hidden by value, by name and by shape."""

import pytest

from railway_release.redact import Redactor


@pytest.fixture
def redactor() -> Redactor:
    return Redactor()


def test_a_learned_value_is_hidden_plain_and_quoted_as_in_a_url(redactor):
    redactor.learn(["p@ss/word"])

    assert redactor("p@ss/word p%40ss%2Fword") == "*** ***"


def test_the_password_of_any_url_is_hidden(redactor):
    assert redactor("to postgresql://user:hunter22@host/db now") == "to postgresql://user:***@host/db now"


@pytest.mark.parametrize(
    "dsn", ["password=hunter22 host=h", "password='hunter 22' host=h", "PASSWORD = x host=h"]
)
def test_the_password_of_a_dsn_is_hidden(redactor, dsn):
    hidden = redactor(dsn)

    assert "hunter" not in hidden
    assert hidden.endswith("*** host=h")


def test_variables_that_sound_secret_are_learned(redactor):
    redactor.learn_named(
        {"STRIPE_API_KEY": "sk_live_1234", "PATH": "/usr/bin", "REDIS": "redis://:topsecret@h"}
    )

    assert redactor("sk_live_1234 /usr/bin topsecret") == "*** /usr/bin ***"


def test_settings_are_learned_however_deep(redactor):
    redactor.learn_named(
        {"CACHES": {"default": {"LOCATION": ["redis://:deepsecret@h"], "PASSWORD": "shallow1"}}}
    )

    assert redactor("deepsecret shallow1") == "*** ***"


def test_mappings_and_lists_are_followed(redactor):
    redactor.learn(["hunter22"])

    assert redactor({"a": ["hunter22", {"b": "hunter22"}], "n": 3}) == {"a": ["***", {"b": "***"}], "n": 3}


def test_a_value_too_short_to_be_told_from_a_word_is_left(redactor):
    redactor.learn(["the"])

    assert redactor("the other") == "the other"
