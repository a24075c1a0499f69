"""With several causes, the exit code follows the documented order."""

import itertools

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
