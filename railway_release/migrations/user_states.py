"""The states that the user's code gets: all models at one point of the migrations.

A model's class has attributes for the models that point to it (`author.book_set`), and its options cache
them. So classes that belong to several states are changed to fit the state in use; and what the user's code
changes on the classes that it asks for is restored.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, cast

from django.db.migrations.state import AppConfigStub, ModelState, ProjectState, StateApps

from railway_release.migrations.model_receivers import ModelReceiver, collecting_receivers, connected
from railway_release.migrations.model_relations import CannotShare, Class, Relation, RenderedModel


def registry(classes: Iterable[Class], labels: Iterable[str]) -> StateApps:
    """An app registry of existing classes, with these labels beside those of the classes' apps."""
    apps = StateApps([], {})
    for model in classes:
        apps.all_models[model._meta.app_label][cast("str", model._meta.model_name)] = model
    for label in sorted({*labels, *apps.all_models}):
        stub = _RecordingStub(label)
        stub.apps = apps
        stub.import_models()
        apps.app_configs[label] = stub
    return apps


class _RecordingStub(AppConfigStub):
    """Remembers the classes that it returned, as they were before the user's code had them."""

    returned: dict[Class, _SavedClass] | None = None  # None while the state is not in use

    def get_model(self, model_name: str, require_ready: bool = True) -> Class:
        model: Class = super().get_model(model_name, require_ready)
        if self.returned is not None and model not in self.returned:
            self.returned[model] = _SavedClass(model)
        return model


class _SavedClass:
    """The attributes of a class, its options and its fields, to be restored."""

    def __init__(self, model: Class) -> None:
        self._model = model
        self._attributes = dict(model.__dict__)
        own = (*model._meta.local_fields, *model._meta.local_many_to_many)
        self._others = [(one, dict(one.__dict__)) for one in (model._meta, *own)]

    def restore(self) -> None:
        """Delete what was added to the class, and set what was changed or deleted."""
        model, attributes = self._model, self._attributes
        for name in model.__dict__.keys() - attributes.keys():
            delattr(model, name)
        for name, value in attributes.items():
            if model.__dict__.get(name) is not value:
                setattr(model, name, value)
        for one, before in self._others:
            # New attributes are Django's caches, and deleted ones are caches that Django fills again.
            now = one.__dict__
            now.update({name: before[name] for name in before.keys() & now.keys()})


class ClassFitter:
    """Makes classes that belong to several states fit the one in use."""

    def __init__(self) -> None:
        self._fitted: dict[Class, Sequence[Relation]] = {}
        self._names: defaultdict[Class, set[str]] = defaultdict(set)
        self._current: SharedState | None = None
        self._distinct: dict[Sequence[Relation], Sequence[Relation]] = {}
        self.rendered: set[int] = set()  # the ids of all classes ever, as Django's signals know them

    def add(self, rendered: RenderedModel) -> None:
        """Take note of a class that was rendered: that has changed the attributes of others."""
        self._fitted.clear()
        self._current = None
        self.rendered |= {id(model) for model in rendered.classes}
        for relation in rendered.relations or ():
            self._names[relation.holder] |= relation.attributes.keys()

    def interned(self, relations: Sequence[Relation]) -> Sequence[Relation]:
        """The same object for equal relations, so that `fit` can compare by identity."""
        return self._distinct.setdefault(relations, relations)

    def fit(self, state: SharedState) -> None:
        """Change the classes so that they fit this state."""
        if self._current is state:
            return
        for model, incoming in state.incoming.items():
            model._meta.apps = state.apps
            if self._fitted.get(model) is not incoming:
                self._fit(model, incoming)
                self._fitted[model] = incoming
        self._current = state

    def _fit(self, model: Class, incoming: Sequence[Relation]) -> None:
        wanted = {name: one for r in incoming if r.holder is model for name, one in r.attributes.items()}
        for name in self._names[model]:
            if name not in wanted and name in model.__dict__:
                delattr(model, name)
        for name, attribute in wanted.items():
            setattr(model, name, attribute)
        remotes = (r.field.remote_field for r in incoming if r.target is model and r.attributes)
        model._meta.related_fkey_lookups = [
            one.limit_choices_to for one in remotes if one.limit_choices_to and not one.hidden
        ]
        cast("Any", model._meta)._expire_cache()  # noqa: SLF001 - as a registry does when it changes


