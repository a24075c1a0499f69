"""Lines for work that is counted."""

from structlog.testing import capture_logs

from railway_release.runtime.counting import Clock, counted


def told(*clocks):
    """The lines of a count of three parts with each of these clocks."""
    with capture_logs() as lines:
        for clock in clocks:
            assert list(counted("abc", "parts.counted", "parts", clock)) == ["a", "b", "c"]
    return lines


def test_quick_work_is_not_counted_aloud():
    assert told(None, Clock(every=3600)) == []


def test_whenever_its_time_has_passed_a_line_says_how_much_is_done():
    assert [line["message"] for line in told(Clock(every=0))] == [f"parts: {done} of 3" for done in range(3)]


def test_a_count_is_an_event_with_its_numbers():
    lines = told(Clock(every=0))

    assert [(line["event"], line["done"], line["total"]) for line in lines][-1] == ("parts.counted", 2, 3)
