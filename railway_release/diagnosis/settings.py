"""Causes in Django's settings: the two lists of apps, and the routers."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator

from django.apps import apps
from django.conf import settings
from django.db import router
from django_tenants.routers import TenantSyncRouter
from django_tenants.utils import get_public_schema_name, get_tenant_types, has_multi_type_tenants

from railway_release.diagnosis.causes import Cause, cause
from railway_release.diagnosis.context import DiagnosisContext
from railway_release.errors import SettingsFailed
from railway_release.preflight import references
from railway_release.preflight.project import set_up
from railway_release.preflight.references import UnreachableKey
from railway_release.preflight.routing import has_table, shared_setting, tenants_setting
from railway_release.runtime.text import some

_CONTENT_TYPES = "django.contrib.contenttypes"
# Each tenant is to have its own; without them in the shared schema, its own admin has none.
_USUALLY_IN_BOTH = {_CONTENT_TYPES}


def are_loaded() -> bool:
    """Whether the apps are loaded; they can be without a database, too, unless something asks for one."""
    if not apps.ready:
        with contextlib.suppress(SettingsFailed):
            set_up()
    return apps.ready


def causes(keys: Iterable[UnreachableKey] | None = None) -> Iterator[Cause]:
    """All causes that the settings show; `keys` are the wrong foreign keys to tell of, by default all."""
    yield from unreachable_keys(references.unreachable() if keys is None else keys)
    shared, tenants = _names(shared_apps()), _names(tenant_apps())
    yield from in_both([name for name in shared if _has_tables(name)], tenants)
    yield from content_types(shared, tenants)
    own = [_path(one) for one in router.routers if type(one) is not TenantSyncRouter]
    if own:
        command = "make sure that they allow what the lists of apps say"
        yield cause("router.custom", f"DATABASE_ROUTERS holds {some(own)}", command)


def unreachable_keys(
    keys: Iterable[UnreachableKey], context: DiagnosisContext | None = None
) -> Iterator[Cause]:
    """A cause for each pair of apps with such keys: a change of settings concerns a whole app.

    With a context, it is about the schemas of that kind in which migrations are pending.
    """
    groups: dict[str, list[UnreachableKey]] = {}
    for one in keys:
        groups.setdefault(one.ways_out, []).append(one)
    plans = [one for one in context.schemas if one.pending] if context else []
    for ways_out, ones in groups.items():
        kinds = {(key.home.role == "shared", key.home.type) for key in ones}
        failing = [p.schema.name for p in plans if (p.schema.role == "shared", p.schema.type) in kinds]
        yield cause("key.unreachable", some([key.in_words for key in ones], 3), ways_out, failing)


def in_both(shared: Iterable[str], tenants: Iterable[str]) -> Iterator[Cause]:
    """Apps in both lists, whose tables are in the shared schema and in every tenant."""
    both = [name for name in shared if name in set(tenants) - _USUALLY_IN_BOTH]
    if both:
        seen = f"{some(both)} in {_both_settings()}"
        yield cause("app.in_both", seen, "if its rows belong in one place, take it out of the other list")


def content_types(shared: Iterable[str], tenants: Iterable[str]) -> Iterator[Cause]:
    """The cause where content types are in both lists, so that each tenant has ids of its own."""
    in_shared, in_tenants = _CONTENT_TYPES in shared, _CONTENT_TYPES in tenants
    if in_shared and in_tenants:
        seen = f"{_CONTENT_TYPES} in {_both_settings()}"
        yield cause("contenttypes.in_both", seen, "keep content types out of shared models")


def _both_settings() -> str:
    return f"{shared_setting()} and in {tenants_setting()}"


def _has_tables(name: str) -> bool:
    """Whether an app of this name has tables; one that is not installed is none's."""
    models = (config.get_models() for config in apps.get_app_configs() if config.name == name)
    return any(map(has_table, itertools.chain.from_iterable(models)))


def shared_apps() -> list[str]:
    """The apps of the shared schema."""
    if has_multi_type_tenants():
        return list(get_tenant_types().get(get_public_schema_name(), {}).get("APPS", ()))
    return list(getattr(settings, "SHARED_APPS", ()))


def tenant_apps() -> list[str]:
    """The apps of tenants of any type."""
    if has_multi_type_tenants():
        types = (entry for name, entry in get_tenant_types().items() if name != get_public_schema_name())
        return list(dict.fromkeys(app for entry in types for app in entry.get("APPS", ())))
    return list(getattr(settings, "TENANT_APPS", ()))


def _names(entries: Iterable[str]) -> list[str]:
    """The apps by their own names, since an entry may be the path of an AppConfig."""
    configs = list(apps.get_app_configs())
    return [
        next(
            (c.name for c in configs if one in (c.name, f"{type(c).__module__}.{type(c).__qualname__}")), one
        )
        for one in entries
    ]


def _path(one: object) -> str:
    return f"{type(one).__module__}.{type(one).__qualname__}"
