"""Choices about tenants and schemas that do not fit together, with the statements for the tenants' table."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator
from typing import Any

from django.db import models
from django_tenants.utils import get_tenant_model

from railway_release.diagnosis import choices
from railway_release.diagnosis.choices import Choice
from railway_release.naming import is_nameable
from railway_release.postgres.session import clip, quote
from railway_release.runtime.program import PROGRAM
from railway_release.runtime.text import schema_flag, some
from railway_release.runtime.visible import visible
from railway_release.topology import Topology, tenants_table
from railway_release.verification import findings
from railway_release.verification.findings import Finding

_MOST = 3  # candidates with statements of their own
_LONGEST = 63  # characters of a schema's name
BLANK = "…"  # what a person has to fill in


def about(one: Finding, there: Topology) -> tuple[Choice, ...]:
    """The choices about a finding of a tenant as a whole; none about others."""
    return tuple(_MAKERS[one.id](one, there)) if one.id in _MAKERS else ()


def _without_schema(one: Finding, _: Topology) -> Iterator[Choice]:
    yield from _of_candidates(one, lambda schema: _renamed(one.schema, schema))
    create = f"{PROGRAM} repair --create-schema {schema_flag(one.schema)} --apply"
    yield Choice("If the tenant is new, or may begin anew: the new schema will be EMPTY", (create,))
    yield Choice("If its data is to come back, restore the schema from a backup")
    yield Choice("If nobody needs the tenant, delete its row")


def _without_row(one: Finding, _: Topology) -> Iterator[Choice]:
    yield from _of_candidates(one, lambda tenant: _renamed(tenant, one.schema))
    yield from choices.of(one.id, one.object, one.expected)


def _of_candidates(one: Finding, ways: Callable[[str], Iterator[Choice]]) -> Iterator[Choice]:
    """The ways out for the candidates that are most alike; the others are named."""
    for name in one.candidates[:_MOST]:
        yield from ways(name)
    if rest := one.candidates[_MOST:]:
        yield Choice(f"If it is another one ({some(rest, len(rest))}), the same statements with that name")


def _renamed(tenant: str, schema: str) -> Iterator[Choice]:
    """The schema gets the name that the row has, or the other way round."""
    if is_nameable(tenant):
        rename = f"ALTER SCHEMA {_identifier(schema)} RENAME TO {_identifier(tenant)};"
        yield Choice(f"If {visible(schema)} is the schema of {visible(tenant)}, renamed by hand", (rename,))
    yield Choice(f"If {visible(schema)} is its schema, and the row was changed", (_update(tenant, schema),))


def _misnamed(one: Finding, there: Topology) -> Iterator[Choice]:
    if one.schema not in there.in_database:
        yield from _of_candidates(one, lambda schema: _renamed(one.schema, schema))
    name = _free_name(one.schema, {*there.in_database, *there.types, *(there.in_table or ())})
    statements = _update(one.schema, name)
    if one.schema in there.in_database:
        # Together they are one transaction.
        statements = f"ALTER SCHEMA {_identifier(one.schema)} RENAME TO {_identifier(name)}; {statements}"
    yield Choice("Give it another name, such as this one", (statements,))


def _free_name(name: str, taken: Collection[str]) -> str:
    """A name that django-tenants takes and that nothing has yet, as much like this one as can be."""
    kept = "".join(letter if is_nameable(f"a{letter}a") else "_" for letter in name[: _LONGEST - 10])
    if not is_nameable(kept):  # it is empty, or begins as those of the system
        kept = f"tenant_{kept}"
    names = itertools.chain([kept], (f"{kept}_{number}" for number in itertools.count(2)))
    return next(one for one in map(clip, names) if one not in taken)


def _lost(one: Finding, there: Topology) -> Iterator[Choice]:
    table = _table()
    yield Choice(f"If there is a backup, bring the rows of {table} back from it (pg_restore --data-only -t)")
    if statement := _insert(table, _condition(one.candidates, there)):
        yield Choice(
            "If there is none: a row for each schema, with its name for all texts; domains come after",
            (statement,),
        )
    accepted = choices.accepting(one.id, one.object, one.schema)
    yield Choice("If the tenants were deleted and their schemas kept on purpose, accept it", (accepted,))


def _condition(schemas: Collection[str], there: Topology) -> str:
    """The condition that a schema is one of these: by their names, or by those of the fewer others."""
    if len(others := there.with_records - {*schemas}) >= len(schemas):
        return f"nspname IN ({_listed(schemas)})"
    recorded = "SELECT schemaname FROM pg_tables WHERE tablename = 'django_migrations'"
    return f"nspname IN ({recorded}) AND nspname NOT IN ({_listed(others)})"


def _listed(names: Collection[str]) -> str:
    return ", ".join(map(_literal, sorted(names)))


def _insert(table: str, condition: str) -> str:
    """The statement that makes a row for each of these schemas; nothing if the row is in several tables."""
    model = get_tenant_model()
    if model._meta.parents:
        return ""
    values = {field.column: value for field in model._meta.local_concrete_fields if (value := _value(field))}
    columns, selected = ", ".join(map(quote, values)), ", ".join(values.values())
    return f"INSERT INTO {table} ({columns}) SELECT {selected} FROM pg_namespace WHERE {condition};"  # noqa: S608 - printed


def _value(field: Any) -> str:
    """What a column is given that cannot be left out, as SQL; nothing if it can."""
    if field.name == "schema_name":
        return "nspname"
    has_own = field.db_default is not models.NOT_PROVIDED or field.generated
    if field.null or has_own or isinstance(field, models.AutoField | models.BigAutoField):
        return ""
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        return "now()"
    if field.has_default() and isinstance(field.default, str | bool | int):
        return _literal(field.default) if isinstance(field.default, str) else str(field.default).lower()
    is_free = isinstance(field, models.CharField | models.TextField) and not field.choices
    type = tenants_table().type
    return BLANK if not is_free or (type and field.column == type.name) else "nspname"


def _update(old: str, new: str) -> str:
    column = quote(tenants_table().name.name)
    # A longer name than the server's own is cut in them, and not in the table.
    compared = f"{column}::name" if len(old.encode()) > _LONGEST - 4 else column
    return f"UPDATE {_table()} SET {column} = {_literal(new)} WHERE {compared} = {_literal(old)};"  # noqa: S608 - printed


def _table() -> str:
    table = tenants_table()
    return f"{quote(table.shared)}.{quote(table.name.table)}"


def _identifier(name: str) -> str:
    """The name, quoted so that it can be typed: what cannot be seen is written as an escape."""
    if visible(name) == name:
        return quote(name)
    shown = "".join(one if visible(one) == one and one != "\\" else f"\\+{ord(one):06x}" for one in name)
    return f"U&{quote(shown)}"


def _literal(text: str) -> str:
    quoted = text.replace("'", "''")
    if visible(text) == text and "\\" not in text:
        return f"'{quoted}'"
    return "E'" + visible(quoted.replace("\\", "\\\\")) + "'"


_MAKERS: dict[str, Callable[[Finding, Topology], Iterator[Choice]]] = {
    findings.NO_SCHEMA: _without_schema,
    findings.NO_ROW: _without_row,
    findings.MISNAMED: _misnamed,
    findings.TENANTS_LOST: _lost,
}
