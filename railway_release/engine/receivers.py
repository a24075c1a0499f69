"""The signals around the migrations of a schema, as django-tenants and Django's migrate send them.

Django's own receivers are replaced by one statement for all rows; those of others are called.
"""

from __future__ import annotations

import contextlib
import copy
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.apps import apps
from django.apps.registry import Apps
from django.contrib.contenttypes import management as contenttypes
from django.db.migrations.migration import Migration
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.signals import post_migrate, pre_migrate
from django.dispatch import Signal
from django.utils.module_loading import module_has_submodule

from railway_release.engine.identity import Identity
from railway_release.migrations.user_states import SeparateState

_PERMISSIONS = "django.contrib.auth.management"
# Django's receivers, without those that the project has disconnected.
_removed: list[tuple[Signal, dict[str, Any]]] = []


def register() -> None:
    """Import what registers receivers, as the migrate command does."""
    for config in apps.get_app_configs():
        if config.module is not None and module_has_submodule(config.module, "management"):
            import_module(".management", config.name)


@contextlib.contextmanager
def without_djangos_own() -> Iterator[None]:
    """While entered, Django's receivers for content types and permissions are disconnected."""
    _removed[:] = [(signal, arguments) for signal, arguments in _own() if signal.disconnect(**arguments)]
    try:
        yield
    finally:
        while _removed:
            signal, arguments = _removed.pop()
            signal.connect(**arguments)


@contextlib.contextmanager
def with_djangos_own() -> Iterator[None]:
    """While entered, they are connected again, since the project's code may run migrations itself."""
    for signal, arguments in _removed:
        signal.connect(**arguments)
    try:
        yield
    finally:
        for signal, arguments in _removed:
            signal.disconnect(**arguments)


def _own() -> Iterator[tuple[Signal, dict[str, Any]]]:
    if apps.is_installed("django.contrib.contenttypes"):
        config = apps.get_app_config("contenttypes")
        injects = contenttypes.inject_rename_contenttypes_operations
        yield pre_migrate, {"receiver": injects, "sender": config}
        yield post_migrate, {"receiver": contenttypes.create_contenttypes}
    if apps.is_installed("django.contrib.auth"):
        auth = import_module(_PERMISSIONS)
        for name, id in (
            ("rename_permissions_after_model_rename", "rename_permissions"),
            ("create_permissions", "create_permissions"),
        ):
            if hasattr(auth, name):
                yield post_migrate, {"receiver": getattr(auth, name), "dispatch_uid": f"{_PERMISSIONS}.{id}"}


def are_listening(signal: Signal) -> bool:
    """Whether the signal, pre_migrate or post_migrate, has receivers for any app."""
    return any(signal.has_listeners(config) for config in apps.get_app_configs())


def send_pre_migrate(identity: Identity, alias: str, state: SeparateState, plan: list[Migration]) -> None:
    """Send pre_migrate. Raises RuntimeError if a receiver changes the plan, which other schemas share."""
    clear_content_type_caches(state.apps)
    steps = [(_copied(migration), False) for migration in plan]
    shown = list(steps)
    with state.in_use():
        _send(pre_migrate, "pre_migrate", identity, using=alias, apps=state.apps, plan=shown)
    same = shown == steps and all(a.operations == b.operations for a, (b, _) in zip(plan, steps, strict=True))
    if not same:
        raise RuntimeError("A pre_migrate receiver changes the plan; migrate with --engine stock.")


def _copied(migration: Migration) -> Migration:
    copied = copy.copy(migration)
    copied.__dict__["operations"] = list(migration.operations)
    return copied


def send_post_migrate(identity: Identity, alias: str, state: SeparateState, plan: list[Migration]) -> None:
    """Send post_migrate with the migrations that were applied."""
    clear_content_type_caches(state.apps)
    steps = [(migration, False) for migration in plan]
    with state.in_use():
        _send(post_migrate, "post_migrate", identity, using=alias, apps=state.apps, plan=steps)


def _send(signal: Signal, name: str, identity: Identity, **named: Any) -> None:
    """Send the signal for each app, as Django's emit_pre_migrate_signal and emit_post_migrate_signal do."""
    for config in apps.get_app_configs():
        if config.models_module is not None:
            more = {"app_config": config, "verbosity": 1, "interactive": False, "stdout": sys.stdout}
            identity.send(signal, name, config, **more, **named)


def clear_content_type_caches(*registries: Apps) -> None:
    """Clear the caches of the content types' managers, whose ids differ between schemas."""
    for registry in registries:
        with contextlib.suppress(LookupError):
            registry.get_model("contenttypes", "ContentType").objects.clear_cache()


def post_migrate_state(state: ProjectState) -> SeparateState:
    """The registry that post_migrate is given: every model rendered, also of apps without migrations."""
    rendered = SeparateState(state)
    keys = [(one.app_label, one.name_lower) for one in rendered.apps.real_models]
    with rendered.rendering():
        with rendered.apps.bulk_update():
            for key in keys:
                rendered.apps.unregister_model(*key)
        rendered.apps.render_multiple([ModelState.from_model(apps.get_model(*key)) for key in keys])
    return rendered
