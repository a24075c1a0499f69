"""Causes in Django's settings: the two lists of apps, and the routers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from django.apps import apps
from django.conf import settings
from django.db import router
from django_tenants.routers import TenantSyncRouter
from django_tenants.utils import get_public_schema_name, get_tenant_types, has_multi_type_tenants

from railway_release.diagnosis.causes import Cause, cause
from railway_release.errors import SettingsFailed
from railway_release.preflight.project import set_up
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


def causes() -> Iterator[Cause]:
    """All causes that the settings show by themselves."""
    shared, tenants = _names(shared_apps()), _names(tenant_apps())
    yield from in_both(shared, tenants)
    yield from content_types(shared, tenants)
    own = [_path(one) for one in router.routers if type(one) is not TenantSyncRouter]
    if own:
        command = "make sure that they allow what the lists of apps say"
        yield cause("router.custom", f"DATABASE_ROUTERS holds {some(own)}", command)


def in_both(shared: Iterable[str], tenants: Iterable[str]) -> Iterator[Cause]:
    """Apps in both lists, whose tables are in the shared schema and in every tenant."""
    both = [name for name in shared if name in set(tenants) - _USUALLY_IN_BOTH]
    if both:
        seen = f"{some(both)} in SHARED_APPS and in TENANT_APPS"
        yield cause("app.in_both", seen, "decide where its rows belong, and take it out of the other list")


def content_types(shared: Iterable[str], tenants: Iterable[str]) -> Iterator[Cause]:
    """The cause where content types are in both lists, so that each tenant has ids of its own."""
    in_shared, in_tenants = _CONTENT_TYPES in shared, _CONTENT_TYPES in tenants
    if in_shared and in_tenants:
        seen = f"{_CONTENT_TYPES} in SHARED_APPS and in TENANT_APPS"
        yield cause("contenttypes.in_both", seen, "keep content types out of shared models")


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
