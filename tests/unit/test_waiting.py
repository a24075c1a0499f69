"""Whatever waits for long says so, ever less often."""

import itertools
import time

import structlog

from railway_release.runtime.waiting import Pauses, told


def test_a_wait_is_told_when_it_has_lasted_twice_as_long_and_at_least_once_a_minute() -> None:
    seconds, clock = [], iter(range(10_000)).__next__
    pauses = Pauses(clock=clock)
    while pauses.waited < 400:
        if pauses.is_due():
            seconds.append(pauses.waited)

    assert seconds[0] >= 5
    assert all(later >= 2 * earlier for earlier, later in itertools.pairwise(seconds[:3]))
    assert max(later - earlier for earlier, later in itertools.pairwise(seconds)) <= 61


def test_what_is_waited_for_is_told_while_it_lasts() -> None:
    with structlog.testing.capture_logs() as lines, told("the tide is being awaited", first=0.01):
        while not lines:
            time.sleep(0.001)
    number = len(lines)

    assert lines[0]["event"] == "wait.told"
    assert lines[0]["message"] == "the tide is being awaited, for 0.0 s so far"
    time.sleep(0.05)
    assert len(lines) == number


def test_what_is_over_at_once_is_not_told() -> None:
    with structlog.testing.capture_logs() as lines, told("the tide is being awaited"):
        pass

    assert lines == []
