"""Secrets are hidden by value, by name and by shape."""

import pytest

from railway_release.runtime.redact import Redactor


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


def test_a_name_is_shown_though_a_password_is_the_same_word_but_not_where_a_url_has_its_password(redactor):
    redactor.learn(["postgres"])
    redactor.show(["postgres"])
    assert redactor("to postgres") == "to postgres"

    redactor.learn(["hunter22"])
    assert redactor("postgresql-client postgres://postgres:postgres@host hunter22") == (
        "postgresql-client postgres://postgres:***@host ***"
    )


def test_a_name_is_shown_whole_though_a_part_of_it_is_a_secret(redactor):
    redactor.learn(["acmecorp", "corp-secret", "acmecorp2 and more"])
    redactor.show(["acmecorp2", "my-corp"])

    assert redactor("--schema acmecorp2; acmecorp2.users") == "--schema acmecorp2; acmecorp2.users"
    assert redactor("acmecorp xacmecorp2 acmecorp2 and more") == "*** x***2 ***"
    assert redactor("my-corp my-corp-secret") == "my-corp my-***"


def test_mappings_and_lists_are_followed(redactor):
    redactor.learn(["hunter22"])

    assert redactor({"a": ["hunter22", {"b": "hunter22"}], "n": 3}) == {"a": ["***", {"b": "***"}], "n": 3}


def test_a_value_too_short_to_be_told_from_a_word_is_left(redactor):
    redactor.learn(["the"])

    assert redactor("the other") == "the other"


@pytest.mark.parametrize(
    "name",
    [
        "PROXY_AUTH",
        "GITHUB_PAT",
        "STRIPE_APIKEY_LIVE",
        "MAPS_API_KEY_2",
        "GATEWAY_BEARER",
        "HTTP_AUTHORIZATION",
        "AWS_CREDENTIAL_BLOB",
        "SENTRY_DSN",
        "VAPID_PRIVATE",
        "PRIVATE_PEM",
        "private_key",
    ],
)
@pytest.mark.parametrize("value", ["wood-lift-77", "Bearer wood-lift-77", "user:wood-lift-77"])
def test_a_name_of_a_secret_hides_its_value_and_what_a_scheme_or_user_stands_before(redactor, name, value):
    redactor.learn_named({"OPTIONS": [{name: value}]})

    assert (redactor(value), redactor("wood-lift-77")) == ("***", "***")


@pytest.mark.parametrize(
    "named",
    [
        {"PATH": "/usr/local/bin", "PYTHONPATH": "/srv/app", "MEDIA_PATH": "/srv/media"},
        {"AUTH_USER_MODEL": "accounts.Member", "AUTHENTICATION_BACKENDS": ["accounts.backends.Email"]},
        {"REST_AUTH": {"USER_DETAILS_SERIALIZER": "accounts.serializers.Details", "REALM": "the house"}},
        {"DEFAULT_AUTH": "accounts.backends.Email", "CLASSES_AUTH": ["accounts.backends.Email"]},
        {"SMTP_AUTH": "enabled", "GIT_AUTHOR": "a person"},
        {"RAILWAY_PRIVATE_DOMAIN": "web.railway.internal", "PRIVATE_MEDIA_LOCATION": "private"},
        {"API_KEY_CUSTOM_HEADER": "HTTP_X_API_KEY", "PRIVATE_FILE_STORAGE": "accounts.storages.Private"},
    ],
    ids=lambda named: next(iter(named)),
)
def test_what_only_sounds_like_a_secret_is_shown(redactor, named):
    redactor.learn_named(named)

    assert redactor(str(named)) == str(named)


def test_a_secret_below_a_name_that_tells_little_is_found_by_its_own(redactor):
    redactor.learn_named(
        {"JWT_AUTH": {"JWT_SECRET_KEY": "wood-lift-77"}, "http_auth": ("elastic", "iron-lift")}
    )

    assert redactor("wood-lift-77 iron-lift") == "*** ***"


def test_a_secret_that_looks_like_a_path_of_code_is_hidden_where_its_name_says_enough(redactor):
    redactor.learn_named({"SECRET_KEY": "wood.lift", "SMTP_PASSWORD": "iron.lift"})

    assert redactor("wood.lift iron.lift") == "*** ***"
