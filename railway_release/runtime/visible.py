"""Text that is safe on a terminal: characters that move the cursor, colour or reorder become escapes.

Names, errors and what migrations print may hold anything: a line break could imitate a line of the log, and
an escape sequence could erase one.
"""

from __future__ import annotations

import re

# Controls, line and paragraph separators, and what is invisible or turns the direction of writing round; not
# the joiners, which are parts of words and emoji. https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
_C1, _SEPARATORS, _FORMATS = "\x7f-\x9f", "\u2028\u2029", "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
_UNSEEN = re.compile(f"[\x00-\x1f{_C1}\xad\u061c{_SEPARATORS}{_FORMATS}\ud800-\udfff\U000e0000-\U000e007f]")
_UNSEEN_IN_JSON = re.compile(f"[{_C1}\xad\u061c{_SEPARATORS}{_FORMATS}]")


def visible(text: str) -> str:
    r"""The text on one line, with ``\n`` for a line break, ``\x1b`` for an escape character, and so on."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def json_for_terminals(document: str) -> str:
    """The JSON document with escapes for what terminals obey, or readers take for line breaks."""
    return _UNSEEN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", document)
