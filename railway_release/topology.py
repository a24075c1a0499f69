"""Topology: which schemas exist, from the tenants table and the catalog, and which of them fit together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, cast

from django.conf import settings
from django.core.exceptions import FieldDoesNotExist
from django.db import connections, transaction
from django.db.utils import ProgrammingError
from django_tenants.utils import (
    get_multi_type_database_field_name,
    get_public_schema_name,
    get_tenant_database_alias,
    get_tenant_domain_model,
    get_tenant_migration_order,
    get_tenant_model,
    get_tenant_types,
    has_multi_type_tenants,
)

from railway_release.naming import is_nameable, table_of
from railway_release.postgres import catalog, tenant_rows
from railway_release.postgres.failures import sqlstate
from railway_release.postgres.session import Connection, clip
from railway_release.postgres.tenant_rows import Column, TenantsTable
from railway_release.runtime.redact import redact

if TYPE_CHECKING:
    from django.db.backends.postgresql.base import DatabaseWrapper
    from django.db.backends.postgresql.psycopg_any import IsolationLevel
else:  # PostgreSQL's would import the driver, which may be missing: the project's backend is to say so
    from django.db.backends.base.base import BaseDatabaseWrapper as DatabaseWrapper

Role = Literal["shared", "tenant", "template"]

_UNDEFINED_TABLE, _UNDEFINED_COLUMN = "42P01", "42703"


@dataclass(frozen=True)
class Schema:
    """A schema to migrate. `type` is django-tenants' tenant type, None without multi-type tenants."""

    name: str
    role: Role
    type: str | None = None


@dataclass(frozen=True)
class UnusableSchema:
    """A schema for which no plan can be made, and why."""

    schema: str
    kind: Literal["mistyped", "misnamed", "unreadable"]
    why: str


@dataclass(frozen=True)
class Topology:
    """All schemas, as the tenants table and the catalog have them."""

    shared: Schema
    tenants: tuple[Schema, ...]  # that exist, in migration order; templates first
    without_schema: tuple[str, ...]  # tenants with a row, but no schema
    without_row: tuple[str, ...]  # schemas with migration records, but no tenant row
    unusable: tuple[UnusableSchema, ...]
    in_database: Mapping[str, int]  # every schema of the database, also other programs', with its OID
    with_records: frozenset[str]  # of these, those with a django_migrations table
    put_aside: tuple[str, ...]  # by a restore, or copies that it made; no tenants
    known: bool  # False if the tenants table lacks what names them, until the shared schema is migrated
    by_name: bool = (
        False  # whether Django cannot read them yet, so that the manager's conditions do not count
    )
    dropped: frozenset[str] = frozenset()  # of those without a schema, those that have had one
    types: Mapping[str, str | None] = field(default_factory=dict)  # of each tenant with a row
    in_table: frozenset[str] | None = None  # the names of all rows, also of those that the manager leaves out

    @property
    def schemas(self) -> tuple[Schema, ...]:
        """The schemas that a plan can be made for, the shared one first."""
        return (self.shared, *self.tenants)

    @property
    def names(self) -> frozenset[str]:
        """The names of all schemas and tenants that options may name."""
        unusable = (one.schema for one in self.unusable)
        return frozenset(
            (*(one.name for one in self.schemas), *unusable, *self.without_schema, *self.without_row)
        )

    def without(self, unreadable: Mapping[str, str]) -> Topology:
        """The topology with these schemas, whose records cannot be read for a reason, among the unusable."""
        return replace(
            self,
            tenants=tuple(one for one in self.tenants if one.name not in unreadable),
            unusable=(
                *self.unusable,
                *(UnusableSchema(name, "unreadable", why) for name, why in unreadable.items()),
            ),
        )


