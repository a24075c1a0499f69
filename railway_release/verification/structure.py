"""Structure: the tables of all schemas, part by part, beside what the models say at their own levels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from railway_release.migrations.plan import SchemaPlan
from railway_release.postgres import shapes
from railway_release.postgres.shape import Shape
from railway_release.postgres.shapes import Alike, Depth
from railway_release.postgres.sweep import Sweep
from railway_release.verification import findings
from railway_release.verification.consensus import Facts
from railway_release.verification.differences import Difference, differences, surplus
from railway_release.verification.expectations import Expectations
from railway_release.verification.findings import Finding
from railway_release.verification.levels import Levels
from railway_release.verification.normal import Server


@dataclass(frozen=True)
class _Compared:
    """What is said of one table in all schemas that have it alike."""

    differences: tuple[Difference, ...] = ()
    surplus: frozenset[str] = frozenset()


def verify(sweep: Sweep, levels: Levels, depth: Depth) -> Iterator[Finding]:
    """Findings about columns, and with `everything` about all that tables are made of.

    Each table is compared once for all schemas in which it is, and should be, the same.
    """
    fit = {one.schema.name: one for one in levels.plan.schemas if _can_be_judged(one)}
    expectations, server, facts = Expectations(levels), Server(sweep.connection), Facts(fit.values())
    there = [alike for alike in shapes.read(sweep, fit, depth) if not levels.ignores(alike.table)]
    tables = {(schema, alike.table) for alike in there for schema in alike.schemas}
    for alike in there:
        for members in _by_level(alike, fit, levels):
            compared = _compared(alike, members[0], expectations, server)
            facts.add((one.schema.name for one in members), alike.table, compared.surplus)
            for one in members if compared.differences else ():
                yield from _findings(one, alike.table, compared.differences, levels, tables)
    if depth == "everything":
        for text, holders in shapes.objects(sweep.connection, fit):
            facts.add(holders, "", [text])
        yield from facts.odd_ones()


def _can_be_judged(one: SchemaPlan) -> bool:
    """Records with a gap describe no state of the models, and no records none at all."""
    return bool(one.cohort.applied) and not one.cohort.inconsistency


def _by_level(alike: Alike, fit: Mapping[str, SchemaPlan], levels: Levels) -> Collection[list[SchemaPlan]]:
    """The schemas of a group, those together of which the same is expected."""
    grouped: dict[int, list[SchemaPlan]] = {}
    for name in alike.schemas:
        grouped.setdefault(id(levels.tables[name]), []).append(fit[name])
    return grouped.values()


def _compared(alike: Alike, one: SchemaPlan, expectations: Expectations, server: Server) -> _Compared:
    def normal(shape: Shape) -> Shape:
        return server.normal(shape, one.schema.name, alike.table)

    if not expectations.of(one):
        return _Compared()  # nothing is known
    here, later = normal(alike.shape), expectations.in_the_end(one).get(alike.table)
    # What a pending migration will make is nobody's own.
    own = [frozenset(surplus(normal(later), here))] if later else []
    if alike.table not in expectations.of(one):
        return _Compared(surplus=frozenset() if later else frozenset({"the table itself"}))
    there = normal(expectations.of(one)[alike.table])
    found = differences(alike.table, there, here, later or Shape())
    return _Compared(tuple(found), frozenset(surplus(there, here)).intersection(*own))


def _findings(
    one: SchemaPlan,
    table: str,
    found: Iterable[Difference],
    levels: Levels,
    tables: Collection[tuple[str, str]],
) -> Iterator[Finding]:
    app = next((known.app for known in levels.tables[one.schema.name] if known.name == table), "")
    for difference in found:
        schema, target = difference.target
        # Of a table that is missing, and of what points to it, it is only said that it is missing.
        if not target or (schema or one.schema.name, target) in tables:
            warning = difference.id in findings.WARNINGS or app in one.ahead
            yield Finding(
                difference.id,
                "warning" if warning else "error",
                one.schema.name,
                difference.object,
                app,
                difference.found,
                expected=difference.expected,
            )
