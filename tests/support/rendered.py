"""What user code can see of a state's models: `python -m tests.support.rendered LABEL…` beside a manage.py.

After each operation of these apps the state is kept as the engine renders it; then some of them are looked at
in another order, and compared with what Django renders. Prints how many there were, how many of them share
their classes, how many models were rendered for all and how many Django would have rendered; and the
differences.
"""

import json
import random
import sys
from collections.abc import Iterator
from typing import Any

import django
from django.db.models import Field
from django.db.models.fields.reverse_related import ForeignObjectRel

_LOOKED_AT = 60


def main() -> None:
    """Compare, and print."""
    django.setup()
    from django.db.migrations.state import StateApps

    from railway_release.engine.states import States
    from railway_release.migrations.disk import Graph
    from railway_release.migrations.rendering import Rendering
    from railway_release.migrations.user_states import SharedState, in_use

    graph, labels = Graph(()), sys.argv[1:]
    states = States(graph.state, Rendering(graph.unmigrated_apps))
    kept: list[tuple[str, Any, Any]] = []
    fresh = 0
    for key in graph.in_order():
        for operation in graph.graph.nodes[key].operations:
            states.advance(operation, key[0])
            if key[0] not in labels:
                continue
            fresh += len(states.now.models)
            whole = states.rendering.for_user_code(states.now, separate=False)
            if "apps" in vars(whole):  # else models are missing, and Django could not show it either
                kept.append((f"{key} {operation.describe()}", whole, states.now.clone()))
    differences = []
    for name, whole, own in random.Random(7).sample(kept, _LOOKED_AT):  # noqa: S311
        expected = described(StateApps(sorted(own.real_apps), own.models))
        with in_use(whole):
            found = described(whole.apps)
        differences += [
            f"{name}: {what}: {found.get(what)} instead of {expected.get(what)}"
            for what in {**found, **expected}
            if found.get(what) != expected.get(what)
        ]
    together = sum(isinstance(whole, SharedState) for _, whole, _ in kept)
    print(json.dumps([len(kept), together, states.rendering.models, fresh, differences[:20]]))


def described(apps: Any) -> dict[str, object]:
    """Everything that can be reached from a registry, in words; identity too."""
    models = apps.get_models(include_auto_created=True, include_swapped=True)
    found: dict[str, object] = {
        "labels": list(apps.app_configs),
        "models": [model._meta.label for model in models],
        "listed": [model._meta.label for model in apps.get_models()],
    }
    for model in models:
        found |= {f"{model._meta.label} {what}": value for what, value in _of_model(apps, model)}
    return found


def _of_model(apps: Any, model: Any) -> Iterator[tuple[str, object]]:
    options = model._meta
    yield "registry", options.apps is apps
    yield "itself", _named(apps, model)
    yield "line", [_named(apps, one) for one in model.__mro__]
    yield "concrete", _named(apps, options.concrete_model)
    yield "proxy for", _named(apps, options.proxy_for_model)
    yield "parents", [(_named(apps, one), field and field.name) for one, field in options.parents.items()]
    yield "managers", [(one.name, type(one).__name__) for one in options.managers]
    yield "lookups", list(map(str, options.related_fkey_lookups))
    names = ("db_table", "ordering", "unique_together", "managed", "swapped", "verbose_name")
    yield "options", [str(getattr(options, name)) for name in names]
    yield "rules", sorted(one.name for one in (*options.indexes, *options.constraints))
    for hidden in (False, True):
        fields = options.get_fields(include_hidden=hidden)
        yield f"fields {hidden}", [_of_field(apps, one) for one in fields]
    yield "pointing", [_of_field(apps, one) for one in options._relation_tree]
    yield "by name", sorted(options.fields_map)
    yield "attributes", sorted((name, _of_attribute(apps, one)) for name, one in vars(model).items())


def _of_field(apps: Any, field: Any) -> object:
    ends: tuple[Any, ...]
    if isinstance(field, ForeignObjectRel):
        ends = (field.model, field.related_model, getattr(field, "through", None))
        return ("rel", field.name, field.get_accessor_name(), [_named(apps, one) for one in ends])
    remote = field.remote_field
    ends = (remote.model, getattr(remote, "through", None)) if remote else ()
    pointed = [one.name for one in getattr(field, "foreign_related_fields", ())]
    return (
        field.name,
        field.attname,
        field.column,
        str(field.deconstruct()[1:]) if not field.auto_created else type(field).__name__,
        _named(apps, field.model),
        [_named(apps, one) for one in ends],
        pointed,
    )


def _of_attribute(apps: Any, attribute: Any) -> str:
    end = getattr(attribute, "rel", getattr(attribute, "related", getattr(attribute, "field", None)))
    pointed = _of_field(apps, end) if isinstance(end, Field | ForeignObjectRel) else ""
    return f"{type(attribute).__name__} {pointed}"


def _named(apps: Any, model: Any) -> str:
    """A model by its name, and whether it is the one that the registry has under this name."""
    if not hasattr(model, "_meta"):
        return str(getattr(model, "__name__", model))
    registered = apps.all_models[model._meta.app_label].get(model._meta.model_name)
    return f"{model._meta.label}{'' if registered is model else ' (another one)'}"


if __name__ == "__main__":
    main()
