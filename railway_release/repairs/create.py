"""Create: the schema of a tenant that has a row and no schema, as django-tenants would."""

from __future__ import annotations

from django_tenants.utils import get_tenant_model

from railway_release.topology import tenant_connection


def create_schema(name: str) -> None:
    """Cloned from the template if there is one, else migrated from zero."""
    tenant_connection().set_schema_to_public()
    tenant = get_tenant_model().objects.using(tenant_connection().alias).get(schema_name=name)
    tenant.create_schema(check_if_exists=True, verbosity=0)
