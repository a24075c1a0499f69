"""Rendering: models as classes, those that have not changed as the same classes again.

Django renders every model again that is related, however far, to one that changes: from zero that is ten
thousand classes for a hundred models.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property

from django.db.migrations.exceptions import InvalidBasesError
from django.db.migrations.state import ModelState, ProjectState, StateApps
from django.db.migrations.utils import resolve_relation
from django.db.models import Model

from railway_release.migrations.listeners import Listener, put_aside
from railway_release.migrations.shown import (
    Alone,
    NotToBeShared,
    Rendered,
    Stage,
    Together,
    classes_of,
    registry,
    relations,
)

ModelKey = tuple[str, str]  # app label, and model name in lower case
Models = Mapping[ModelKey, ModelState]


class Rendering:
    """What was rendered so far, to be used again where nothing has changed."""

    def __init__(self, real_apps: Iterable[str] = ()) -> None:
        self.models = 0
        self._real_apps = sorted(real_apps)  # without migrations; others may point to their models
        self._newest: dict[ModelKey, Rendered] = {}
        self._last: tuple[bool, Together | Alone] | None = None
        self._stage = Stage()

    def forget(self) -> None:
        """A user's operation may have changed models in ways that cannot be seen."""
        self._newest.clear()
        self._last = None

    def shared(self, models: Models) -> ProjectState:
        """A state in which models that have not changed are those of earlier states.

        To them, the others do not exist: in it, only what a model points to can be relied on.
        """
        stale = {key for key, model in models.items() if not self._is_current(key, model)}
        stale = closure(stale, referrers(models).__getitem__)
        copies = {key: models[key].clone() if key in stale else self._newest[key].state for key in models}
        existing = (one for key in models.keys() - stale for one in self._newest[key].classes)
        state, listeners = self._render(copies, stale, existing)
        for key in stale:
            model = state.apps.get_model(*key)
            targets = {other: state.apps.get_model(*other) for other in referred(copies, key)}
            classes = classes_of(model)
            known = Rendered(copies[key], model, classes, targets, tuple(listeners[key]), relations(classes))
            self._newest[key] = known
            self._stage.changed(known)
        return state

    def separate(self, models: Models) -> ProjectState:
        """A state whose models know each other, and nothing else."""
        state, _ = self._render({key: model.clone() for key, model in models.items()}, models, ())
        return state

    def whole(self, state: ProjectState, *, alone: bool) -> Together | Alone:
        """All models, as user code sees them; `alone`, if it may change them, or wants their states."""
        if self._last and self._last[0] is alone and _same_models(self._last[1], state):
            return self._last[1]
        whole = self._alone(state) if alone else self._together(state)
        self._last = (alone, whole)
        return whole

    def _together(self, state: ProjectState) -> Together | Alone:
        """Of classes that other states have too."""
        try:
            self.shared(state.models)
            order = [self._newest[key] for key in in_order_of_bases(state.models)]
            models = {key: self._newest[key].state for key in state.models}
            return Together(order, models, self._real, self._stage)
        except (NotToBeShared, ValueError):  # the latter as by Django, if there is a model missing
            return self._alone(state)

    def _alone(self, state: ProjectState) -> Alone:
        whole = Alone(state)
        self.models += len(whole.models)
        return whole

    def _is_current(self, key: ModelKey, model: ModelState) -> bool:
        known = self._newest.get(key)
        return (
            known is not None
            and _same(known.state, model)
            and all(self._newest[other].model is target for other, target in known.targets.items())
        )

    @cached_property
    def _real(self) -> StateApps:
        with put_aside():
            return StateApps(self._real_apps, {})

    def _render(
        self, models: Models, new: Collection[ModelKey], existing: Iterable[type[Model]]
    ) -> tuple[ProjectState, defaultdict[ModelKey, list[Listener]]]:
        """Not as StateApps does it when it is given all at once: a model may point to one that is gone."""
        state = ProjectState(dict(models))
        real = self._real.get_models(include_auto_created=True, include_swapped=True)
        state.apps = registry((*existing, *real), self._real_apps)
        listeners: defaultdict[ModelKey, list[Listener]] = defaultdict(list)
        if new:
            with state.apps.bulk_update(), put_aside() as found:
                for key in in_order_of_bases({key: model for key, model in models.items() if key in new}):
                    earlier = len(found)
                    models[key].render(state.apps)
                    listeners[key] = found[earlier:]
        self.models += len(new)
        return state, listeners


def in_order_of_bases(models: Models) -> Iterator[ModelKey]:
    """The order in which Django renders them: bases first, else as they come."""
    waiting = dict.fromkeys(models)
    while waiting:
        ready: dict[ModelKey, None] = {}
        for key in waiting:
            bases = (resolve_relation(base, *key) for base in models[key].bases if isinstance(base, str))
            if all(base not in waiting or base in ready for base in bases):
                ready[key] = None
        if not ready:
            raise InvalidBasesError(f"models that build on each other: {', '.join(map(str, waiting))}")
        yield from ready
        for key in ready:
            del waiting[key]


def closure(keys: Iterable[ModelKey], neighbours: Callable[[ModelKey], Iterable[ModelKey]]) -> set[ModelKey]:
    """These models, their neighbours, and theirs."""
    found: set[ModelKey] = set()
    ahead = set(keys)
    while ahead:
        found |= ahead
        ahead = {other for key in ahead for other in neighbours(key)} - found
    return found


def referred(models: Models, key: ModelKey) -> set[ModelKey]:
    """The models that one points to, or builds on."""
    found: set[ModelKey] = set()
    fields = [*models[key].fields.values()]
    for base in models[key].bases:
        if isinstance(base, str):
            found.add(resolve_relation(base, *key))
        elif hasattr(base, "_meta"):  # mixins have none
            fields += (*base._meta.local_fields, *base._meta.local_many_to_many)
            found.add(resolve_relation(base))
    for field in fields:
        remote = field.remote_field
        for end in (getattr(remote, "model", None), getattr(remote, "through", None)):
            if end is not None:
                found.add(resolve_relation(end, *key))
    return found & models.keys()


def referrers(models: Models) -> defaultdict[ModelKey, set[ModelKey]]:
    """The other way round."""
    found: defaultdict[ModelKey, set[ModelKey]] = defaultdict(set)
    for key in models:
        for other in referred(models, key):
            found[other].add(key)
    return found


def _same_models(one: ProjectState, other: ProjectState) -> bool:
    return [*one.models] == [*other.models] and all(
        _same(model, other.models[key]) for key, model in one.models.items()
    )


def _same(one: ModelState, other: ModelState) -> bool:
    """Whether both would be rendered alike; fields that are equal are mostly one object."""
    return (one.fields, one.options, one.bases, one.managers) == (
        other.fields,
        other.options,
        other.bases,
        other.managers,
    )
