"""The content types and permissions that Django's post_migrate receivers create.

Django asks for them app by app and model by model, some hundred statements a tenant. What they should be
follows from the migrations alone, so it is computed once, without rendering a model.
Source: django.contrib.contenttypes.management.create_contenttypes and
django.contrib.auth.management.create_permissions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.apps.config import AppConfig
from django.conf import settings
from django.db.migrations.state import ModelState, ProjectState
from django.utils import translation
from django.utils.text import camel_case_to_spaces

DEFAULT_ACTIONS = ("add", "change", "delete", "view")


@dataclass(frozen=True)
class Rows:
    """Rows that django_content_type and auth_permission should have; they may have more."""

    content_types: tuple[tuple[str, str], ...] = ()  # app label, model
    permissions: tuple[tuple[str, str, str, str], ...] = ()  # app label, model, codename, name

    def __bool__(self) -> bool:
        return bool(self.content_types or self.permissions)

    def without(self, others: Rows) -> Rows:
        """The rows that are not among the others."""
        types, permissions = set(others.content_types), set(others.permissions)
        return Rows(
            tuple(row for row in self.content_types if row not in types),
            tuple(row for row in self.permissions if row not in permissions),
        )


def expected_rows(state: ProjectState) -> Rows:
    """The rows for a schema whose migrations have led to this state; none without contenttypes."""
    if ("contenttypes", "contenttype") not in state.models:
        return Rows()
    with_permissions = ("auth", "permission") in state.models
    with translation.override(None):  # as migrate does: rows are the same whatever the language
        models = [
            (config.label, *model)
            for config in apps.get_app_configs()
            if config.models_module is not None
            for model in _models(config, state)
        ]
    return Rows(
        tuple((app, model) for app, model, _ in models),
        tuple(
            (app, model, codename, name)
            for app, model, permissions in models
            for codename, name in permissions
            if with_permissions
        ),
    )


def _models(config: AppConfig, state: ProjectState) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """Name and permissions of each model of an app, sorted by name."""
    models = {name: model for (app, name), model in state.models.items() if app == config.label}
    if config.label in state.real_apps:  # without migrations: the models are those of the code
        real = (ModelState.from_model(model, exclude_rels=True) for model in config.get_models())
        models = {model.name_lower: model for model in real}
    for name, model in sorted(models.items()):
        if not is_swapped(config.label, name, model.options):
            raw = model.options.get("verbose_name") or camel_case_to_spaces(model.name)
            yield name, _permissions(name, raw, model.options)


def _permissions(model: str, verbose_name: str, options: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    actions = options.get("default_permissions", DEFAULT_ACTIONS)
    own = tuple((str(codename), str(name)) for codename, name in options.get("permissions", ()))
    return (*((f"{action}_{model}", f"Can {action} {verbose_name}") for action in actions), *own)


def is_swapped(app: str, name: str, options: Mapping[str, Any]) -> bool:
    """Whether a setting (AUTH_USER_MODEL) names another model in place of this one."""
    named = getattr(settings, options.get("swappable") or "", None)
    return bool(named) and str(named).lower() != f"{app}.{name}".lower()
