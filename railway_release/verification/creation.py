"""Creation: how Django's schema editor creates a table, or a part of a table that exists.

Names are those that PostgreSQL and Django give when the whole table is created.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db.models import Field, Model

from railway_release.postgres.session import clip
from railway_release.postgres.shape import Creation
from railway_release.topology import TenantConnection

_FOREIGN_KEY_NAME = "_fk_%(to_table)s_%(to_column)s"  # as in Django's own create_model


def table(model: type[Model]) -> Creation:
    """How to create the table with its constraints and indexes, without the tables of many-to-many fields."""

    def run(editor: Any) -> None:
        class OfOneTable(type(editor)):  # type: ignore[misc]  # known at run time
            def create_model(self, other: type[Model]) -> None:
                if other is model:
                    super().create_model(other)

        alone = OfOneTable(editor.connection, collect_sql=True, atomic=False)
        alone.deferred_sql, alone.collected_sql = editor.deferred_sql, editor.collected_sql
        with _without_leftovers(model, alone):
            alone.create_model(model)

    return Creation(run)


@contextlib.contextmanager
def _without_leftovers(model: Any, editor: Any) -> Iterator[None]:
    """The model without constraints and indexes on removed fields, which its migration state still has."""
    options = model._meta
    before = {name: getattr(options, name) for name in ("constraints", "indexes", "unique_together")}
    for name in ("constraints", "indexes"):
        possible = [one for one in before[name] if _works(partial(one.create_sql, model, editor))]
        setattr(options, name, possible)
    options.unique_together = tuple(
        names
        for names in before["unique_together"]
        if all(_works(partial(options.get_field, n)) for n in names)
    )
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(options, name, value)


def _works(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except (FieldDoesNotExist, FieldError):
        return False
    return True


def column(model: type[Model], field: Field[Any, Any], default: str) -> Creation:
    """How to add the column, with its foreign key, unique constraint, check and index."""
    return Creation(
        lambda editor: editor.add_field(model, field),
        needs_value=_needs_a_value(field),
        default=default,
        is_key=field.primary_key,
    )


def key(model: type[Model], field: Field[Any, Any]) -> Creation:
    """How to add the primary key."""
    return _constraint(model, "PRIMARY KEY", columns_of(field), of=field)


def unique(model: type[Model], field: Field[Any, Any]) -> Creation:
    """How to add the constraint of a unique field."""
    return _constraint(model, "UNIQUE", [str(field.column)], of=field)


def unique_together(model: type[Model], fields: Iterable[Field[Any, Any]]) -> Creation:
    """How to add a constraint of `unique_together`, with the name that Django gives it."""
    return Creation(lambda editor: editor.execute(editor._create_unique_sql(model, [*fields]), None))  # noqa: SLF001 - as create_model does


def foreign_key(model: type[Model], field: Field[Any, Any]) -> Creation:
    """How to add the constraint of a foreign key."""

    def run(editor: Any) -> None:
        editor.execute(editor._create_fk_sql(model, field, _FOREIGN_KEY_NAME), None)  # noqa: SLF001 - as create_model does

    return Creation(run, clip(str(field.column)))


def check(model: type[Model], field: Field[Any, Any], text: str) -> Creation:
    """How to add the check that a field's type includes, such as a PositiveIntegerField's."""
    return _alter(model, f"CHECK ({text})", clip(str(field.column)))


def statement(sql: str, column: str = "") -> Creation:
    """How to do what a statement of Django's editor does."""
    return Creation(lambda editor: editor.execute(sql, None), column)


def statements(creation: Creation, connection: TenantConnection) -> tuple[list[str], list[str]]:
    """The statements that create it, and those that Django defers to the end; nothing is sent."""
    editor = connection.schema_editor(collect_sql=True)
    editor.deferred_sql = []
    creation.run(editor)
    return [*editor.collected_sql], [f"{one};" for one in editor.deferred_sql]


def columns_of(key: Any) -> list[str]:
    """The columns of a primary key; a composite one has several."""
    return list(getattr(key, "columns", None) or [key.column])


def _constraint(model: type[Model], kind: str, columns: list[str], of: Field[Any, Any]) -> Creation:
    names = ", ".join(f'"{name}"' for name in columns)
    return _alter(model, f"{kind} ({names})", clip(str(of.column)) if len(columns) == 1 else "")


def _alter(model: type[Model], what: str, column: str) -> Creation:
    def run(editor: Any) -> None:
        editor.execute(f"ALTER TABLE {editor.quote_name(model._meta.db_table)} ADD {what}", None)

    return Creation(run, column)


def _needs_a_value(field: Any) -> bool:
    """Whether Django adds it as NOT NULL and has nothing to put into the rows that are there."""
    given = field.has_default() or field.has_db_default() or getattr(field, "generated", False)
    empty = field.blank and field.empty_strings_allowed
    now = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    return not (field.null or given or empty or now)
