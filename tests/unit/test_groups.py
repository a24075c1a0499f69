"""Tests of a group share a worker, so that what they all look at is built once."""

import pytest


@pytest.mark.xdist_group("one")
def test_the_group_is_in_the_name_that_tests_are_given_out_by(request: pytest.FixtureRequest) -> None:
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("tests are not given out in groups")

    assert request.node.nodeid.endswith("@one")
