"""Refusals: what is not repaired, why, and what a person can do about it."""

from __future__ import annotations

from collections.abc import Iterator

from railway_release.diagnosis import choices
from railway_release.diagnosis.choices import SCHEMA, Choice, repair_again
from railway_release.migrations.operations import opaque
from railway_release.migrations.own_sql import own_sql
from railway_release.postgres.dependents import NOTHING
from railway_release.postgres.session import clip, quote
from railway_release.postgres.shape import Column, Shape, Unique
from railway_release.repairs import mistyped, renamed, statements
from railway_release.repairs.case import Case
from railway_release.repairs.repair_plan import Refusal
from railway_release.repairs.rows import needs_value
from railway_release.runtime.text import count, some
from railway_release.topology import TenantConnection, search_path
from railway_release.verification import findings
from railway_release.verification.differences import Difference
from railway_release.verification.expectations import Tables
from railway_release.verification.structure import Deviation

_AHEAD = "Newer code than this has migrated the app: deploy that, or repair with it."
_LEAVING = (
    "A pending migration removes or renames it, and has perhaps done so without its record: if so, `fake` "
    "records it; if not, add it by hand."
)
_BY_HAND = "Nothing that Django says makes it; add it by hand."
_WHY = {
    findings.COLUMN_TYPE: "The other type may not hold all that is there: look first.",
    findings.COLUMN_GENERATED: "It would have to be dropped and added anew.",
    findings.COLUMN_COLLATION: "Another order may break unique indexes, and what relies on it.",
    findings.COLUMN_EXTRA: "No column is ever dropped.",
    findings.COLUMN_EARLY: "No column is ever dropped; its migration is recorded once all of it is there.",
    findings.COLUMN_IN_THE_WAY: "No column is ever dropped.",
}
# Only a person can repair these; the finding's hint says how.
NOT_OURS = frozenset(
    {
        *(findings.MISSING, findings.UNREADABLE, findings.MISTYPED, findings.MISNAMED),
        *(findings.TENANTS_LOST, findings.TABLE_KIND),
    }
)
_TABLES = (findings.GHOST, findings.MASKED)
_UNIQUE = (findings.KEY_MISSING, findings.UNIQUE_MISSING, findings.EXCLUSION_MISSING)


def refusal(one: Deviation, why: str, case: Case, connection: TenantConnection) -> Refusal:
    """The refusal of a deviation, with the choices that there are."""
    found = () if why in (_AHEAD, _LEAVING) else tuple(_choices(one, case, connection))
    return Refusal(one.difference.id, one.difference.object, why, found)


def _choices(one: Deviation, case: Case, connection: TenantConnection) -> Iterator[Choice]:
    difference = one.difference
    if renamed.may_be_one(difference, case):
        yield Choice("Decide first about column.missing in this table: it may be this one, renamed by hand")
        return
    using = case.using.get((difference.id, difference.object), NOTHING)
    yield from choices.of(difference.id, difference.object, difference.expected, using)
    if difference.made_by:
        if own := [*_own_sql(one)]:
            yield Choice("If it is to be as that migration makes it", (choices.together(own, search_path()),))
    elif _hidden_rows(one, case):
        yield from _of_masked(difference, case, connection)
    elif renamed.why(one, case):
        yield from renamed.choices_about(one, case)
    elif _needs_values(one, case):
        yield from _of_column(one, case)
    elif name := _other_key(difference, case.actual):
        yield _another_key(difference, name)


def why_not(one: Deviation, case: Case) -> str:
    """Why this deviation is not repaired; empty if it can be."""
    if one.is_ahead:
        return _AHEAD
    if one.difference.id in _WHY:
        return _WHY[one.difference.id]
    if leaves(one, case.later):
        return _LEAVING
    return renamed.why(one, case) or _why_impossible(one, case)


def _why_impossible(one: Deviation, case: Case) -> str:
    difference = one.difference
    if unmakeable := _unmakeable(difference, case.actual):
        return unmakeable
    if hidden := _hidden_rows(one, case):
        return _masking(hidden)
    if _needs_values(one, case):
        table = quote(difference.table)
        return f"It allows no NULL, has no default, and {table} holds rows: nobody knows their values."
    if _other_key(difference, case.actual):
        return "The table has another primary key, and there can be only one."
    if why := mistyped.why(difference, case):
        return why
    needs_creation = difference.id not in (findings.INDEX_INVALID, findings.CONSTRAINT_UNCHECKED)
    return (
        _BY_HAND if needs_creation and not (difference.definition and difference.definition.creation) else ""
    )


def _unmakeable(difference: Difference, actual: Tables) -> str:
    """Why models cannot make it, of a table or in one that is no plain table; empty if they can."""
    if difference.made_by or (difference.id in _TABLES and difference.expected):
        made = difference.expected or "otherwise than models can"
        by = f"by SQL in {some(sorted(difference.made_by))}" if difference.made_by else "in other schemas"
        return f"Models make a plain table, and this one is made {by}: {made}. Run that SQL here by hand."
    kind = actual[difference.table].kind if difference.table in actual else ""
    if kind in ("view", "materialized view", "foreign table"):
        return f"Here it is a {kind}, which SQL has made and has to change."
    if kind == "partitioned table" and difference.id in _UNIQUE:
        return (
            "On a partitioned table it must include the columns that part it, which the models do not know: "
            "add it by hand, with those."
        )
    return ""


