"""In which schemas the database routers want a model's table."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import router
from django.db.models import Model
from django_tenants.utils import get_public_schema_name, get_tenant_types, has_multi_type_tenants

from railway_release.topology import Schema, tenant_connection

# No schema of this name is ever asked for anything: the routers only compare it with the shared one's.
_ANY = "any tenant"


def belongs(model: type[Model], schema: Schema) -> bool:
    """Whether the table of this model is to be in this schema; nothing is sent to the server."""
    connection = tenant_connection()
    connection.set_schema(schema.name, tenant_type=schema.type)
    return bool(router.allow_migrate_model(connection.alias, model)) and has_table(model)


def in_shared(model: type[Model]) -> bool:
    """Whether the shared schema is to have it."""
    return belongs(model, shared_kind())


def in_tenants(model: type[Model]) -> bool:
    """Whether tenant schemas, of one type at least, are to have it."""
    return any(belongs(model, kind) for kind in tenant_kinds())


def shared_kind() -> Schema:
    """The shared schema."""
    return Schema(get_public_schema_name(), "shared")


def tenant_kinds() -> list[Schema]:
    """A schema for each type of tenants, of a name that no schema has; the routers ask for the type alone."""
    public = get_public_schema_name()
    types = [one for one in get_tenant_types() if one != public] if has_multi_type_tenants() else [None]
    return [Schema(_ANY, "tenant", type) for type in types]


def only_tenants(models: Iterable[type[Model]]) -> list[type[Model]]:
    """The models whose tables only tenants are to have."""
    return [one for one in models if has_table(one) and not in_shared(one) and in_tenants(one)]


def has_table(model: type[Model]) -> bool:
    """Whether it is a model with a table of its own that migrations make."""
    options = model._meta
    return bool(options.managed and not options.proxy and not options.swapped and not options.abstract)


def home_in_words(model: type[Model]) -> str:
    """``of an app in TENANT_APPS alone``."""
    shared, tenants = in_shared(model), in_tenants(model)
    if shared and tenants:
        return f"of an app in {shared_setting()} and {tenants_setting()}"
    if not shared and not tenants:
        return f"of an app in neither {shared_setting()} nor {tenants_setting()}"
    return f"of an app in {shared_setting() if shared else tenants_setting()} alone"


def shared_setting() -> str:
    """The setting that lists the apps of the shared schema."""
    return (
        f"TENANT_TYPES[{get_public_schema_name()!r}]['APPS']" if has_multi_type_tenants() else "SHARED_APPS"
    )


def tenants_setting(type: str | None = None) -> str:
    """The setting that lists the apps of tenants, of this type or of any."""
    if not has_multi_type_tenants():
        return "TENANT_APPS"
    return f"TENANT_TYPES[{type!r}]['APPS']" if type else "the APPS of a tenant type"
