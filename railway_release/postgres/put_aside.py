"""Schemas that a restore has renamed, or made beside others: a comment says so, and they are no tenants."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass

from railway_release.postgres.session import Queryable, fetch, literal, quote

MARK = "railway-release: "
_MOST_BYTES = 63


def aside_words(backup: str, schema: str) -> str:
    """What is said of a schema that gave way to the restore of a backup; `schema` is what it was called."""
    return f"put aside by the restore of {backup}; it was {schema}"


def copy_words(backup: str, schema: str) -> str:
    """What is said of a copy beside a schema."""
    return f"a copy of {schema} from {backup}"


def comment_on(schema: str, text: str) -> str:
    """The statement that marks a schema."""
    return f"COMMENT ON SCHEMA {quote(schema)} IS {literal(MARK + text)}"


def name_aside(schema: str, run: str, taken: Collection[str]) -> str:
    """A free name for a schema that gives way to the restore of a run; at most 63 bytes."""
    suffixes = (f"__before_{run}{number}" for number in ("", *(f"_{n}" for n in range(2, 10_000))))
    return next(name for suffix in suffixes if (name := _fitting(schema, suffix)) not in taken)


def _fitting(schema: str, suffix: str) -> str:
    room = _MOST_BYTES - len(suffix)
    if len(schema.encode()) > room:
        # The beginning alone would be that of other schemas, too.
        digest = hashlib.sha256(schema.encode()).hexdigest()[:8]
        schema = schema.encode()[: room - len(digest) - 1].decode(errors="ignore") + f"_{digest}"
    return schema + suffix


@dataclass(frozen=True)
class PutAside:
    """A schema that a restore has put aside or made."""

    schema: str
    words: str  # what its comment says
    backup: str
    origin: str  # the schema that it was, or that it is a copy of


def put_aside(connection: Queryable) -> list[PutAside]:
    """The schemas that restores have put aside or made, as their comments say."""
    return [
        PutAside(schema, words, found["backup"], found["origin"])
        for schema, words in fetch(connection, _MARKED)
        if (found := _ASIDE.fullmatch(words) or _COPY.fullmatch(words))
    ]


_ASIDE = re.compile(re.escape(MARK) + aside_words("(?P<backup>[^ ;]+)", "(?P<origin>.*)"), re.DOTALL)
_COPY = re.compile(re.escape(MARK) + copy_words("(?P<backup>[^ ;]+)", "(?P<origin>.*)"), re.DOTALL)
_MARKED = f"""
SELECT n.nspname::text, d.description FROM pg_catalog.pg_namespace n
JOIN pg_catalog.pg_description d ON d.objoid = n.oid AND d.classoid = 'pg_catalog.pg_namespace'::regclass
WHERE starts_with(d.description, '{MARK}') ORDER BY n.nspname
"""  # noqa: S608 - a constant
