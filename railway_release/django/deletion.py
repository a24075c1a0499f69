"""Deleting a shared object together with the tenants' rows that point at it.

``from railway_release.django.deletion import delete_everywhere, TenantCascadeAdminMixin``
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from railway_release.django.everywhere import (
    Deletion,
    ProtectedInSchemas,
    RestrictedInSchemas,
    delete_everywhere,
)
from railway_release.django.locks import TooFewLocks

if TYPE_CHECKING:
    from railway_release.django.admin import TenantCascadeAdminMixin

__all__ = [
    "Deletion",
    "ProtectedInSchemas",
    "RestrictedInSchemas",
    "TenantCascadeAdminMixin",
    "TooFewLocks",
    "delete_everywhere",
]


def __getattr__(name: str) -> Any:
    """The mixin is looked up when it is used, since django.contrib.admin must be installed for it."""
    if name == "TenantCascadeAdminMixin":
        return import_module("railway_release.django.admin").TenantCascadeAdminMixin
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
