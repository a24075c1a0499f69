"""Rendered models, and what their relations leave on the classes that they point to.

Django adds attributes to the class that a field points to (`author.book_set`). Where a class belongs to
several states, it must be known which field each of these comes from.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partialmethod
from typing import Any, cast

from django.db.migrations.state import ModelState
from django.db.models import ForeignKey, ForeignObject, ManyToManyField, Model, OneToOneField

from railway_release.migrations.model_receivers import ModelReceiver

Class = type[Model]

# A field that overrides these may leave anything on the class that it points to.
_CONTRIBUTIONS = {
    one.contribute_to_related_class for one in (ForeignObject, ForeignKey, OneToOneField, ManyToManyField)
}


class CannotShare(Exception):
    """It is not known what a class has left on others, or those others are not in the state."""


@dataclass(frozen=True, eq=False)
class Relation:
    """A field that points to `target`, and the attributes that it has left on `holder`."""

    field: Any
    target: Class
    holder: Class
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class RenderedModel:
    """A model as it was when it was rendered, its class, and what rendering it made and connected."""

    state: ModelState
    model: Class
    classes: tuple[Class, ...]  # with those of its many-to-many relations, as Django registers them
    targets: Mapping[tuple[str, str], Class]  # which it points to, or inherits from
    receivers: tuple[ModelReceiver, ...]
    relations: tuple[Relation, ...] | None  # None if they are not all understood


def classes_of(model: Class) -> tuple[Class, ...]:
    """The class, after the through models that Django has made for its many-to-many relations."""
    throughs = (field.remote_field.through for field in model._meta.local_many_to_many)
    made = (one for one in throughs if isinstance(one, type) and one._meta.auto_created)
    return (*cast("Iterator[Class]", made), model)


def relations(classes: Iterable[Class]) -> tuple[Relation, ...] | None:
    """The relations of these classes; None if they are not all understood.

    Only for classes that were rendered last, since later ones replace the attributes.
    """
    with contextlib.suppress(CannotShare):
        return tuple(_relation(one, field) for one in classes for field in _related_fields(one))
    return None


def _related_fields(model: Class) -> list[Any]:
    options = model._meta
    fields = [one for one in (*options.local_fields, *options.local_many_to_many) if one.remote_field]
    if options.private_fields or not all(map(_is_understood, fields)):
        raise CannotShare
    return fields


def _is_understood(field: Any) -> bool:
    ends = (field.remote_field.model, getattr(field.remote_field, "through", None))
    contributes = getattr(type(field), "contribute_to_related_class", None)
    return contributes in _CONTRIBUTIONS and not any(isinstance(one, str) for one in ends)


def _relation(model: Class, field: Any) -> Relation:
    remote, options = field.remote_field, model._meta
    # A proxy has the attribute of a many-to-many relation itself.
    holder = remote.model if field.many_to_many else remote.model._meta.concrete_model
    names = [] if remote.hidden or options.swapped else [remote.get_accessor_name()]
    order = options.order_with_respect_to
    if getattr(order, "name", None) == field.name:
        names += [f"{verb}_{model.__name__.lower()}_order" for verb in ("get", "set")]
    attributes = {name: holder.__dict__.get(name) for name in names}
    if not all(_comes_from(one, model, remote) for one in attributes.values()) or _has_attribute(
        holder, names
    ):
        raise CannotShare  # names that clash
    return Relation(field, remote.model, holder, attributes)


def _comes_from(attribute: Any, model: Class, remote: Any) -> bool:
    if isinstance(attribute, partialmethod):
        return attribute.args == (model,)
    return remote in (getattr(attribute, "rel", None), getattr(attribute, "related", None))


def _has_attribute(holder: Class, names: Collection[str]) -> bool:
    options = holder._meta
    own = {one.name for one in (*options.local_fields, *options.local_many_to_many)}
    return bool(own & set(names)) or any(
        name in base.__dict__ for base in holder.__mro__[1:] for name in names
    )
