"""Which tables each schema really has, and working inside one schema."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django_tenants.utils import get_public_schema_name, get_tenant_model

from railway_release.naming import table_of
from railway_release.postgres import catalog
from railway_release.postgres.session import clip
from railway_release.topology import TenantConnection

_RECORDS = "django_migrations"
_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Layout:
    """The shared schema, the tenants' schemas, and their tables as the catalog has them.

    A tenant's schema is one with a tenant row or with migration records, as for a release; any other
    schema, such as a copy somebody made, is left alone.
    """

    shared: str
    tenants: tuple[str, ...]
    tables: Mapping[str, frozenset[str]]

    def of(self, schema: str) -> frozenset[str]:
        """The tables of one schema, of those that belong to a model."""
        return self.tables.get(schema, _NOTHING)


def read_layout(connection: TenantConnection) -> Layout:
    """The layout now, in two statements. The shared schema must be the active one."""
    names = {table_of(model) for model in apps.get_models(include_auto_created=True)}
    tables = catalog.tables(connection, {*names, _RECORDS})
    rows = get_tenant_model()._base_manager.using(connection.alias).values_list("schema_name", flat=True)
    shared, known = get_public_schema_name(), {clip(name) for name in rows}
    tenants = sorted(
        schema
        for schema, present in tables.items()
        if schema != shared and (schema in known or _RECORDS in present)
    )
    return Layout(shared, tuple(tenants), tables)


def tenant_rows(connection: TenantConnection, schemas: Collection[str]) -> dict[str, Any]:
    """The tenants of these schemas, in one statement; a schema without a row is left out."""
    if not schemas:
        return {}
    tenants = get_tenant_model()._base_manager.using(connection.alias).filter(schema_name__in=schemas)
    return {tenant.schema_name: tenant for tenant in tenants}


@contextmanager
def inside(connection: TenantConnection, schema: str, tenant: Any = None) -> Iterator[None]:
    """Work in this schema as this tenant; afterwards the connection is where it was.

    django-tenants' own schema_context restores the default connection's tenant, whichever is used.
    """
    before, with_public = connection.tenant, connection.include_public_schema
    try:
        if tenant is None:
            connection.set_schema(schema)
        else:
            connection.set_tenant(tenant)
        yield
    finally:
        connection.set_tenant(before, include_public=with_public)
