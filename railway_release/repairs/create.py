"""Creating the schemas of tenants that have a row and no schema, with what django-tenants does around that.

A new schema is created empty and migrated with all others, unless only TenantMixin.create_schema can make it.
Until its creation is complete it has a comment (CREATING), by which the next run finds it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django_tenants.migration_executors import get_executor
from django_tenants.signals import post_schema_sync
from django_tenants.utils import (
    get_creation_fakes_migrations,
    get_public_schema_name,
    get_tenant_base_schema,
    get_tenant_model,
    get_tenant_types,
    has_multi_type_tenants,
    schema_exists,
)

from railway_release.engine.identity import Identity
from railway_release.postgres.failures import describe
from railway_release.postgres.session import literal, quote
from railway_release.repairs.apply import NotRepaired
from railway_release.runtime.log import get_logger
from railway_release.topology import Schema, tenant_connection
from railway_release.verification.findings import CREATING

_PROJECTS_OWN = ("GET_EXECUTOR_FUNCTION", "TENANT_BASE_MIGRATE_COMMAND")


def why_through_django_tenants(names: Sequence[str]) -> dict[str, str]:
    """By schema, why only django-tenants' create_schema() can make it; empty where CREATE SCHEMA will do."""
    connection = tenant_connection()
    connection.set_schema_to_public()
    with transaction.atomic(using=connection.alias):
        rows = get_tenant_model().objects.using(connection.alias).filter(schema_name__in=names)
        reasons = {tenant.schema_name: _why(tenant) for tenant in rows}
        # Undone, so that search_path does not stay behind on a pooled server connection.
        transaction.set_rollback(True, using=connection.alias)
    return reasons


def _why(tenant: Any) -> str:
    if type(tenant).create_schema is not _mixin().create_schema:
        return f"{type(tenant).__name__}.create_schema is the project's own"
    try:
        template = _template(tenant)
    except Exception as error:  # noqa: BLE001 - settings that django-tenants itself refuses
        return describe(error)
    return f"it is cloned from {template}" if template else ""


def make(name: str) -> None:
    """Create an empty schema with the comment; do nothing if it exists by now.

    Raises NotRepaired if the tenant's row is gone or has an unknown type.
    """
    # The module imports models, which exist only after django.setup().
    from django_tenants.postgresql_backend.base import _check_schema_name  # noqa: PLC0415

    tenant = _tenant(name)
    _check_schema_name(name)
    if has_multi_type_tenants() and tenant.get_tenant_type() not in get_tenant_types():
        raise NotRepaired(f"not created: its type {tenant.get_tenant_type()!r} is not in TENANT_TYPES")
    with _cursor() as cursor:
        if not schema_exists(name, tenant_connection().alias):
            cursor.execute(f"CREATE SCHEMA {quote(name)}; {_comment(name, literal(CREATING))}")


def make_through_django_tenants(name: str) -> None:
    """Create and complete the schema as the tenant's save() would; a clone in one transaction where possible.

    Does nothing if the schema exists by now. Raises NotRepaired if the tenant's row is gone.
    """
    tenant = _tenant(name)
    text = f"{name}: created through django-tenants' own machinery, since {_why(tenant)}"
    get_logger().info("schema.created_otherwise", message=text, schema=name)
    with _all_or_nothing(tenant):
        with _identity().restored_after("create_schema"), _in_own_language():
            made = tenant.create_schema(check_if_exists=True, verbosity=0)
        _identity().restore_role()
        if made is False:
            return  # another session has created it meanwhile
        with _cursor() as cursor:
            cursor.execute(_comment(name, literal(CREATING)))
    finish(name)


def finish(name: str) -> None:
    """Send post_schema_sync, as save() does where it creates schemas, then remove the comment.

    After a receiver that failed or was cut off, the comment stays, so the next run sends the signal again.
    """
    tenant = _tenant(name)
    if tenant.auto_create_schema:
        fields = tenant.serializable_fields()
        with _in_own_language():
            _identity().send(post_schema_sync, "post_schema_sync", _mixin(), tenant=fields)
    with _cursor() as cursor:
        cursor.execute(_comment(name, "NULL"))


def _in_own_language() -> contextlib.AbstractContextManager[None]:
    """While entered, the project's language is active, as where a tenant is saved: rows may be in it."""
    return translation.override(settings.LANGUAGE_CODE)


def _tenant(name: str) -> Any:
    tenant_connection().set_schema_to_public()
    rows = get_tenant_model().objects.using(tenant_connection().alias)
    try:
        return rows.get(schema_name=name)
    except get_tenant_model().DoesNotExist:
        raise NotRepaired("its row is gone by now") from None


def _identity() -> Identity:
    """The role and schema in which the project's code is called, and which are restored after it."""
    return Identity(tenant_connection(), Schema(get_public_schema_name(), "shared"))


def _mixin() -> Any:
    # The module reads TENANT_MODEL when it is imported.
    from django_tenants.models import TenantMixin  # noqa: PLC0415

    return TenantMixin


def _template(tenant: Any) -> str:
    """The schema that the tenant's is cloned from; empty if there is none."""
    if not get_creation_fakes_migrations():
        return ""
    # Before django-tenants 4.0, all types have the same template.
    template = tenant.get_base_schema() if hasattr(tenant, "get_base_schema") else get_tenant_base_schema()
    return str(template) if template and schema_exists(template, tenant_connection().alias) else ""


@contextlib.contextmanager
def _all_or_nothing(tenant: Any) -> Iterator[None]:
    """One transaction, unless the project's own code or another process takes part in the creation."""
    own = type(tenant).create_schema is not _mixin().create_schema
    named = any(getattr(settings, name, None) for name in _PROJECTS_OWN)
    if own or named or get_executor().codename != "standard" or not _template(tenant):
        yield
        return
    with transaction.atomic(using=tenant_connection().alias):
        yield


@contextlib.contextmanager
def _cursor() -> Iterator[Any]:
    """A cursor of the driver: one of Django's would set search_path first."""
    tenant_connection().ensure_connection()
    with tenant_connection().connection.cursor() as cursor:
        yield cursor


def _comment(name: str, text: str) -> str:
    return f"COMMENT ON SCHEMA {quote(name)} IS {text}"
