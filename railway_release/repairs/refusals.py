"""Refusals: what is not repaired, why, and what a person can do about it."""

from __future__ import annotations

from railway_release.postgres.session import quote
from railway_release.postgres.shape import Column
from railway_release.repairs.rows import Rows, needs_value
from railway_release.runtime.text import count
from railway_release.verification import findings
from railway_release.verification.expectations import Tables
from railway_release.verification.structure import Deviation

_AHEAD = "Newer code than this has migrated the app: deploy that, or repair with it."
_LEAVING = (
    "A pending migration removes or renames it, and has perhaps done so without its record: if so, `fake` "
    "records it; if not, add it by hand."
)
_BY_HAND = "Nothing that Django says makes it; add it by hand."
_WHY = {
    findings.COLUMN_TYPE: "The other type may not hold all that is there: look, then change it by hand "
    "(ALTER TABLE … ALTER COLUMN … TYPE … USING …).",
    findings.COLUMN_GENERATED: "It would have to be dropped and added anew: do that by hand.",
    findings.COLUMN_IN_THE_WAY: "No column is ever dropped: if nothing needs it, ALTER TABLE … DROP COLUMN; "
    "or give it a default.",
}
# Warnings that a repair does not mention: nothing fails because of them.
IGNORED = frozenset({findings.COLUMN_EXTRA, findings.COLUMN_EARLY, findings.COLUMN_COLLATION})

# Only a person can repair these; the finding's hint says how.
NOT_OURS = frozenset({findings.MISSING, findings.INCONSISTENT, findings.UNREADABLE, findings.MISTYPED})


def why_not(one: Deviation, rows: Rows, later: Tables) -> str:
    """Why this deviation is not repaired; empty if it can be."""
    difference, schema, definition = one.difference, one.plan.schema.name, one.difference.definition
    if one.is_ahead:
        return _AHEAD
    if difference.id in _WHY:
        return _WHY[difference.id]
    if leaves(one, later):
        return _LEAVING
    if difference.id == findings.MASKED and (hidden := rows.in_shared.get(difference.table, 0)):
        return _masking(hidden)
    if isinstance(definition, Column) and needs_value(one) and (schema, difference.table) in rows.filled:
        return _inventing(difference.table, definition)
    needs_creation = difference.id not in (findings.INDEX_INVALID, findings.CONSTRAINT_UNCHECKED)
    return _BY_HAND if needs_creation and not (definition and definition.creation) else ""


def leaves(one: Deviation, later: Tables) -> bool:
    """Whether a pending migration takes away, or renames, the table or the column that is missing.

    `later` are all tables once everything is applied; none if nothing is pending.
    """
    difference, definition = one.difference, one.difference.definition
    if not later or difference.id not in (findings.GHOST, findings.MASKED, findings.COLUMN_MISSING):
        return False
    if difference.table not in later:
        return True
    columns = {column.name for column in later[difference.table].columns}
    return isinstance(definition, Column) and definition.name not in columns


def _masking(hidden: int | str) -> str:
    if isinstance(hidden, str):
        return f"The shared table of that name cannot be read, so nobody knows what is in there: {hidden}"
    return (
        f"The shared table of that name holds {count(hidden, 'row')}, and some may be this tenant's. Look at "
        "them. If all are this tenant's: ALTER TABLE … SET SCHEMA … gives them back; otherwise copy those "
        "that are, and delete what nobody needs. Then repair again."
    )


def _inventing(table: str, column: Column) -> str:
    name = column.name
    return (
        f"It allows no NULL, has no default, and {quote(table)} holds rows: nobody knows their values. Add "
        f"it by hand with those (ALTER TABLE {quote(table)} ADD COLUMN {quote(name)} … NOT NULL DEFAULT …, "
        "then ALTER COLUMN … DROP DEFAULT), or delete the rows if nobody needs them; then repair again."
    )
