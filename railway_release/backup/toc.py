"""The table of contents of an archive, as `pg_restore --list` prints it.

Each line is ``dump id; table OID, OID, kind, schema, name, owner``, parted by single spaces, though names may
hold spaces, too. So schemas with confusable names never share an archive (see batches.py).
https://www.postgresql.org/docs/current/app-pgrestore.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from railway_release.errors import BackupFailed
from railway_release.postgres.session import quote

# Kinds are in capitals, and a schema may be, too: ``TABLE DATA a`` may be a table of one that is called DATA.
_KINDS = """
ACCESS METHOD, ACL, AGGREGATE, ATTRDEF, CAST, CHECK CONSTRAINT, COLLATION, COMMENT, CONSTRAINT,
CONVERSION, DEFAULT, DEFAULT ACL, DOMAIN, EVENT TRIGGER, EXTENSION, FK CONSTRAINT, FOREIGN DATA WRAPPER,
FOREIGN TABLE, FUNCTION, INDEX, INDEX ATTACH, MATERIALIZED VIEW, MATERIALIZED VIEW DATA, OPERATOR,
OPERATOR CLASS, OPERATOR FAMILY, POLICY, PROCEDURE, PUBLICATION, PUBLICATION TABLE, PUBLICATION TABLES IN
SCHEMA, ROW SECURITY, RULE, SCHEMA, SECURITY LABEL, SEQUENCE, SEQUENCE OWNED BY, SEQUENCE SET, SERVER,
SHELL TYPE, STATISTICS, STATISTICS DATA, SUBSCRIPTION, SUBSCRIPTION TABLE, TABLE, TABLE ATTACH, TABLE
DATA, TEXT SEARCH CONFIGURATION, TEXT SEARCH DICTIONARY, TEXT SEARCH PARSER, TEXT SEARCH TEMPLATE,
TRANSFORM, TRIGGER, TYPE, USER MAPPING, VIEW
"""
_LONGEST_FIRST = sorted(_KINDS.replace("\n", " ").strip().split(", "), key=len, reverse=True)
_SHORTER = {one: [kind for kind in _LONGEST_FIRST if one.startswith(f"{kind} ")] for one in _LONGEST_FIRST}
_RESTS = tuple({f"{one[len(kind) + 1 :]} " for one in _SHORTER for kind in _SHORTER[one]})
_LINE = re.compile(rf"(\d+); \d+ \d+ ({'|'.join(_LONGEST_FIRST)}) (.*)")
_NO_SCHEMA, _SCHEMA = "-", "SCHEMA"


@dataclass(frozen=True)
class Entry:
    """One object of an archive."""

    dump_id: int
    kind: str
    schema: str  # in which it is; of a schema itself, of its privileges and comment: that schema
    rest: str  # its name, that of its table before it, and its owner, parted by spaces
    line: str  # as `pg_restore --use-list` takes it


def entries(text: str, schemas: Collection[str]) -> list[Entry]:
    """The entries that belong to these schemas, in order; raises BackupFailed for unknown kinds."""
    beginnings: dict[tuple[bool, str], list[tuple[str, str]]] = {}
    for schema in schemas:
        for is_schema, beginning in _beginnings(schema):
            key = (is_schema, _first_word(beginning))
            beginnings.setdefault(key, []).append((f"{beginning} ", schema))
    for several in beginnings.values():
        several.sort(key=lambda one: -len(one[0]))  # a schema may be called as what stands for none
    found = (_entry(line, beginnings) for line in text.split("\n") if not line.startswith(";"))
    return [one for one in found if one]


def may_be_confused(schema: str) -> bool:
    """Whether there may be another schema that a line is about as well: never, with ordinary names."""
    return " " in schema or f"{schema} ".startswith(_RESTS)


def are_confusable(one: str, other: str) -> bool:
    """Whether a line, whose words are parted by spaces, may be about either of these schemas."""
    one, other = f"{one} ", f"{other} "
    return one.startswith((other, *_RESTS)) or other.startswith((one, *_RESTS))


def lines_about(text: str, schema: str) -> str:
    """The lines that may be about a schema; sooner found than all lines are understood."""
    plain, quoted = as_listed(schema), as_listed(quote(schema))
    return "\n".join(line for line in text.split("\n") if plain in line or quoted in line)


def as_listed(*names: str) -> str:
    """Names as the list has them: pg_dump writes each line break as a space."""
    return " ".join(names).replace("\n", " ").replace("\r", " ")


def _entry(line: str, beginnings: Mapping[tuple[bool, str], Sequence[tuple[str, str]]]) -> Entry | None:
    if not line.strip():
        return None
    if not (match := _LINE.fullmatch(line)):
        # What is left out of a restore without a word would be lost.
        raise BackupFailed(f"The archive holds an object of a kind that is not known: {line}")
    id, longest, after = match.groups()
    for kind in (longest, *_SHORTER[longest]):
        rest = f"{longest} {after}"[len(kind) + 1 :]
        for beginning, schema in beginnings.get((kind == _SCHEMA, _first_word(rest)), ()):
            if rest.startswith(beginning):
                return Entry(int(id), kind, schema, rest[len(beginning) :], line)
    return None


def _first_word(text: str) -> str:
    """By this beginnings are looked up: there may be a hundred thousand lines, and hundreds of schemas."""
    return text.partition(" ")[0]


def _beginnings(schema: str) -> Iterator[tuple[bool, str]]:
    """How the lines about a schema go on after the kind, and whether that is the kind of schemas."""
    listed = as_listed(schema)
    yield True, f"{_NO_SCHEMA} {listed}"
    yield False, f"{_NO_SCHEMA} {_SCHEMA} {listed}"  # its privileges and its comment
    yield False, f"{_NO_SCHEMA} {_SCHEMA} {as_listed(quote(schema))}"
    yield False, listed
