"""The SQL that a project's migrations send by themselves, beside what Django's operations compose.

It may make of a table what no model can say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from django.db.migrations import AlterField, RunPython, RunSQL
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation

from railway_release.migrations.disk import applies_itself
from railway_release.migrations.operations import all_operations, database_operations, is_opaque
from railway_release.migrations.outcome import Key

_OTHERS = "REFERENCES|FROM|JOIN|INTO|UPDATE"  # after these stands a table that stays as it is
_SENDS = frozenset({"execute", "executemany", "cursor"})
# Where a text has a placeholder, a concatenation or its end in the place of a table's name.
_UNNAMED = re.compile(
    r"\b(?:TABLE|VIEW|ON|ONLY|EXISTS) *[\"']* *(?:%|\{|\|\||$)", re.IGNORECASE | re.MULTILINE
)
# Libraries whose operations make triggers and functions, and nothing that models say otherwise.
_ONLY_TRIGGERS = ("pgtrigger.", "pghistory.")
_CREATES = re.compile(
    r"\bCREATE\s+(?:UNIQUE\s+)?(?:TABLE|INDEX(?:\s+CONCURRENTLY)?|(?:MATERIALIZED\s+)?VIEW|SEQUENCE)\s+"
    r"(?!IF\b|ON\b)(?:\"([^\".]+)\"|(\w+))(?!\s*\.|[\w\"])",
    re.IGNORECASE,
)
# SQL that looks first, or takes away what it makes anew.
_CAREFUL = re.compile(r"\b(?:IF|EXCEPTION|DROP|RENAME|to_regclass)\b", re.IGNORECASE)


@dataclass(frozen=True)
class OwnSql:
    """One operation's SQL; `text` is None if nobody can see it."""

    key: Key
    text: str | None

    def may_have(self, app: str, table: str, words: re.Pattern[str]) -> bool:
        """Whether a statement with these words may have been sent about this table of that app."""
        if self.text is None:
            return app == self.key[0]
        about = (one for one in self.text.split(";") if words.search(one))
        return any(
            _is_about(table, one) or (app == self.key[0] and bool(_UNNAMED.search(one))) for one in about
        )

    def names(self, table: str) -> bool:
        """Whether a statement is about this table."""
        return any(_is_about(table, one) for one in (self.text or "").split(";"))


def _is_about(table: str, statement: str) -> bool:
    """Whether the statement names the table, and does not only read it or refer to it."""
    named = rf'(\b(?:{_OTHERS})\s+(?:ONLY\s+)?)?(?<!\w)(?:"?\w+"?\.)?"?{re.escape(table)}(?!\w)'
    return any(not found[1] for found in re.finditer(named, statement, re.IGNORECASE))


def own_sql(key: Key, migration: Migration) -> tuple[OwnSql, ...]:
    """The SQL of a migration's own, operation by operation."""
    found = [OwnSql(key, None)] if applies_itself(migration) else []
    return (*found, *(one for each in database_operations(migration) for one in _of(key, each)))


def relations_made(migration: Migration) -> Iterator[str]:
    """The tables, indexes, views and sequences that RunSQL makes and that must not be there before."""
    own = (one for one in database_operations(migration) if isinstance(one, RunSQL))
    for text in ("\n".join(_statements(one.sql)) for one in own):
        if not _CAREFUL.search(text):
            yield from (quoted or name.lower() for quoted, name in _CREATES.findall(text))


def altered_fields(migration: Migration) -> Iterator[str]:
    """The names of the fields that the migration changes, in small letters; also in the state alone."""
    for one in all_operations(migration):
        if isinstance(one, AlterField):
            yield one.name.lower()


def _of(key: Key, one: Operation) -> Iterator[OwnSql]:
    if isinstance(one, RunSQL):
        yield OwnSql(key, "\n".join(_statements(one.sql)))
    elif isinstance(one, RunPython):
        names, texts = _read(one.code)
        if names & _SENDS:
            yield OwnSql(key, "\n".join(texts))
    elif is_opaque(one) and not type(one).__module__.startswith(_ONLY_TRIGGERS):
        yield OwnSql(key, None)


def _statements(sql: Any) -> Iterator[str]:
    """The texts of RunSQL's argument: one statement, or a list of statements with or without parameters."""
    if isinstance(sql, list | tuple):
        yield from (str(one[0] if isinstance(one, list | tuple) else one) for one in sql)
    else:
        yield str(sql)


def _read(function: Any) -> tuple[set[str], list[str]]:
    """The names that a function uses and the texts in it, with those of its module's functions it calls."""
    names: set[str] = set()
    texts: list[str] = []
    waiting, seen = [getattr(function, "func", function)], set()
    while waiting:
        one = waiting.pop()
        if not isinstance(one, FunctionType) or one in seen:
            continue
        seen.add(one)
        for code in _codes(one.__code__):
            names |= set(code.co_names)
            texts += _strings(code.co_consts)
        used = [one.__globals__.get(name) for name in names]
        texts += [value for value in used if isinstance(value, str)]
        waiting += [value for value in used if getattr(value, "__module__", "") == one.__module__]
    return names, texts


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _codes(one)


def _strings(values: Iterable[Any]) -> Iterator[str]:
    for one in values:
        if isinstance(one, str):
            yield one
        elif isinstance(one, tuple):
            yield from _strings(one)
