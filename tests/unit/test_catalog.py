"""Names as PostgreSQL stores and quotes them."""

import pytest

from railway_release.postgres.session import clip, literal, quote


@pytest.mark.parametrize(
    ("name", "stored"),
    [("short", "short"), ("x" * 70, "x" * 63), ("δ" * 40, "δ" * 31), ("x" + "δ" * 31, "x" + "δ" * 31)],
)
def test_a_name_is_stored_in_63_bytes_and_whole_characters(name, stored):
    assert clip(name) == stored


def test_identifiers_and_constants_are_quoted():
    assert quote('a"b') == '"a""b"'
    assert literal("a'b\\c") == "E'a''b\\\\c'"
