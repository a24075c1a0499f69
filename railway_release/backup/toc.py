"""The table of contents of an archive, as `pg_restore --list` prints it.

Each line is ``dump id; table OID, OID, kind, schema, name, owner``, parted by single spaces, though names may
hold spaces, too. So schemas with confusable names never share an archive (see batches.py).
https://www.postgresql.org/docs/current/app-pgrestore.html
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from railway_release.errors import BackupFailed
from railway_release.postgres.session import quote

_LINE = re.compile(r"(\d+); \d+ \d+ (.*)", re.DOTALL)
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
    found = (_entry(line, schemas) for line in text.splitlines() if not line.startswith(";"))
    return [one for one in found if one]


def as_listed(*names: str) -> str:
    """Names as the list has them: pg_dump writes each line break as a space."""
    return " ".join(names).replace("\n", " ").replace("\r", " ")


def _entry(line: str, schemas: Collection[str]) -> Entry | None:
    if not (match := _LINE.fullmatch(line)):
        return None
    kind = next((one for one in _LONGEST_FIRST if match[2].startswith(f"{one} ")), "")
    if not kind:  # what is left out of a restore without a word would be lost
        raise BackupFailed(f"The archive holds an object of a kind that is not known: {line}")
    rest = match[2][len(kind) + 1 :]
    for schema in schemas:
        for beginning in (as_listed(schema), *_of_itself(schema)):
            if rest.startswith(f"{beginning} "):
                return Entry(int(match[1]), kind, schema, rest[len(beginning) + 1 :], line)
    return None


def _of_itself(schema: str) -> tuple[str, ...]:
    """How a line goes on that is about a schema itself, and about its privileges or comment."""
    return (
        f"{_NO_SCHEMA} {as_listed(schema)}",
        f"{_NO_SCHEMA} SCHEMA {as_listed(schema)}",
        f"{_NO_SCHEMA} SCHEMA {as_listed(quote(schema))}",
    )
