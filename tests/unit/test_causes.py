"""The order of causes."""

from railway_release.diagnosis.causes import cause, ranked


def ids(*causes):
    return [one.id for one in ranked(causes)]


def test_of_equally_bad_causes_the_likelier_comes_first():
    assert ids(cause("table.masked", "", ""), cause("release.never_ran", "", "")) == [
        "release.never_ran",
        "table.masked",
    ]


def test_a_worse_cause_comes_before_a_likelier_one():
    assert ids(cause("release.never_ran", "", "", severity="warning"), cause("table.masked", "", "")) == [
        "table.masked",
        "release.never_ran",
    ]
