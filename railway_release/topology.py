"""Which schemas there are: the shared one, the tenants', templates, and those that do not fit together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

from django.conf import settings
from django.db import connections, transaction
from django.db.utils import ProgrammingError
from django_tenants.utils import (
    get_multi_type_database_field_name,
    get_public_schema_name,
    get_tenant_database_alias,
    get_tenant_migration_order,
    get_tenant_model,
    get_tenant_types,
    has_multi_type_tenants,
)

from railway_release.postgres import catalog
from railway_release.postgres.failures import sqlstate
from railway_release.postgres.session import Connection, clip

if TYPE_CHECKING:
    from django.db.backends.postgresql.base import DatabaseWrapper
else:  # PostgreSQL's would import the driver, which may be missing: the project's backend is to say so
    from django.db.backends.base.base import BaseDatabaseWrapper as DatabaseWrapper

Role = Literal["shared", "tenant", "template"]

# django-tenants' own setting: whether it sets the path once, or with every statement.
SETS_ONCE = "TENANT_LIMIT_SET_CALLS"

_UNDEFINED_TABLE, _UNDEFINED_COLUMN = "42P01", "42703"


@dataclass(frozen=True)
class Schema:
    """A schema to migrate. `type` is django-tenants' tenant type, None without multi-type tenants."""

    name: str
    role: Role
    type: str | None = None


@dataclass(frozen=True)
class Unfit:
    """A schema that nothing can be planned for."""

    schema: str
    kind: Literal["mistyped", "unreadable"]
    why: str


@dataclass(frozen=True)
class Topology:
    """What the tenants table and the catalog say together."""

    shared: Schema
    tenants: tuple[Schema, ...]  # with their schema, in migration order; templates first
    without_schema: tuple[str, ...]  # a row, no schema
    without_row: tuple[str, ...]  # migration records, no row
    unfit: tuple[Unfit, ...]
    in_database: Mapping[str, int]  # all schemas that there are, whosever they are, with their OIDs
    with_records: frozenset[str]  # of these, those that hold a django_migrations table
    known: bool  # False while the tenants table lacks what its model needs: the shared schema comes first

    @property
    def schemas(self) -> tuple[Schema, ...]:
        """All schemas to look at, the shared one first."""
        return (self.shared, *self.tenants)

    @property
    def names(self) -> frozenset[str]:
        """Every schema or tenant that anything is known of."""
        unfit = (one.schema for one in self.unfit)
        return frozenset(
            (*(one.name for one in self.schemas), *unfit, *self.without_schema, *self.without_row)
        )

    def without(self, unreadable: Mapping[str, str]) -> Topology:
        """The topology with these schemas, whose records cannot be read for some reason, set aside."""
        return replace(
            self,
            tenants=tuple(one for one in self.tenants if one.name not in unreadable),
            unfit=(*self.unfit, *(Unfit(name, "unreadable", why) for name, why in unreadable.items())),
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
    """Where every tenant finds what is not its own."""
    return (get_public_schema_name(), *getattr(settings, "PG_EXTRA_SEARCH_PATHS", ()))


def read(connection: Connection, *, lending: bool = False) -> Topology:
    """The topology now; with `lending`, Django asks for the tenants on this connection, too."""
    rows = _tenant_rows(connection if lending else None)
    present, with_records = catalog.schemas(connection)
    shared = get_public_schema_name()
    # PostgreSQL has cut longer names, and finds the schema by the longer name, too.
    tenants = [Schema(clip(name), "tenant", type) for name, type in rows or () if name != shared]
    names = {shared, *(schema.name for schema in tenants)}
    # A template first: tenants created from it meanwhile are then born current.
    everyone = [*(one for one in _templates() if one.name not in names), *tenants]
    strangers = with_records - names - {schema.name for schema in everyone}
    return Topology(
        shared=Schema(shared, "shared"),
        tenants=tuple(one for one in everyone if one.name in present and _is_typed(one)),
        without_schema=tuple(one.name for one in tenants if one.name not in present),
        without_row=() if rows is None else tuple(sorted(strangers)),
        unfit=tuple(
            Unfit(one.name, "mistyped", f"{one.type!r} is not in TENANT_TYPES")
            for one in tenants
            if one.name in present and not _is_typed(one)
        ),
        in_database=present,
        with_records=with_records,
        known=rows is not None,
    )


def _tenant_rows(lent: Connection | None) -> list[tuple[str, str | None]] | None:
    """Name and type of each tenant; None if the shared schema has to be migrated before they can be read.

    Reads what migrate_schemas reads: the default manager, in TENANT_MIGRATION_ORDER.
    """
    connection = tenant_connection()
    connection.set_schema_to_public()
    try:
        with _undone(connection) if lent is None else _borrowing(connection, lent):
            rows = _tenant_query(connection.alias)
    except ProgrammingError as error:
        if sqlstate(error) in (_UNDEFINED_TABLE, _UNDEFINED_COLUMN):
            return None
        raise
    return [(row[0], row[1] if row[1:] else None) for row in rows]


@contextlib.contextmanager
def _undone(connection: TenantConnection) -> Iterator[None]:
    """On Django's own connection; search_path must not stay behind on a pooled server connection."""
    with transaction.atomic(using=connection.alias):
        yield
        transaction.set_rollback(True, using=connection.alias)


@contextlib.contextmanager
def _borrowing(connection: TenantConnection, lent: Connection) -> Iterator[None]:
    """Django asks on a connection that is open already, and on which the path is set."""
    missing = object()
    limit = getattr(settings, SETS_ONCE, missing)
    own = {
        name: getattr(connection, name) for name in ("connection", "autocommit", "search_path_set_schemas")
    }
    setattr(settings, SETS_ONCE, True)
    connection.connection, connection.autocommit = lent, True
    connection.search_path_set_schemas = list(search_path())
    try:
        yield
    finally:
        for name, value in own.items():
            setattr(connection, name, value)
        if limit is missing:
            delattr(settings, SETS_ONCE)
        else:
            setattr(settings, SETS_ONCE, limit)


def _tenant_query(alias: str) -> list[tuple[Any, ...]]:
    fields = ["schema_name", *([get_multi_type_database_field_name()] if has_multi_type_tenants() else [])]
    rows = get_tenant_model().objects.using(alias).values_list(*fields)
    order = get_tenant_migration_order()
    return list(rows if order is None else rows.order_by(*order))


def _templates() -> list[Schema]:
    """The schemas that new tenants are cloned from; often without a row of their own."""
    found = []
    if base := getattr(settings, "TENANT_BASE_SCHEMA", None):
        found.append(Schema(base, "template"))
    if has_multi_type_tenants():
        for type, entry in get_tenant_types().items():
            if isinstance(entry, dict) and entry.get("BASE_SCHEMA"):
                found.append(Schema(entry["BASE_SCHEMA"], "template", type))
    return list(dict.fromkeys(found))


def _is_typed(schema: Schema) -> bool:
    """Whether django-tenants' router can answer for this schema; without a known type it raises."""
    return not has_multi_type_tenants() or schema.type in get_tenant_types()
