"""What may pass is told from what is final."""

import pytest

from railway_release.postgres.failures import (
    causes,
    describe,
    is_refusal,
    is_transient,
    is_unresolved_host,
    sqlstate,
)


class OperationalError(Exception):
    """As both drivers and Django call it."""


class Coded(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__("message\nDETAIL:  Key (email)=(x@example.com) already exists.")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    "code", ["08000", "08003", "08006", "40001", "40P01", "53300", "55P03", "57P01", "57P02", "57P03"]
)
def test_an_error_with_this_sqlstate_may_pass(code):
    assert is_transient(Coded(code))


@pytest.mark.parametrize(
    "code", ["42601", "23505", "22012", "42P01", "57014", "53100", "28P01", "42501", "P0001"]
)
def test_an_error_with_that_sqlstate_is_final(code):
    assert not is_transient(Coded(code))


@pytest.mark.parametrize(
    "text",
    [
        "server closed the connection unexpectedly",
        "the connection is closed",
        "connection failed: Connection refused",
        "SSL connection has been closed unexpectedly",
    ],
)
def test_a_lost_connection_has_no_sqlstate_and_may_pass(text):
    assert is_transient(OperationalError(text))


def test_the_drivers_error_is_found_behind_those_raised_from_it():
    outer = RuntimeError("outer")
    outer.__cause__ = Coded("40P01")

    assert is_transient(outer)
    assert len(list(causes(outer))) == 2


@pytest.mark.parametrize(
    "text",
    [
        'connection failed: FATAL:  password authentication failed for user "x"',
        'FATAL:  role "x" does not exist',
        'FATAL:  database "x" does not exist',
        "FATAL: no such database: x",
        'FATAL:  no pg_hba.conf entry for host "1.2.3.4"',
        'connection is bad: invalid integer value "None" for connection option "port"',
        'connection is bad: invalid channel_binding value: "x"',
        'connection is bad: invalid "ssl_min_protocol_version" value: "x"',
        'connection is bad: definition of service "x" not found',
        'root certificate file "/x" does not exist',
        'FATAL:  unrecognized configuration parameter "x"',
        "could not match 3 port numbers to 2 hosts",
    ],
)
def test_a_server_that_says_no_is_not_waited_for(text):
    assert is_refusal(OperationalError(text))
    assert not is_transient(OperationalError(text))


def test_a_missing_relation_is_no_refusal():
    assert not is_refusal(OperationalError('relation "x" does not exist'))


@pytest.mark.parametrize(
    "text",
    [
        "failed to resolve host 'x'",
        'could not translate host name "x"',
        "[Errno -2] Name or service not known",
    ],
)
def test_a_host_without_an_address_is_told_apart(text):
    assert is_unresolved_host(OperationalError(text))


def test_the_detail_is_left_out_unless_asked_for():
    error = Coded("23505")

    assert describe(error) == "message"
    assert describe(error, show_values=True).endswith("(x@example.com) already exists.")


def test_an_error_without_a_text_is_told_by_its_name():
    assert describe(ValueError()) == "ValueError"


def test_the_second_line_of_a_connections_error_is_in_one_line_with_the_first():
    error = OperationalError("port 1 failed: Connection refused\n\tIs the server running on that host?")

    assert describe(error) == "port 1 failed: Connection refused - Is the server running on that host?"


class Diagnosed(Coded):
    """An error with the schema of the object that it is about."""

    def __init__(self, sqlstate: str, schema: str) -> None:
        super().__init__(sqlstate)
        self.diag = type("Diagnostics", (), {"schema_name": schema, "message_primary": "message"})()


class Internal(Coded):
    def __str__(self) -> str:
        return "tuple concurrently updated"


def test_sessions_that_change_the_same_object_of_the_catalog_collide_and_that_may_pass():
    assert is_transient(Internal("XX000"))
    assert is_transient(Diagnosed("23505", "pg_catalog"))
    assert not is_transient(Coded("XX000"))
    assert not is_transient(Diagnosed("23505", "athena"))


class Strange(Exception):
    """One of the user's own, with attributes that are called as the drivers' are."""

    sqlstate = ("57P01",)
    diag = object()


def test_an_error_of_the_users_own_is_taken_by_its_text_alone():
    """Whatever it carries under the names that the drivers use."""
    error = Strange("its text")

    assert (describe(error), sqlstate(error), is_transient(error)) == ("its text", "", False)


def test_two_errors_that_were_raised_from_each_other_come_to_an_end():
    """A chain may be a circle."""
    first, second = OperationalError("first"), OperationalError("second")
    first.__cause__, second.__cause__ = second, first

    assert list(causes(first)) == [first, second]