class TenantConnection(DatabaseWrapper):
    """The type of Django's connection with what django-tenants adds and gives no types; never instantiated.

    A subclass, not a Protocol, since Django's own functions take nothing else:
    https://github.com/django-tenants/django-tenants/blob/master/django_tenants/postgresql_backend/base.py
    """

    schema_name: str
    tenant: Any
    include_public_schema: bool
    search_path_set_schemas: list[str] | None
    isolation_level: IsolationLevel  # Django sets it when it connects

    def set_tenant(self, tenant: Any, include_public: bool = True) -> None:
        """Work in this tenant's schema from the next statement on."""
        raise NotImplementedError

    def set_schema(
        self, schema_name: str, include_public: bool = True, tenant_type: str | None = None
    ) -> None:
        """Work in this schema from the next statement on."""
        raise NotImplementedError

    def set_schema_to_public(self) -> None:
        """Work in the shared schema from the next statement on."""
        raise NotImplementedError


def tenant_connection() -> TenantConnection:
    """Django's connection to the tenants' database, in this thread."""
    return cast("TenantConnection", connections[get_tenant_database_alias()])


def search_path() -> tuple[str, ...]:
    """The schemas that follow the tenant's own on search_path: the shared one and PG_EXTRA_SEARCH_PATHS."""
    return (get_public_schema_name(), *getattr(settings, "PG_EXTRA_SEARCH_PATHS", ()))


@contextlib.contextmanager
def search_path_set_once() -> Iterator[None]:
    """While entered, django-tenants sets search_path when it changes, and not before every cursor."""
    name, missing = "TENANT_LIMIT_SET_CALLS", object()
    previous = getattr(settings, name, missing)
    setattr(settings, name, True)
    try:
        yield
    finally:
        if previous is missing:
            delattr(settings, name)
        else:
            setattr(settings, name, previous)


def read(connection: Connection, *, for_django: bool = False) -> Topology:
    """The topology now; with `for_django`, Django reads the tenants on this connection, too."""
    rows = _tenant_rows(connection if for_django else None)
    if by_name := rows is None:
        rows = tenant_rows.rows_by_name(connection, tenants_table())
    there = catalog.schemas(connection)
    present, with_records = there.oids, there.with_records
    shared = get_public_schema_name()
    forbidden = {clip(name) for name, _ in rows or () if not is_nameable(name)}
    # PostgreSQL truncates longer names, also when it looks the schema up.
    tenants = [Schema(clip(name), "tenant", type) for name, type in rows or () if name != shared]
    names = {shared, *(schema.name for schema in tenants)}
    # Templates first: tenants that are cloned meanwhile then need no migration.
    declared = [*(one for one in templates() if one.name not in names), *tenants]
    put_aside = there.put_aside - names - {schema.name for schema in declared}
    unlisted = with_records - names - {schema.name for schema in declared} - put_aside
    in_table = _names_by_sql(connection) if unlisted and rows is not None else None
    usable = [one for one in declared if one.name not in forbidden]
    without_schema = tuple(one.name for one in tenants if one.name not in {*present, *forbidden})
    redact.show((*present, *names))
    return Topology(
        shared=Schema(shared, "shared"),
        tenants=tuple(one for one in usable if one.name in present and _is_typed(one)),
        without_schema=without_schema,
        without_row=() if rows is None else tuple(sorted(unlisted - (in_table or frozenset()))),
        unusable=(
            *(_misnamed(one) for one in tenants if one.name in forbidden),
            *(_mistyped(one) for one in usable if one.name in present and not _is_typed(one)),
        ),
        in_database=present,
        with_records=with_records,
        put_aside=tuple(sorted(put_aside)),
        known=rows is not None,
        by_name=by_name,
        dropped=tenant_rows.had_schemas(connection, tenants_table(), without_schema, with_records),
        types={one.name: one.type for one in tenants},
        in_table=in_table,
    )


def _names_by_sql(connection: Connection) -> frozenset[str] | None:
    """The names in all rows of the tenants' table, cut as the server does; None if they cannot be read."""
    rows = tenant_rows.rows_by_name(connection, tenants_table())
    return None if rows is None else frozenset(clip(name) for name, _ in rows)


