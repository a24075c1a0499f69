"""The text of an error: which table or column PostgreSQL could not find."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_QUOTE = "[\"'“”„«»`]"
# A quoted name may hold spaces; a bare one ends with the word.
_NAME = rf"(?:{_QUOTE}(?P<%s>[^\"'“”„«»`\n]+){_QUOTE}|(?P<%s_bare>[\w.$-]+))"


def _name(group: str) -> str:
    return _NAME % (group, group)


# The longest form first: it holds the shorter ones.
_MISSING = re.compile(
    rf"\bcolumn\s+{_name('of')}\s+of\s+(?:relation|table)\s+{_name('holder')}\s+does\s+not\s+exist"
    rf"|\bcolumn\s+{_name('column')}\s+does\s+not\s+exist"
    rf"|\b(?:relation|table)\s+{_name('table')}\s+does\s+not\s+exist",
    re.IGNORECASE,
)
# In whatever language, the driver's class or the SQLSTATE says what the line is about.
_CODED = re.compile(
    r"^(?P<line>.*\b(?:(?P<of_table>42P01|UndefinedTable)|42703|UndefinedColumn)\b.*)$", re.MULTILINE
)
_QUOTED = re.compile(rf"{_QUOTE}\s*(?P<name>[^\"'“”„«»`\n]+?)\s*{_QUOTE}")
_DOTTED = re.compile(r"(?<![\w.])(?!psycopg|django)(?P<name>\w+\.\w+)(?![\w.])")
_OTHERWISE = re.compile(r"\b(?:already exists|violates|permission denied|duplicate)\b", re.IGNORECASE)
_TWO_NAMES = re.compile(r'"(?P<first>[^"\n]+)"\."(?P<second>[^"\n]+)"')
_ESCAPED_CHARACTER = re.compile(r"\\+u([0-9a-fA-F]{4})")
_ESCAPED_QUOTE = re.compile(r"\\+(?=[\"'])")
_DELETION = re.compile(r"db/models/deletion\.py|collector\.collect|delete_selected|/delete/|\.delete\(\)")


@dataclass(frozen=True)
class Missing:
    """What the server did not find. `table` is empty or an alias when it named the column alone.

    `table` may begin with the schema and a dot, as the server prints a qualified name.
    """

    table: str
    column: str = ""

    def __str__(self) -> str:
        if not self.column:
            return f'relation "{self.table}" does not exist'
        return f"column {'.'.join(filter(None, (self.table, self.column)))} does not exist"


def missing_in(text: str) -> list[Missing]:
    """Each missing table or column that a text names, in its order; the text may be a whole log."""
    text = readable(text)
    return list(dict.fromkeys(_found(text))) or list(dict.fromkeys(_coded(text)))


def may_name(text: str) -> bool:
    """Whether a text may be an error in another language than English, about something in quotes."""
    text = readable(text)
    return bool(_QUOTED.search(text)) and not _OTHERWISE.search(text)


def named_in(text: str, tables: Collection[str]) -> list[Missing]:
    """The tables of this code that a text in an unknown language names in quotes; none if it is English."""
    names = (match["name"] for match in _QUOTED.finditer(readable(text)) if may_name(text))
    return [Missing(name) for name in dict.fromkeys(names) if name.rpartition(".")[2] in tables]


def from_a_deletion(text: str) -> bool:
    """Whether the text shows that something was being deleted, as a traceback does."""
    return bool(_DELETION.search(text))


def readable(text: str) -> str:
    """The text without the escapes that JSON, a string constant or HTML put around quotes."""
    text = _ESCAPED_CHARACTER.sub(lambda match: chr(int(match[1], 16)), html.unescape(text))
    text = _ESCAPED_QUOTE.sub("", text)
    # "a"."b" is how a person or a driver quotes what the server prints as a.b within one pair.
    return _TWO_NAMES.sub(r'"\g<first>.\g<second>"', text)


def _found(text: str) -> Iterator[Missing]:
    for match in _MISSING.finditer(text):
        if holder := match["holder"] or match["holder_bare"]:
            yield Missing(holder, match["of"] or match["of_bare"])
        elif table := match["table"] or match["table_bare"]:
            yield Missing(table)
        else:
            table, _, column = (match["column"] or match["column_bare"]).rpartition(".")
            yield Missing(table, column)


def _coded(text: str) -> Iterator[Missing]:
    """What lines name that say by a code, and not in English, what they are about."""
    for match in _CODED.finditer(text):
        line = match["line"]
        if not (found := _QUOTED.search(line) or (None if match["of_table"] else _DOTTED.search(line))):
            continue
        table, _, column = found["name"].rpartition(".")
        yield Missing(found["name"]) if match["of_table"] else Missing(table, column)
