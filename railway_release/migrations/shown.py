"""Shown: all models at one point of the migrations, as the user's code sees them.

Who points to a model is known to that model too: by attributes of its class (`author.book_set`), and by what
its options remember. So classes that belong to several states are made to fit the one that is looked at; and
what code changes on the classes that it asks for is put back.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partialmethod
from typing import Any, cast

from django.db.migrations.state import AppConfigStub, ModelState, ProjectState, StateApps
from django.db.models import ForeignKey, ForeignObject, ManyToManyField, Model, OneToOneField

from railway_release.migrations.listeners import Listener, connected, put_aside

Class = type[Model]

# Whoever overrides it may leave anything on the class that is pointed to.
_CONTRIBUTIONS = {
    one.contribute_to_related_class for one in (ForeignObject, ForeignKey, OneToOneField, ManyToManyField)
}


class NotToBeShared(Exception):
    """It is not known what a class has left on others, or they are not there."""


@dataclass(frozen=True, eq=False)
class Relation:
    """A field that points to a class, and the attributes that a class has of it."""

    field: Any
    target: Class
    holder: Class
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Rendered:
    """A model as it was when it was rendered, its class, and what belongs to it."""

    state: ModelState
    model: Class
    classes: tuple[Class, ...]  # with those of its many-to-many relations, as Django registers them
    targets: Mapping[tuple[str, str], Class]  # which it points to, or builds on
    listeners: tuple[Listener, ...]
    relations: tuple[Relation, ...] | None  # None if they are not all understood


def classes_of(model: Class) -> tuple[Class, ...]:
    """The class, after those that Django has made for its many-to-many relations."""
    throughs = (field.remote_field.through for field in model._meta.local_many_to_many)
    made = (one for one in throughs if isinstance(one, type) and one._meta.auto_created)
    return (*cast("Iterator[Class]", made), model)


def relations(classes: Iterable[Class]) -> tuple[Relation, ...] | None:
    """Those of classes that were rendered last; None if they are not all understood."""
    with contextlib.suppress(NotToBeShared):
        return tuple(_relation(one, field) for one in classes for field in _pointing(one))
    return None


def _pointing(model: Class) -> list[Any]:
    options = model._meta
    fields = [one for one in (*options.local_fields, *options.local_many_to_many) if one.remote_field]
    if options.private_fields or not all(map(_is_understood, fields)):
        raise NotToBeShared
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
    if not all(_is_of(one, model, remote) for one in attributes.values()) or _has_own(holder, names):
        raise NotToBeShared  # names that clash
    return Relation(field, remote.model, holder, attributes)


def _is_of(attribute: Any, model: Class, remote: Any) -> bool:
    if isinstance(attribute, partialmethod):
        return attribute.args == (model,)
    return remote in (getattr(attribute, "rel", None), getattr(attribute, "related", None))


def _has_own(holder: Class, names: Collection[str]) -> bool:
    options = holder._meta
    own = {one.name for one in (*options.local_fields, *options.local_many_to_many)}
    return bool(own & set(names)) or any(
        name in base.__dict__ for base in holder.__mro__[1:] for name in names
    )


def registry(classes: Iterable[Class], labels: Iterable[str]) -> StateApps:
    """Classes that are there already, for apps with these labels."""
    apps = StateApps([], {})
    for model in classes:
        apps.all_models[model._meta.app_label][cast("str", model._meta.model_name)] = model
    for label in sorted({*labels, *apps.all_models}):
        stub = _Stub(label)
        stub.apps = apps
        stub.import_models()
        apps.app_configs[label] = stub
    return apps


class _Stub(AppConfigStub):
    """Knows which models it gave to the user's code."""

    given: dict[Class, _Looks] | None = None  # while somebody wants to know

    def get_model(self, model_name: str, require_ready: bool = True) -> Class:
        model: Class = super().get_model(model_name, require_ready)
        if self.given is not None and model not in self.given:
            self.given[model] = _Looks(model)
        return model


class _Looks:
    """What a class, its options and its fields look like, to be put back."""

    def __init__(self, model: Class) -> None:
        self._model = model
        self._attributes = dict(model.__dict__)
        own = (*model._meta.local_fields, *model._meta.local_many_to_many)
        self._others = [(one, dict(one.__dict__)) for one in (model._meta, *own)]

    def put_back(self) -> None:
        """What was added to the class goes, what was changed is as it was."""
        model, attributes = self._model, self._attributes
        for name in model.__dict__.keys() - attributes.keys():
            delattr(model, name)
        for name, value in attributes.items():
            if model.__dict__.get(name) is not value:
                setattr(model, name, value)
        for one, before in self._others:
            # What is new is remembered by Django itself; what it has forgotten it can find again.
            now = one.__dict__
            now.update({name: before[name] for name in before.keys() & now.keys()})


