"""Comparing schemas of one cohort with each other, where no model says what is expected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator

from railway_release.migrations.plan import SchemaPlan
from railway_release.verification import findings
from railway_release.verification.findings import Finding

Group = tuple[object, ...]  # what schemas that should be alike have in common
Fact = tuple[str, str]  # table, or "" for the schema itself, and what is there in words


class Facts:
    """What no model declares, with the schemas that have it."""

    def __init__(self, schemas: Iterable[SchemaPlan]) -> None:
        self._groups: dict[Group, list[str]] = defaultdict(list)
        self._group_of: dict[str, Group] = {}
        self._holders: dict[tuple[Group, Fact], set[str]] = defaultdict(set)
        for one in schemas:
            group = (one.cohort.applied, one.schema.role == "shared", one.schema.type)
            self._groups[group].append(one.schema.name)
            self._group_of[one.schema.name] = group

    def add(self, schemas: Iterable[str], table: str, texts: Collection[str]) -> None:
        """Note that each of these schemas has each of these texts, in this table."""
        for name in schemas if texts else ():
            for text in texts:
                self._holders[self._group_of[name], (table, text)].add(name)

    def odd_ones(self, is_known: Callable[[str, Fact], bool]) -> Iterator[Finding]:
        """A warning for each schema that has what most others do not have, or lacks what most have.

        `is_known(schema, fact)` says whether another finding explains why the schema lacks it.
        """
        for (group, fact), holders in self._holders.items():
            everybody = self._groups[group]
            if len(holders) * 2 > len(everybody):
                words = f"lacks {fact[1]}, which {len(holders)} of {len(everybody)} have"
                lacking = [name for name in everybody if name not in holders and not is_known(name, fact)]
                yield from (_odd(name, fact, words) for name in lacking)
            elif len(holders) < len(everybody):
                words = f"has {fact[1]}, as {len(holders)} of {len(everybody)} do"
                yield from (_odd(name, fact, words) for name in sorted(holders))


def _odd(schema: str, fact: Fact, words: str) -> Finding:
    return Finding(findings.ODD_ONE_OUT, "warning", schema, fact[0] or "schema", found=words)