def _misnamed(tenant: Schema) -> UnusableSchema:
    return UnusableSchema(tenant.name, "misnamed", "django-tenants forbids this name of a schema")


def _mistyped(tenant: Schema) -> UnusableSchema:
    return UnusableSchema(tenant.name, "mistyped", f"{tenant.type!r} is not in TENANT_TYPES")


def _tenant_rows(open_connection: Connection | None) -> list[tuple[str, str | None]] | None:
    """Name and type of each tenant; None if the shared schema has to be migrated before Django can read them.

    Reads what migrate_schemas reads: the default manager, in TENANT_MIGRATION_ORDER.
    """
    connection = tenant_connection()
    connection.set_schema_to_public()
    try:
        with _rolled_back(connection) if open_connection is None else _using(connection, open_connection):
            rows = _tenant_query(connection.alias)
    except ProgrammingError as error:
        if sqlstate(error) not in (_UNDEFINED_TABLE, _UNDEFINED_COLUMN):
            raise
        return None
    return [(row[0], row[1] if row[1:] else None) for row in rows]


@contextlib.contextmanager
def _rolled_back(connection: TenantConnection) -> Iterator[None]:
    """A transaction on Django's own connection: search_path must not stay on a pooled server connection."""
    with transaction.atomic(using=connection.alias):
        yield
        transaction.set_rollback(True, using=connection.alias)


@contextlib.contextmanager
def _using(connection: TenantConnection, open_connection: Connection) -> Iterator[None]:
    """While entered, Django uses a connection that is open already, and on which search_path is set."""
    before = {
        name: getattr(connection, name) for name in ("connection", "autocommit", "search_path_set_schemas")
    }
    connection.connection, connection.autocommit = open_connection, True
    connection.search_path_set_schemas = list(search_path())
    try:
        with search_path_set_once():
            yield
    finally:
        for name, value in before.items():
            setattr(connection, name, value)


def _tenant_query(alias: str) -> list[tuple[Any, ...]]:
    fields = ["schema_name", *([get_multi_type_database_field_name()] if has_multi_type_tenants() else [])]
    rows = get_tenant_model().objects.using(alias).values_list(*fields)
    order = get_tenant_migration_order()
    return list(rows if order is None else rows.order_by(*order))


def tenants_table() -> TenantsTable:
    """Where the tenant model and the domain model keep what is read by SQL."""
    model = get_tenant_model()
    type = get_multi_type_database_field_name() if has_multi_type_tenants() else ""
    try:
        domain: Any = get_tenant_domain_model()._meta.get_field("tenant")
    except (AttributeError, LookupError, ValueError, FieldDoesNotExist):
        domain = None  # a project may have none, or one of its own
    return TenantsTable(
        get_public_schema_name(),
        _column(model._meta.get_field("schema_name")),
        _column(model._meta.pk),
        _column(model._meta.get_field(type)) if type else None,
        _column(domain) if domain else None,
        bool(model.auto_create_schema),
    )


def _column(field: Any) -> Column:
    return Column(table_of(field.model), clip(field.column))


def templates() -> list[Schema]:
    """The schemas that new tenants are cloned from; they may have a tenant row or not."""
    found = []
    if base := getattr(settings, "TENANT_BASE_SCHEMA", None):
        found.append(Schema(base, "template"))
    if has_multi_type_tenants():
        for type, entry in get_tenant_types().items():
            if isinstance(entry, dict) and entry.get("BASE_SCHEMA"):
                found.append(Schema(entry["BASE_SCHEMA"], "template", type))
    return list(dict.fromkeys(found))


def _is_typed(schema: Schema) -> bool:
    """Whether the schema's type is known; django-tenants' router raises for others."""
    return not has_multi_type_tenants() or schema.type in get_tenant_types()