@contextlib.contextmanager
def in_use(*states: ProjectState) -> Iterator[None]:
    """While entered, the user's code may use the models of these states."""
    with contextlib.ExitStack() as stack:
        for state in dict.fromkeys(one for one in states if isinstance(one, SeparateState | SharedState)):
            stack.enter_context(state.in_use())
        yield


class SeparateState(ProjectState):
    """A state whose classes belong to no other one.

    Its models are rendered at once; where Django cannot do that, `apps` raises ValueError when it is read.
    """

    def __init__(self, state: ProjectState) -> None:
        super().__init__({key: model.clone() for key, model in state.models.items()}, state.real_apps)
        self._receivers: list[ModelReceiver] = []
        with self.rendering(), contextlib.suppress(ValueError):
            _ = self.apps

    __hash__ = object.__hash__

    @contextlib.contextmanager
    def rendering(self) -> Iterator[None]:
        """While entered, models may be rendered; the receivers that they connect are kept for `in_use`."""
        with collecting_receivers() as receivers:
            yield
        self._receivers += receivers

    def in_use(self) -> contextlib.AbstractContextManager[None]:
        """While entered, the user's code may use its models."""
        return connected(self._receivers)


class SharedState(ProjectState):
    """A state whose classes belong to other states too; raises CannotShare."""

    def __init__(
        self,
        rendered: Sequence[RenderedModel],  # in the order in which Django would render them
        models: dict[tuple[str, str], ModelState],
        real: StateApps,  # with the models of the apps without migrations
        fitter: ClassFitter,
    ) -> None:
        super().__init__(models, set(real.app_configs))
        classes = [model for one in rendered for model in one.classes]
        classes += real.get_models(include_auto_created=True, include_swapped=True)
        self._fitter = fitter
        self.apps = registry(classes, real.app_configs)
        self.apps.real_models = real.real_models
        self.incoming = dict(_incoming(rendered, classes, fitter))
        self._receivers = list(_receivers_of(rendered, classes, fitter))

    __hash__ = object.__hash__

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """While entered, the user's code may use its models."""
        self._fitter.fit(self)
        returned: dict[Class, _SavedClass] = {}
        stubs = [cast("_RecordingStub", stub) for stub in self.apps.app_configs.values()]
        for stub in stubs:
            stub.returned = returned
        try:
            with connected(self._receivers):
                yield
        finally:
            for stub in stubs:
                stub.returned = None
            for saved in returned.values():
                saved.restore()


def _incoming(
    rendered: Sequence[RenderedModel], classes: Sequence[Class], fitter: ClassFitter
) -> Iterator[tuple[Class, Sequence[Relation]]]:
    """Each class with the relations that point to it or to a class that it inherits from."""
    pointing: defaultdict[Class, list[Relation]] = defaultdict(list)
    for one in rendered:
        if one.relations is None or not _is_complete(one, set(classes)):
            raise CannotShare
        for relation in one.relations:
            pointing[cast("Class", relation.target._meta.concrete_model)].append(relation)
    for model in classes:
        own = dict.fromkeys((cast("Class", model._meta.concrete_model), *model._meta.get_parent_list()))
        incoming = tuple(relation for base in own for relation in pointing.get(base, ()))
        yield model, fitter.interned(incoming)


def _is_complete(one: RenderedModel, classes: Collection[Class]) -> bool:
    """Whether all that the model inherits from or points to is among the classes."""
    bases = [base for base in one.model.__bases__ if hasattr(base, "_meta") and not base._meta.abstract]
    throughs = (getattr(r.field.remote_field, "through", None) or r.target for r in one.relations or ())
    return {*bases, *throughs, *(r.target for r in one.relations or ())} <= {*classes}


def _receivers_of(
    rendered: Sequence[RenderedModel], classes: Sequence[Class], fitter: ClassFitter
) -> Iterator[ModelReceiver]:
    """The models' receivers, without those that a class connected for classes that are not in the state."""
    others = fitter.rendered - {id(model) for model in classes}
    for one in rendered:
        for signal, entry in one.receivers:
            receiver = entry[1]() if hasattr(entry[1], "__callback__") else entry[1]
            owner = getattr(getattr(receiver, "__self__", None), "model", None)
            if not others & {entry[0][1], id(owner)}:
                yield signal, entry
