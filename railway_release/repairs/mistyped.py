"""Columns of quite another type: what is about them cannot be made, or not so that it would last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from railway_release.postgres.dependents import kind_of
from railway_release.postgres.shape import Column
from railway_release.repairs.case import Case
from railway_release.verification import findings
from railway_release.verification.differences import Difference, without
from railway_release.verification.structure import Deviation


def columns(found: Iterable[Deviation]) -> Iterator[tuple[str, str]]:
    """Table and column of each that has not only another length or size."""
    for one in found:
        difference = one.difference
        if difference.id == findings.COLUMN_TYPE and kind_of(difference.expected) != kind_of(
            difference.found
        ):
            yield difference.table, difference.object.removeprefix(f"{difference.table}.")


def why(difference: Difference, case: Case) -> str:
    """Why a rule or a column that is computed cannot be made: a column that it needs; empty if it can."""
    wrong = {name for table, name in case.mistyped if table == difference.table}
    if names := ", ".join(sorted(name for name in wrong if _needs(difference, name, case))):
        return f"Decide first about column.type of {names} in this table: of that type it cannot be made."
    return ""


def _needs(difference: Difference, name: str, case: Case) -> bool:
    definition, expected = difference.definition, case.expected.get(difference.table)
    if definition is None or definition.creation is None or expected is None:
        return False
    if not isinstance(definition, Column):
        about = {*expected.rules} - {*without(expected, {name}).rules}
        return any(rule.creation == definition.creation for rule in about)
    if difference.id == findings.COLUMN_UNCOUNTED:
        return definition.name == name
    computed = (one.generated for one in expected.columns if one.name == definition.name)
    return difference.id == findings.COLUMN_MISSING and any(f'"{name}"' in text for text in computed)
