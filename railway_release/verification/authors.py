"""Authors: the migrations that may have made of a table what its models do not say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from railway_release.migrations.disk import Graph
from railway_release.migrations.outcome import Key
from railway_release.migrations.own_sql import OwnSql, altered_fields, own_sql
from railway_release.postgres.shape import Column, Index
from railway_release.verification import findings
from railway_release.verification.differences import Difference


def _words(text: str) -> re.Pattern[str]:
    spaces = text.replace(" ", r"\s+")
    return re.compile(rf"\b(?:{spaces})\b", re.IGNORECASE)


_TABLE = r"CREATE (?:\w+ ){0,3}(?:TABLE|VIEW)|RENAME TO"
_CONSTRAINT = f"{_TABLE}|CONSTRAINT|DROP COLUMN|ADD COLUMN"
_COLUMN = f"{_TABLE}|TYPE|ADD|DROP|ALTER"
# The differences that SQL can make without breaking what the models need, and the words of such SQL.
_MADE_BY: Mapping[str, re.Pattern[str]] = {
    findings.TABLE_KIND: _words(f"{_TABLE}|PARTITION"),
    findings.COLUMN_TYPE: _words(f"{_TABLE}|TYPE|ADD COLUMN|DOMAIN"),
    findings.COLUMN_NULL: _words(f"{_TABLE}|NOT NULL|PRIMARY KEY|ADD COLUMN"),
    findings.COLUMN_COLLATION: _words(f"{_TABLE}|COLLATE|TYPE"),
    findings.COLUMN_GENERATED: _words(f"{_TABLE}|GENERATED|EXPRESSION|ADD COLUMN"),
    findings.COLUMN_DEFAULT: _words(f"{_TABLE}|DEFAULT"),
    findings.COLUMN_EXTRA: _words(f"{_TABLE}|ADD|RENAME"),
    findings.KEY_MISSING: _words(f"{_CONSTRAINT}|PRIMARY KEY"),
    findings.UNIQUE_MISSING: _words(f"{_CONSTRAINT}|UNIQUE|DROP INDEX"),
    findings.FOREIGN_KEY_MISSING: _words(f"{_CONSTRAINT}|REFERENCES"),
    findings.FOREIGN_KEY_RULES: _words(f"{_CONSTRAINT}|REFERENCES"),
    findings.CHECK_MISSING: _words(f"{_CONSTRAINT}|CHECK"),
    findings.CHECK_OTHER: _words(f"{_CONSTRAINT}|CHECK"),
    findings.EXCLUSION_MISSING: _words(f"{_CONSTRAINT}|EXCLUDE"),
    findings.CONSTRAINT_UNCHECKED: _words("NOT VALID"),
    findings.INDEX_MISSING: _words(f"{_TABLE}|INDEX|DROP COLUMN"),
}
# What makes a table that no model can make: of another kind, or stored otherwise; {} is its name.
_NAMED = r'(?:ONLY\s+)?(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?:[\w"]+\.)?"?{}"?(?!\w)'
_STORED = r"(?:PARTITION\s+BY|INHERITS?\b|TABLESPACE\b|UNLOGGED\b|WITH\s*\(|SET\s*\()"
_OTHERWISE = (
    rf"\b(?:VIEW|FOREIGN\s+TABLE|UNLOGGED\s+TABLE)\s+{_NAMED}",
    rf"\b(?:CREATE|ALTER)\s+TABLE\s+{_NAMED}[^;]*?{_STORED}",
    rf"(?:{_STORED}|\bVIEW\b).*?\bRENAME\s+TO\s+{_NAMED}",
)
_LIKE = ("text_pattern_ops", "varchar_pattern_ops")


def is_possible(difference: Difference) -> bool:
    """Whether migrations can have made it on purpose: code goes on to work with it."""
    return difference.id in _MADE_BY


class Authors:
    """Reads the SQL of each migration once."""

    def __init__(self) -> None:
        self._own = cache(own_sql)
        self._altered = cache(lambda migration: frozenset(altered_fields(migration)))
        self._recorded = cache(_recorded)

    def may_have_made(self, difference: Difference, app: str, graph: Graph) -> bool:
        """Whether a recorded migration may have made this difference in a table of this app."""
        words = _MADE_BY.get(difference.id)
        return words is not None and (
            any(one.may_have(app, difference.table, words) for one in self._sql(graph))
            or self._leaves_like(difference, app, graph)
        )

    def may_be_unapplied(self, difference: Difference, app: str, graph: Graph) -> bool:
        """Whether it may be what a recorded change of the field was about, as after `--fake` everywhere."""
        column = difference.definition
        if difference.id not in (findings.COLUMN_TYPE, findings.COLUMN_NULL) or not isinstance(
            column, Column
        ):
            return False
        return self._is_altered(column.name, app, graph)

    def of_table(self, table: str, graph: Graph) -> list[Key]:
        """The recorded migrations whose SQL has made this table what no model can make."""
        otherwise = _otherwise(table)
        return list(
            dict.fromkeys(one.key for one in self._sql(graph) if one.text and otherwise.search(one.text))
        )

    def name(self, table: str, graph: Graph) -> bool:
        """Whether SQL of a recorded migration names the table."""
        return any(one.names(table) for one in self._sql(graph))

    def _sql(self, graph: Graph) -> Iterator[OwnSql]:
        for key in self._recorded(graph):
            yield from self._own(key, graph.graph.nodes[key])

    def _leaves_like(self, difference: Difference, app: str, graph: Graph) -> bool:
        """Where a field becomes text, Django makes no index for LIKE; it drops some of those there are."""
        index = difference.definition
        if not (isinstance(index, Index) and len(index.parts) == 1 and index.parts[0].opclass in _LIKE):
            return False
        return self._is_altered(index.parts[0].text, app, graph)

    def _is_altered(self, column: str, app: str, graph: Graph) -> bool:
        nodes = graph.graph.nodes
        changed = (self._altered(nodes[key]) for key in self._recorded(graph) if key[0] == app)
        return any(column.lower() in names for names in changed)


@cache
def _otherwise(table: str) -> re.Pattern[str]:
    texts = (one.replace("{}", re.escape(table)) for one in _OTHERWISE)
    return re.compile("|".join(texts), re.IGNORECASE | re.DOTALL)


def _recorded(graph: Graph) -> tuple[Key, ...]:
    return tuple(key for key in graph.in_order() if key in graph.held)
