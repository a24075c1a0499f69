"""Comparing schemas of one level with each other: what no model says, and what migrations make otherwise."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from railway_release.migrations.plan import SchemaPlan
from railway_release.verification import findings
from railway_release.verification.authors import is_possible
from railway_release.verification.differences import THE_TABLE, Difference
from railway_release.verification.expectations import Expectations
from railway_release.verification.findings import Finding
from railway_release.verification.levels import Level

Fact = tuple[str, str]  # table, or "" for the schema itself, and what is there in words


@dataclass(frozen=True)
class ComparedTable:
    """What was found in a table, in all schemas of one level that have it alike."""

    table: str
    app: str
    level: Level
    plans: Sequence[SchemaPlan]
    differences: tuple[Difference, ...] = ()
    surplus: frozenset[str] = frozenset()


class Facts:
    """What no model declares, with the schemas that have it."""

    def __init__(self, schemas: Iterable[tuple[str, Level]]) -> None:
        self._groups: dict[Level, list[str]] = defaultdict(list)
        self._level_of: dict[str, Level] = dict(schemas)
        self._holders: dict[tuple[Level, Fact], set[str]] = defaultdict(set)
        for name, level in self._level_of.items():
            self._groups[level].append(name)

    def add(self, schemas: Iterable[str], table: str, texts: Collection[str]) -> None:
        """Note that each of these schemas has each of these texts, in this table."""
        for name in schemas if texts else ():
            for text in texts:
                self._holders[self._level_of[name], (table, text)].add(name)

    def odd_ones(self, is_known: Callable[[str, Fact], bool]) -> Iterator[Finding]:
        """A warning for each schema that has what most others do not have, or lacks what most have.

        `is_known(schema, fact)` says whether another finding explains why the schema lacks it.
        """
        for (level, fact), holders in self._holders.items():
            everybody = self._groups[level]
            if len(holders) * 2 > len(everybody):
                words = f"lacks {fact[1]}, which {len(holders)} of {len(everybody)} have"
                lacking = [name for name in everybody if name not in holders and not is_known(name, fact)]
                yield from (_odd(name, fact[0], words) for name in lacking)
            elif len(holders) < len(everybody) and not self._is_of_an_odd_table(level, fact):
                words = f"has {fact[1]}, as {len(holders)} of {len(everybody)} do"
                yield from (_odd(name, fact[0], words) for name in sorted(holders))

    def _is_of_an_odd_table(self, level: Level, fact: Fact) -> bool:
        """Whether it is about a table that no model knows, and that most do not have: that alone is told."""
        holders = self._holders.get((level, (fact[0], THE_TABLE)), ())
        return fact[1] != THE_TABLE and 0 < len(holders) * 2 <= len(self._groups[level])


def _odd(schema: str, table: str, words: str) -> Finding:
    return Finding(findings.ODD_ONE_OUT, "warning", schema, table or "schema", found=words)


_Key = tuple[str, str, str, str]  # id, object, what is expected and what was found


def key_of(one: Difference) -> _Key:
    """What a difference is, in whatever schema."""
    return one.id, one.object, one.expected, one.found


class Customs:
    """The differences from the models that the migrations themselves have made.

    That is so where all schemas of a level have them, unless a migration that was recorded without being run
    would leave the same behind. If SQL of the migrations may have made a difference, most schemas are enough;
    also a single one, which can be compared with no other.
    """

    def __init__(self, tables: Sequence[ComparedTable], expectations: Expectations) -> None:
        self._tables = tables
        self._expectations = expectations
        self._holders: Counter[tuple[Level, _Key]] = Counter()
        self._having: Counter[tuple[Level, str]] = Counter()
        for table in tables:
            self._having[table.level, table.table] += len(table.plans)
            for one in table.differences:
                self._holders[table.level, key_of(one)] += len(table.plans)
        self._keys = {
            key_of(one): one
            for table in tables
            for one in table.differences
            if is_possible(one) and not one.is_early and self._is_custom(table, one)
        }

    def _is_custom(self, table: ComparedTable, one: Difference) -> bool:
        holders = self._holders[table.level, key_of(one)]
        having = self._having[table.level, table.table]
        about = (table.plans[0], table.app, one)
        if holders * 2 > having and self._expectations.may_be_by_sql(*about):
            return True
        # Tables of the shared schema that are dropped take the keys of all tenants along.
        is_in_shared = bool(one.target[0])
        return holders == having > 1 and not (is_in_shared or self._expectations.may_be_unapplied(*about))

    def include(self, one: Difference) -> bool:
        """Whether migrations have made it: in this level, or at least in another."""
        return key_of(one) in self._keys and not one.is_early

    def told(self, includes: Callable[[SchemaPlan], bool]) -> Iterator[Finding]:
        """One finding for each, with the number of schemas, of those that are included."""
        schemas: Counter[_Key] = Counter()
        app = {}
        for table in self._tables:
            for one in table.differences:
                if self.include(one):
                    schemas[key_of(one)] += sum(map(includes, table.plans))
                    app[key_of(one)] = table.app
        for (id, name, expected, found), number in schemas.items():
            if number:
                reason = findings.BY_MIGRATIONS
                of_app = app[id, name, expected, found]
                yield Finding(
                    id, "information", "", name, of_app, found, expected, reason=reason, schemas=number
                )

    def outsiders(self) -> Iterator[tuple[ComparedTable, Difference, str]]:
        """The tables that lack a difference which most of their level have, and how many have it."""
        for table in self._tables:
            own = {one.object for one in table.differences}
            for key, one in self._keys.items():
                holders, having = self._holders[table.level, key], self._having[table.level, table.table]
                if one.table == table.table and one.object not in own and holders * 2 > having:
                    yield table, one, f"{holders} of {having}"
