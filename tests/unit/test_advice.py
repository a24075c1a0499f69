"""Whether a release is advised: only where it is known of nothing that keeps it from helping."""

import pytest

from railway_release.diagnosis.advice import Obstacles, advisable
from railway_release.diagnosis.causes import Cause, cause


def behind(*schemas: str) -> Cause:
    return cause("release.never_ran", "", "", schemas)


REFUSAL = cause("release.refused", "", "")
GHOST = cause("table.ghost", "", "", ("athena",))
ROWS = cause("rows.in_the_way", "", "", ("athena",))


@pytest.mark.parametrize(
    ("found", "obstacles", "told"),
    [
        ([behind("athena")], Obstacles(False, (), ()), ["release.never_ran"]),
        ([behind("athena"), GHOST], Obstacles(True, (REFUSAL,), ()), ["release.refused", "table.ghost"]),
        ([behind("athena")], Obstacles(False, (), (ROWS,)), ["rows.in_the_way"]),
        (
            [behind("athena", "piraeus")],
            Obstacles(False, (), (ROWS,)),
            ["rows.in_the_way", "release.never_ran"],
        ),
        ([behind("piraeus")], Obstacles(False, (), (ROWS,)), ["release.never_ran"]),
        ([GHOST], Obstacles(True, (REFUSAL,), (ROWS,)), ["table.ghost"]),
    ],
)
def test_what_is_advised(found, obstacles, told):
    assert [one.id for one in advisable(found, obstacles)] == told
