"""What a terminal would obey, or a reader take for a line break, is written out."""

import json

import pytest

from railway_release.runtime.visible import json_for_terminals, visible

SHOWN = {
    "a\nb": r"a\nb",
    "a\r\tb": r"a\r\tb",
    "\x1b[2Ka\x07": r"\x1b[2Ka\x07",
    "\x9b31m": r"\x9b31m",
    "\x7f\u0085\u2028": r"\x7f\x85\u2028",
    "a\u202eb\u2066": r"a\u202eb\u2066",
    "\udcff": r"\udcff",
}


@pytest.mark.parametrize(("text", "shown"), SHOWN.items(), ids=map(repr, SHOWN))
def test_controls_and_line_breaks_become_escapes(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("text", ["Αθήνα", "it's 100% {x} \\", "👩\u200d🚒 🏛\ufe0f", "עברית", "a\u00a0b"])
def test_what_people_write_stays(text: str) -> None:
    assert visible(text) == text


def test_json_stays_equal_and_on_one_line() -> None:
    value = {"name": "".join(SHOWN).encode(errors="ignore").decode() + "Αθήνα 👩\u200d🚒"}
    text = json_for_terminals(json.dumps(value, ensure_ascii=False))

    assert json.loads(text) == value
    assert text.splitlines() == [text]
    assert visible(text) == text