class Stage:
    """Which state the classes fit at the moment; they belong to several."""

    def __init__(self) -> None:
        self._fits: dict[Class, Sequence[Relation]] = {}
        self._names: defaultdict[Class, set[str]] = defaultdict(set)
        self._shown: Together | None = None
        self._sides: dict[Sequence[Relation], Sequence[Relation]] = {}
        self.ever: set[int] = set()  # the ids of all classes that were rendered

    def changed(self, rendered: Rendered) -> None:
        """A class was rendered, and with it the attributes of others have changed."""
        self._fits.clear()
        self._shown = None
        self.ever |= {id(model) for model in rendered.classes}
        for relation in rendered.relations or ():
            self._names[relation.holder] |= relation.attributes.keys()

    def one_for_all(self, side: Sequence[Relation]) -> Sequence[Relation]:
        """Equal ones are the same."""
        return self._sides.setdefault(side, side)

    def show(self, whole: Together) -> None:
        """Let the classes fit this state."""
        if self._shown is whole:
            return
        for model, side in whole.sides.items():
            model._meta.apps = whole.apps
            if self._fits.get(model) is not side:
                self._fit(model, side)
                self._fits[model] = side
        self._shown = whole

    def _fit(self, model: Class, side: Sequence[Relation]) -> None:
        wanted = {name: one for r in side if r.holder is model for name, one in r.attributes.items()}
        for name in self._names[model]:
            if name not in wanted and name in model.__dict__:
                delattr(model, name)
        for name, attribute in wanted.items():
            setattr(model, name, attribute)
        remotes = (r.field.remote_field for r in side if r.target is model and r.attributes)
        model._meta.related_fkey_lookups = [
            one.limit_choices_to for one in remotes if one.limit_choices_to and not one.hidden
        ]
        cast("Any", model._meta)._expire_cache()  # noqa: SLF001 - as a registry does when it changes


@contextlib.contextmanager
def showing(*states: ProjectState) -> Iterator[None]:
    """While entered, the user's code may have them."""
    with contextlib.ExitStack() as stack:
        for state in dict.fromkeys(one for one in states if isinstance(one, Alone | Together)):
            stack.enter_context(state.shown())
        yield


class Alone(ProjectState):
    """A state whose classes belong to no other one; mistakes are raised when it is asked for its apps."""

    def __init__(self, state: ProjectState) -> None:
        super().__init__({key: model.clone() for key, model in state.models.items()}, state.real_apps)
        self._listeners: list[Listener] = []
        with self.rendering(), contextlib.suppress(ValueError):
            _ = self.apps

    __hash__ = object.__hash__

    @contextlib.contextmanager
    def rendering(self) -> Iterator[None]:
        """While entered, models may be rendered."""
        with put_aside() as listeners:
            yield
        self._listeners += listeners

    def shown(self) -> contextlib.AbstractContextManager[None]:
        """While entered, the user's code may have it."""
        return connected(self._listeners)


class Together(ProjectState):
    """A state whose classes belong to others too; raises NotToBeShared."""

    def __init__(
        self,
        rendered: Sequence[Rendered],  # in the order in which Django would render them
        models: dict[tuple[str, str], ModelState],
        real: StateApps,  # with the models of the apps without migrations
        stage: Stage,
    ) -> None:
        super().__init__(models, set(real.app_configs))
        classes = [model for one in rendered for model in one.classes]
        classes += real.get_models(include_auto_created=True, include_swapped=True)
        self._stage = stage
        self.apps = registry(classes, real.app_configs)
        self.apps.real_models = real.real_models
        self.sides = dict(_sides(rendered, classes, stage))
        self._listeners = list(_of(rendered, classes, stage))

    __hash__ = object.__hash__

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """While entered, the user's code may have it."""
        self._stage.show(self)
        given: dict[Class, _Looks] = {}
        stubs = [cast("_Stub", stub) for stub in self.apps.app_configs.values()]
        for stub in stubs:
            stub.given = given
        try:
            with connected(self._listeners):
                yield
        finally:
            for stub in stubs:
                stub.given = None
            for read_pool in given.values():
                read_pool.put_back()


def _sides(
    rendered: Sequence[Rendered], classes: Sequence[Class], stage: Stage
) -> Iterator[tuple[Class, Sequence[Relation]]]:
    """Each class with all that points to it, and to what it builds on."""
    pointing: defaultdict[Class, list[Relation]] = defaultdict(list)
    for one in rendered:
        if one.relations is None or not _all_there(one, set(classes)):
            raise NotToBeShared
        for relation in one.relations:
            pointing[cast("Class", relation.target._meta.concrete_model)].append(relation)
    for model in classes:
        own = dict.fromkeys((cast("Class", model._meta.concrete_model), *model._meta.get_parent_list()))
        side = tuple(relation for base in own for relation in pointing.get(base, ()))
        yield model, stage.one_for_all(side)


def _all_there(one: Rendered, classes: Collection[Class]) -> bool:
    bases = [base for base in one.model.__bases__ if hasattr(base, "_meta") and not base._meta.abstract]
    throughs = (getattr(r.field.remote_field, "through", None) or r.target for r in one.relations or ())
    return {*bases, *throughs, *(r.target for r in one.relations or ())} <= {*classes}


def _of(rendered: Sequence[Rendered], classes: Sequence[Class], stage: Stage) -> Iterator[Listener]:
    """The listeners, without those that a class connected for others which are not there any more."""
    others = stage.ever - {id(model) for model in classes}
    for one in rendered:
        for signal, entry in one.listeners:
            receiver = entry[1]() if hasattr(entry[1], "__callback__") else entry[1]
            owner = getattr(getattr(receiver, "__self__", None), "model", None)
            if not others & {entry[0][1], id(owner)}:
                yield signal, entry