def _hidden_rows(one: Deviation, case: Case) -> int | str:
    """The number of rows in the shared table in the place of a masked one, or why nobody knows it."""
    return case.rows.in_shared.get(one.difference.table, 0) if one.difference.id == findings.MASKED else 0


def _needs_values(one: Deviation, case: Case) -> bool:
    return needs_value(one) and (one.plan.schema.name, one.difference.table) in case.rows.filled


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
    return f"The shared table of that name holds {count(hidden, 'row')}, and some may be this tenant's."


def _of_masked(difference: Difference, case: Case, connection: TenantConnection) -> Iterator[Choice]:
    """What can be done with the rows of the shared table, which may be anybody's."""
    name, shared = difference.table, case.shared
    table, here = f"{quote(shared)}.{quote(name)}", f"{SCHEMA}.{quote(name)}"
    if name in case.shared_tables:
        create = (choices.together(_creating(case, connection), search_path()),)
        yield Choice("If no row of it is a tenant's", create)
        moved = (
            *_copied(difference, table, here),
            f"DELETE FROM {table} WHERE …;",  # noqa: S608 - printed, and quoted above
        )
        yield Choice("If some rows are this tenant's", (*create, *moved))
        return
    yield Choice("If nobody needs the rows", (f"DELETE FROM {table};", repair_again()))  # noqa: S608 - likewise
    yield Choice(
        "If all of them are of one tenant", (f"ALTER TABLE {table} SET SCHEMA {SCHEMA};", repair_again())
    )
    aside = clip(f"{name[:56]}_before")
    kept = f"{quote(shared)}.{quote(aside)}"
    yield Choice(
        "If they are of several tenants: set the table aside, let every tenant have its own, and give each "
        "its rows",
        (
            f"ALTER TABLE IF EXISTS {table} RENAME TO {quote(aside)};",  # once for all of them
            repair_again(),
            *_copied(difference, kept, here),
        ),
    )


def _own_sql(one: Deviation) -> Iterator[str]:
    """The SQL of the migrations that make the table, where it can be read as it is sent."""
    nodes = one.plan.cohort.graph.graph.nodes
    for name in one.difference.made_by:
        app, _, migration = name.partition(".")
        if {*opaque(nodes[app, migration])} == {"RunSQL"}:
            found = own_sql((app, migration), nodes[app, migration])
            yield from (sql.text for sql in found if sql.text and sql.names(one.difference.table))


def _creating(case: Case, connection: TenantConnection) -> Iterator[str]:
    """The statements that make the schema's own tables in the place of all masked ones with rows."""
    masked = [one.difference for one in case.found if case.rows.in_shared.get(one.difference.table)]
    ranked = [each for one in masked for each in statements.of(one, connection, ())]
    yield from dict.fromkeys(sql for _, sql in sorted(ranked, key=lambda one: one[0]))


def _copied(difference: Difference, source: str, target: str) -> Iterator[str]:
    """The statements that copy rows into a table, and let its sequences go on after them."""
    columns = difference.definition.columns if isinstance(difference.definition, Shape) else ()
    names = ", ".join(quote(one.name) for one in columns if not one.generated)
    yield f"INSERT INTO {target} ({names}) SELECT {names} FROM {source} WHERE …;"  # noqa: S608 - printed
    for one in columns:
        if one.has_sequence:
            sequence = f"pg_get_serial_sequence('{target}', '{one.name}')"
            yield f"SELECT setval({sequence}, max({quote(one.name)})) FROM {target};"  # noqa: S608 - printed


def _column(difference: Difference) -> str:
    return difference.object.removeprefix(f"{difference.table}.")


def _of_column(one: Deviation, case: Case) -> Iterator[Choice]:
    difference = one.difference
    alter, name = choices.alter(difference.table), quote(_column(difference))
    kind = difference.expected.removesuffix(" NOT NULL")
    table = f"{SCHEMA}.{quote(difference.table)}"
    if any(unique.columns == (_column(difference),) for unique in case.expected[difference.table].uniques):
        fill = f"UPDATE {table} SET {name} = …;"  # noqa: S608 - printed
        each = (f"{alter} ADD COLUMN {name} {kind};", fill, repair_again())
        yield Choice("If the value of each row is known, which must be its own", each)
    else:
        add = f"{alter} ADD COLUMN {name} {kind} NOT NULL DEFAULT …;"
        free = f"{alter} ALTER COLUMN {name} DROP DEFAULT;"
        yield Choice("If one value is right for all of them", (add, free, repair_again()))
    if one.plan.schema.role != "shared":  # all tenants may need those
        delete = f"DELETE FROM {table};"  # noqa: S608 - printed
        yield Choice("If nobody needs the rows", (delete, repair_again()))


def _other_key(difference: Difference, actual: Tables) -> str:
    """The name of the primary key in the place of which another one would be made; empty if there is none."""
    definition, there = difference.definition, actual.get(difference.table, Shape())
    wants = isinstance(definition, Unique) and definition.primary
    if isinstance(definition, Column) and difference.id == findings.COLUMN_MISSING:
        wants = bool(definition.creation and definition.creation.is_key)
    return next((one.name for one in there.uniques if one.primary), "") if wants else ""


def _another_key(difference: Difference, name: str) -> Choice:
    alter = choices.alter(difference.table)
    drop = f"{alter} DROP CONSTRAINT {quote(name)};"
    return Choice("If nothing points to that key, and the models are right", (drop, repair_again()))
