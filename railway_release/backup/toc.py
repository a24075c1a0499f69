"""The table of contents of an archive, as `pg_restore --list` prints it.

Each line is ``dump id; table OID, OID, kind, schema, name, owner``, parted by single spaces, though names may
hold spaces, too. So schemas with confusable names never share an archive (see batches.py).
https://www.postgresql.org/docs/current/app-pgrestore.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from railway_release.errors import BackupFailed
from railway_release.postgres.session import quote

# Kinds are in capitals; a schema may be, too, so that the longest kind that is known counts.
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
_LINE = re.compile(rf"(\d+); \d+ \d+ ({'|'.join(_LONGEST_FIRST)}) (.*)")
_NO_SCHEMA = "-"


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
    beginnings: dict[str, list[tuple[str, str]]] = {}
    for schema in schemas:
        for beginning in (as_listed(schema), *_of_itself(schema)):
            beginnings.setdefault(_first_word(beginning), []).append((f"{beginning} ", schema))
    found = (_entry(line, beginnings) for line in text.split("\n") if not line.startswith(";"))
    return [one for one in found if one]


def lines_about(text: str, schema: str) -> str:
    """The lines that may be about a schema; sooner found than all lines are understood."""
    plain, quoted = as_listed(schema), as_listed(quote(schema))
    return "\n".join(line for line in text.split("\n") if plain in line or quoted in line)


def as_listed(*names: str) -> str:
    """Names as the list has them: pg_dump writes each line break as a space."""
    return " ".join(names).replace("\n", " ").replace("\r", " ")


def _entry(line: str, beginnings: Mapping[str, Sequence[tuple[str, str]]]) -> Entry | None:
    if not (match := _LINE.fullmatch(line)):
        if not line.strip():
            return None
        # What is left out of a restore without a word would be lost.
        raise BackupFailed(f"The archive holds an object of a kind that is not known: {line}")
    id, kind, rest = match.groups()
    for beginning, schema in beginnings.get(_first_word(rest), ()):
        if rest.startswith(beginning):
            return Entry(int(id), kind, schema, rest[len(beginning) :], line)
    return None


def _first_word(text: str) -> str:
    """By this beginnings are looked up: there may be a hundred thousand lines, and hundreds of schemas."""
    return text.partition(" ")[0]


def _of_itself(schema: str) -> tuple[str, ...]:
    """How a line goes on that is about a schema itself, and about its privileges or comment."""
    return (
        f"{_NO_SCHEMA} {as_listed(schema)}",
        f"{_NO_SCHEMA} SCHEMA {as_listed(schema)}",
        f"{_NO_SCHEMA} SCHEMA {as_listed(quote(schema))}",
    )
