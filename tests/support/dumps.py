"""pg_dump of every schema as a set of statements: in any order, and with the columns in any order."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from .binaries import run
from .catalogue import plain
from .release import Database

_ENTRY = re.compile(r"^-- Name: .*; Type: ([^;]*); Schema: ([^;]*);.*\n--\n", re.MULTILINE)
# PostgreSQL 18 shows the names of these where a column or its table was renamed.
_NOT_NULL = re.compile(r'CONSTRAINT (?:"[^"]+"|\S+) NOT NULL')
# What PostgreSQL makes of a name of its own that is taken.
_TAKEN = re.compile(r"\b(\w+_(?:check|key|pkey|seq))\d+\b")


def dumps(database: Database, names: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """By schema; `names` are to be replaced by others."""
    dump = run("pg_dump", "--schema-only", "--no-owner", "-d", database.url)
    for name, other in names.items():
        dump = dump.replace(name, other)
    _, *parts = _ENTRY.split(dump)
    found: dict[str, set[str]] = defaultdict(set)
    for kind, schema, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        found[schema].update(_facts(kind, text, f"{schema}."))
    return {schema: frozenset(facts) for schema, facts in found.items()}


def _facts(kind: str, text: str, own: str) -> Iterator[str]:
    """A table's columns and checks are one each."""
    lines = [line for line in text.splitlines() if line and not line.startswith(("--", "SET ", "\\"))]
    whole = _TAKEN.sub(r"\1", "\n".join(lines).replace(own, ""))
    whole = _NOT_NULL.sub("NOT NULL", whole)
    if kind != "TABLE" or not whole.startswith("CREATE TABLE"):
        yield " ".join(whole.split())
        return
    head, *body = whole.splitlines()
    yield head
    yield from (plain(f"{head} {line.strip().rstrip(',')}") for line in body if line.startswith("    "))
