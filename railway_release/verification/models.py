"""The shapes of the tables that Django's schema editor would create for models.

Indexes and constraints are parsed from the editor's own statements, so that what the fields and indexes of a
library add is included.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Field, Model
from django.db.models.constraints import BaseConstraint

from railway_release.postgres.session import clip
from railway_release.postgres.shape import Check, Column, ForeignKey, Index, Shape, Unique
from railway_release.verification import creation, ddl

Editor = BaseDatabaseSchemaEditor

# What a library's db_type() may have after the type itself.
_MORE = re.compile(r"\s+(?:COLLATE|DEFAULT|GENERATED|NOT|NULL|CHECK|UNIQUE)\b", re.IGNORECASE)
# PostgreSQL makes columns of these types of the pseudo-types.
_SERIAL = {"serial": "integer", "bigserial": "bigint", "smallserial": "smallint"}


def shape(model: type[Model], editor: Editor) -> Shape:
    """The table of one model. Names of types and expressions are as Django writes them.

    The schema of a foreign key's target is empty, since it depends on the schema that the table is in.
    """
    options = model._meta
    fields = [field for field in options.local_concrete_fields if _type(field, editor)]
    declared = [*_declared(model, editor)]
    return Shape(
        columns=tuple(_column(model, field, editor) for field in fields),
        uniques=(*_uniques(model), *(one for one in declared if isinstance(one, Unique))),
        foreign_keys=tuple(_foreign_key(model, field, editor) for field in fields if _has_foreign_key(field)),
        checks=(*_checks(model, fields, editor), *(one for one in declared if isinstance(one, Check))),
        indexes=tuple(one for one in declared if isinstance(one, Index)),
        creation=creation.table(model),
    )


def tables(model: type[Model], editor: Editor) -> Iterator[tuple[str, Shape]]:
    """``db_table`` and shape of a model's table, and of the tables of its many-to-many fields."""
    yield model._meta.db_table, shape(model, editor)
    for field in model._meta.local_many_to_many:
        through: Any = field.remote_field.through
        if not isinstance(through, str) and through._meta.auto_created:
            yield through._meta.db_table, shape(through, editor)


def _type(field: Field[Any, Any], editor: Editor) -> str:
    return field.db_parameters(connection=editor.connection)["type"] or ""


def _column(model: type[Model], field: Field[Any, Any], editor: Editor) -> Column:
    parameters = field.db_parameters(connection=editor.connection)
    in_full = _type(field, editor)
    type = _MORE.split(in_full)[0]
    has_sequence = (
        type.lower() in _SERIAL
        or "IDENTITY" in in_full.upper()
        or bool(field.db_type_suffix(connection=editor.connection))
    )
    generated, default = bool(getattr(field, "generated", False)), _default(field, editor)
    return Column(
        clip(str(field.column)),
        _SERIAL.get(type.lower(), type),
        not_null=not generated and (field.primary_key or not field.null),
        collation=str(parameters.get("collation") or ""),
        has_sequence=has_sequence,
        default=default,
        generated=_generated(field, editor) if generated else "",
        creation=creation.column(model, field, default),
    )


def _default(field: Any, editor: Any) -> str:
    if not field.has_db_default():
        return ""
    sql, parameters = editor.db_default_sql(field)
    return str(editor.connection.ops.compose_sql(sql, parameters)) if parameters else str(sql)


def _generated(field: Any, editor: Editor) -> str:
    sql, parameters = field.generated_sql(editor.connection)
    return _filled(sql, parameters, editor)


def _filled(sql: str, parameters: Any, editor: Any) -> str:
    return sql % tuple(editor.quote_value(one) for one in parameters) if parameters else sql


def _uniques(model: Any) -> Iterator[Unique]:
    options = model._meta
    yield Unique("", tuple(_columns_of(options.pk)), primary=True, creation=creation.key(model, options.pk))
    for field in options.local_concrete_fields:
        if field.unique and not field.primary_key:
            yield Unique("", (clip(field.column),), creation=creation.unique(model, field))
    for names in options.unique_together:
        with contextlib.suppress(FieldDoesNotExist):  # as in _declared
            fields = [options.get_field(name) for name in names]
            columns = tuple(clip(field.column) for field in fields)
            yield Unique("", columns, creation=creation.unique_together(model, fields))


def _columns_of(key: Any) -> list[str]:
    return [clip(name) for name in creation.columns_of(key)]


def _has_foreign_key(field: Any) -> bool:
    return bool(field.remote_field and getattr(field, "db_constraint", False))


def _foreign_key(model: type[Model], field: Any, editor: Editor) -> ForeignKey:
    target = field.target_field
    how = getattr(field.remote_field.on_delete, "on_delete_sql", None)
    rest = f"{how(editor) if how else ''} DEFERRABLE INITIALLY DEFERRED".strip()
    columns, targets = (clip(field.column),), (clip(target.column),)
    return ForeignKey(
        "", columns, "", target.model._meta.db_table, targets, True, rest, creation.foreign_key(model, field)
    )


def _checks(model: type[Model], fields: list[Field[Any, Any]], editor: Editor) -> Iterator[Check]:
    for field in fields:
        if text := field.db_parameters(connection=editor.connection).get("check"):
            yield Check("", str(text), creation=creation.check(model, field, str(text)))


def _declared(model: Any, editor: Any) -> Iterator[Index | Unique | Check]:
    """The model's indexes and constraints, parsed from the editor's statements."""
    for column, make in _makers(model, editor):
        try:
            statements = make()
        except (FieldDoesNotExist, FieldError):
            # Its field was removed; the server has dropped it with the column, which the state of the
            # migrations does not record.
            continue
        for statement in filter(None, statements):
            if one := ddl.index(str(statement)) or ddl.constraint(str(statement)):
                yield replace(one, creation=creation.statement(str(statement), column))


def _makers(model: Any, editor: Any) -> Iterator[tuple[str, Callable[[], Iterable[Any]]]]:
    """Functions that compose the statements, each with the column whose ADD COLUMN includes them.

    The private methods are those that Django's create_model() calls and its backends extend.
    """
    options = model._meta
    for field in options.local_fields:
        # Foreign keys without indexes for LIKE, which Django drops for good when the key's type changes.
        kind: Any = BaseDatabaseSchemaEditor if field.is_relation else type(editor)
        make = partial(kind._field_indexes_sql, editor, model, field)  # noqa: SLF001 - see above
        yield clip(str(field.column)), make
    for names in getattr(options, "index_together", ()):  # before Django 5.1
        yield "", partial(_together, model, names, editor)
    for one in (*options.indexes, *options.constraints):
        yield "", partial(_created, one, model, editor)


def _together(model: Any, names: Iterable[str], editor: Any) -> list[Any]:
    fields = [model._meta.get_field(name) for name in names]
    return [editor._create_index_sql(model, fields=fields)]  # noqa: SLF001 - see above


def _created(one: BaseConstraint | models.Index, model: Any, editor: Any) -> list[Any]:
    return [one.create_sql(model, editor)]
