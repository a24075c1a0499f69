"""Rendering: models as classes, those that have not changed as the same classes again.

Django renders every model again that is related, however far, to one that changes: from zero that is ten
thousand classes for a hundred models.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from django.db.migrations.state import ModelState, ProjectState, StateApps
from django.db.migrations.utils import resolve_relation
from django.db.models import Model

ModelKey = tuple[str, str]  # app label, and model name in lower case
Models = Mapping[ModelKey, ModelState]


@dataclass(frozen=True)
class _Rendered:
    """A model as it was when it was rendered, and the classes that it points to."""

    state: ModelState
    model: type[Model]
    targets: Mapping[ModelKey, type[Model]]


class Rendering:
    """What was rendered so far, to be used again where nothing has changed."""

    def __init__(self, real_apps: Iterable[str] = ()) -> None:
        self.models = 0
        self._real_apps = sorted(real_apps)  # without migrations; others may point to their models
        self._newest: dict[ModelKey, _Rendered] = {}
        self._whole: ProjectState | None = None

    def forget(self) -> None:
        """A user's operation may have changed models in ways that cannot be seen."""
        self._newest.clear()
        self._whole = None

    def shared(self, models: Models) -> ProjectState:
        """A state in which models that have not changed are those of earlier states.

        To them, the others do not exist: in it, only what a model points to can be relied on.
        """
        stale = {key for key, model in models.items() if not self._is_current(key, model)}
        stale = closure(stale, referrers(models).__getitem__)
        copies = {key: models[key].clone() if key in stale else self._newest[key].state for key in models}
        state = self._render(copies, {key: self._newest[key].model for key in models.keys() - stale})
        for key in stale:
            targets = {other: state.apps.get_model(*other) for other in referred(copies, key)}
            self._newest[key] = _Rendered(copies[key], state.apps.get_model(*key), targets)
        return state

    def separate(self, models: Models) -> ProjectState:
        """A state whose models know each other, and nothing else."""
        return self._render({key: model.clone() for key, model in models.items()}, {})

    def whole(self, state: ProjectState) -> ProjectState:
        """All models, as user code sees them."""
        last = self._whole
        if last is None or [*last.models] != [*state.models] or not _all_same(last.models, state.models):
            self._whole = last = ProjectState(
                {key: model.clone() for key, model in state.models.items()}, state.real_apps
            )
            with contextlib.suppress(ValueError):  # raised again when the code asks for them, as by Django
                _ = last.apps
            self.models += len(last.models)
        return last

    def _is_current(self, key: ModelKey, model: ModelState) -> bool:
        known = self._newest.get(key)
        return (
            known is not None
            and _same(known.state, model)
            and all(self._newest[other].model is target for other, target in known.targets.items())
        )

    def _render(self, models: Models, existing: Mapping[ModelKey, type[Model]]) -> ProjectState:
        """Not as StateApps does it when it is given all at once: a model may point to one that is gone."""
        state = ProjectState(dict(models))
        state.apps = StateApps(self._real_apps, {})
        with state.apps.bulk_update():
            for (app, _), model in existing.items():
                state.apps.register_model(app, model)
        new = [model for key, model in models.items() if key not in existing]
        state.apps.render_multiple(new)
        self.models += len(new)
        return state


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


def _all_same(some: Models, others: Models) -> bool:
    return all(_same(model, others[key]) for key, model in some.items())


def _same(one: ModelState, other: ModelState) -> bool:
    """Whether both would be rendered alike; fields that are equal are mostly one object."""
    return (one.fields, one.options, one.bases, one.managers) == (
        other.fields,
        other.options,
        other.bases,
        other.managers,
    )
