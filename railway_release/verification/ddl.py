"""Parsing the statements that Django's schema editor composes for indexes and constraints.

The results are the same values that the catalog is read into. An index of any class, of Django or of a
library, has a statement in PostgreSQL's language, so no class needs to be known here.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from railway_release.postgres.session import clip
from railway_release.postgres.shape import Check, Index, Part, Unique

_NAME = r"(?:\"[^\"]+\"|[\w.]+)"
_TABLE = rf"{_NAME}(?:\.{_NAME})?"
_INDEX = re.compile(
    rf"CREATE (?P<unique>UNIQUE )?INDEX (?:CONCURRENTLY )?(?:IF NOT EXISTS )?(?P<name>{_NAME})"
    rf" ON (?:ONLY )?{_TABLE} (?:USING (?P<method>\w+) ?)?(?=\()",
    re.IGNORECASE,
)
_CONSTRAINT = re.compile(
    rf"ALTER TABLE {_TABLE} ADD CONSTRAINT (?P<name>{_NAME}) (?P<definition>.+)$", re.IGNORECASE | re.DOTALL
)
_PART = re.compile(
    r"^(?P<text>\"[^\"]+\"|.+?)(?: COLLATE (?P<collation>\"[^\"]+\"|\w+))?(?: (?P<opclass>[a-z]\w*))??"
    r"(?: (?P<direction>ASC|DESC))?(?: NULLS (?P<nulls>FIRST|LAST))?$",
    re.DOTALL,
)
# PostgreSQL's defaults: https://www.postgresql.org/docs/current/indexes-ordering.html
_ORDERS = {
    "ASC": "",
    "NULLS LAST": "",
    "ASC NULLS LAST": "",
    "ASC NULLS FIRST": "NULLS FIRST",
    "DESC NULLS FIRST": "DESC",
}


def index(statement: str) -> Index | None:
    """The index of a CREATE INDEX statement; None for anything else."""
    if not (found := _INDEX.match(statement)):
        return None
    keys, rest = _parenthesised(statement[found.end() :])
    include = _clause("INCLUDE", rest)
    where = re.search(r" WHERE (.+)$", rest, re.DOTALL)
    return Index(
        bare(found["name"]),
        (found["method"] or "btree").lower(),
        tuple(_part(text) for text in split(keys)),
        bool(found["unique"]),
        tuple(sorted(bare(name) for name in split(include))),
        where[1].strip().rstrip(";") if where else "",
        "NULLS NOT DISTINCT" in rest.upper(),
    )


def constraint(statement: str) -> Unique | Check | None:
    """The constraint of an ALTER TABLE … ADD CONSTRAINT statement; None for anything else."""
    if not (found := _CONSTRAINT.match(statement)):
        return None
    name, definition = bare(found["name"]), found["definition"].strip()
    kind = definition.split("(")[0].upper()
    inside, rest = _parenthesised(definition[definition.find("(") :])
    if kind.startswith("UNIQUE"):
        columns = tuple(bare(column) for column in split(inside))
        deferrable = rest.strip().removesuffix(" INITIALLY IMMEDIATE")
        return Unique(name, columns, False, "NULLS NOT DISTINCT" in kind, deferrable)
    if kind.startswith("CHECK"):
        return Check(name, inside)
    return Check(name, definition, exclusion=True) if kind.startswith("EXCLUDE") else None


def bare(name: str) -> str:
    """A name without its quotes, as PostgreSQL stores it."""
    return clip(name.strip().strip('"'))


def split(text: str) -> list[str]:
    """The parts of a list that commas separate, but not commas inside of parentheses or quotes."""
    cuts = [place for place, character, depth in _outside_quotes(text) if character == "," and not depth]
    edges = [-1, *cuts, len(text)]
    parts = (text[start + 1 : end].strip() for start, end in itertools.pairwise(edges))
    return [part for part in parts if part]


def _parenthesised(text: str) -> tuple[str, str]:
    """The text inside of the parentheses that it begins with, and what follows them."""
    for place, character, depth in _outside_quotes(text):
        if character == ")" and depth == 0:
            return text[1:place], text[place + 1 :]
    return text, ""


def _clause(word: str, text: str) -> str:
    found = re.search(rf"\b{word} (?=\()", text, re.IGNORECASE)
    return _parenthesised(text[found.end() :])[0] if found else ""


def _outside_quotes(text: str) -> Iterator[tuple[int, str, int]]:
    """Each character outside of quotes: its place, itself, and how many parentheses are open after it."""
    depth, quote = 0, ""
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        else:
            depth += (character == "(") - (character == ")")
            yield place, character, depth


def _part(text: str) -> Part:
    if not (found := _PART.match(text)):
        return Part(text, is_column=False)
    order = " ".join(filter(None, (found["direction"], found["nulls"] and f"NULLS {found['nulls']}")))
    expression = found["text"].strip()
    return Part(
        bare(expression) if _is_name(expression) else expression,
        _is_name(expression),
        found["opclass"] or "",
        _ORDERS.get(order, order),
        bare(found["collation"] or ""),
    )


def _is_name(text: str) -> bool:
    return bool(re.fullmatch(r"\"[^\"]+\"|\w+", text))
