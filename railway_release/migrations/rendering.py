"""Renders models as classes, and uses the classes of models that have not changed again.

Django renders every model again that is related, however far, to one that changes: for the migrations of a
hundred models from the first on that is ten thousand classes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property

from django.db.migrations.exceptions import InvalidBasesError
from django.db.migrations.state import ModelState, ProjectState, StateApps
from django.db.migrations.utils import resolve_relation
from django.db.models import Model

from railway_release.migrations.model_receivers import ModelReceiver, collecting_receivers
from railway_release.migrations.model_relations import CannotShare, RenderedModel, classes_of, relations
from railway_release.migrations.user_states import ClassFitter, SeparateState, SharedState, registry

ModelKey = tuple[str, str]  # app label, and model name in lower case
Models = Mapping[ModelKey, ModelState]


class Rendering:
    """The models rendered so far. `models` counts them, each time that one is rendered."""

    def __init__(self, real_apps: Iterable[str] = ()) -> None:
        self.models = 0
        self._real_apps = sorted(real_apps)  # without migrations; others may point to their models
        self._newest: dict[ModelKey, RenderedModel] = {}
        self._last: tuple[bool, SharedState | SeparateState] | None = None
        self._fitter = ClassFitter()

    def forget(self) -> None:
        """Render everything anew: a user's operation may have changed models in ways that cannot be seen."""
        self._newest.clear()
        self._last = None

    def shared(self, models: Models) -> ProjectState:
        """A state with these models, in which the unchanged ones have the classes of earlier states.

        A class knows the models that it points to, but not those that point to it.
        """
        stale = {key for key, model in models.items() if not self._is_current(key, model)}
        stale = closure(stale, referrers(models).__getitem__)
        copies = {key: models[key].clone() if key in stale else self._newest[key].state for key in models}
        existing = (one for key in models.keys() - stale for one in self._newest[key].classes)
        state, receivers = self._render(copies, stale, existing)
        for key in stale:
            model = state.apps.get_model(*key)
            targets = {other: state.apps.get_model(*other) for other in referred(copies, key)}
            classes = classes_of(model)
            known = RenderedModel(
                copies[key], model, classes, targets, tuple(receivers[key]), relations(classes)
            )
            self._newest[key] = known
            self._fitter.add(known)
        return state

    def separate(self, models: Models) -> ProjectState:
        """A state with these models alone, in which each also knows those that point to it."""
        state, _ = self._render({key: model.clone() for key, model in models.items()}, models, ())
        return state

    def for_user_code(self, state: ProjectState, *, separate: bool) -> SharedState | SeparateState:
        """All models of the state for the user's code; `separate`, if that may change classes or states."""
        last = self._last
        if last is None or last[0] is not separate or not _same_models(last[1], state):
            last = self._last = (
                separate,
                self._separate_state(state) if separate else self._shared_state(state),
            )
        return last[1]

    def _shared_state(self, state: ProjectState) -> SharedState | SeparateState:
        """A state of shared classes if they can be shared, otherwise a separate one."""
        try:
            self.shared(state.models)
            order = [self._newest[key] for key in in_order_of_bases(state.models)]
            models = {key: self._newest[key].state for key in state.models}
            return SharedState(order, models, self._real, self._fitter)
        except (CannotShare, ValueError):  # ValueError is Django's, if a model is missing
            return self._separate_state(state)

    def _separate_state(self, state: ProjectState) -> SeparateState:
        self.models += len(state.models)
        return SeparateState(state)

    def _is_current(self, key: ModelKey, model: ModelState) -> bool:
        known = self._newest.get(key)
        return (
            known is not None
            and _same(known.state, model)
            and all(self._newest[other].model is target for other, target in known.targets.items())
        )

    @cached_property
    def _real(self) -> StateApps:
        with collecting_receivers():
            return StateApps(self._real_apps, {})

    def _render(
        self, models: Models, new: Collection[ModelKey], existing: Iterable[type[Model]]
    ) -> tuple[ProjectState, defaultdict[ModelKey, list[ModelReceiver]]]:
        """The state with the `new` models rendered, and the receivers that each of these connected.

        StateApps would refuse a model that points to one that no longer exists.
        """
        state = ProjectState(dict(models))
        real = self._real.get_models(include_auto_created=True, include_swapped=True)
        state.apps = registry((*existing, *real), self._real_apps)
        receivers: defaultdict[ModelKey, list[ModelReceiver]] = defaultdict(list)
        if new:
            with state.apps.bulk_update(), collecting_receivers() as found:
                for key in in_order_of_bases({key: model for key, model in models.items() if key in new}):
                    earlier = len(found)
                    models[key].render(state.apps)
                    receivers[key] = found[earlier:]
        self.models += len(new)
        return state, receivers


def in_order_of_bases(models: Models) -> Iterator[ModelKey]:
    """The order in which Django renders the models: bases first, otherwise the given order."""
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
    """These models, and all that can be reached from them through neighbours."""
    found: set[ModelKey] = set()
    ahead = set(keys)
    while ahead:
        found |= ahead
        ahead = {other for key in ahead for other in neighbours(key)} - found
    return found


def referred(models: Models, key: ModelKey) -> set[ModelKey]:
    """The models that one points to or inherits from."""
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
    """For each model those that point to it or inherit from it."""
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
    """Whether both would be rendered alike; quick, since equal fields are mostly the same object."""
    return (one.fields, one.options, one.bases, one.managers) == (
        other.fields,
        other.options,
        other.bases,
        other.managers,
    )
