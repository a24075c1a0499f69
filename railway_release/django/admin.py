"""TenantCascadeAdminMixin: the public admin's delete pages, with what will go in every tenant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.utils import NestedObjects, quote
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django_tenants.utils import get_public_schema_name

from railway_release.django.collectors import SchemaCollector, TenantCollector
from railway_release.django.everywhere import delete_everywhere, each_schema
from railway_release.django.layout import Layout, inside, read_layout
from railway_release.django.locks import Changes, TooFewLocks, unchecked
from railway_release.django.references import find_references
from railway_release.django.savepoints import releasing_locks
from railway_release.topology import TenantConnection, tenant_connection

# A page that can be read, and that is there within seconds: each object's text may cost a query.
_OBJECTS = 20
_SCHEMAS = 50


class SharedNested(SchemaCollector, NestedObjects):
    """The admin's collector, in the shared schema."""


class TenantNested(TenantCollector, NestedObjects):
    """The admin's collector, in one tenant's schema."""


@dataclass
class Page:
    """What the page shows, in the form that ModelAdmin.get_deleted_objects returns it in."""

    to_delete: list[Any] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    perms_needed: set[str] = field(default_factory=set)
    protected: list[Any] = field(default_factory=list)


class TenantCascadeAdminMixin:
    """For the ModelAdmin of a shared model, in the public admin: put it before ModelAdmin.

    Both delete pages list what will go in the shared schema and in each tenant, and the objects of any
    tenant that forbid it; confirming deletes through delete_everywhere. As in Django, an object whose
    model is registered in this admin needs the permission to delete it.
    """

    admin_site: Any

    def get_deleted_objects(
        self, objs: Collection[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """What Django's returns, over all schemas: texts to show, counts, permissions needed, protected."""
        page = Page()
        connection = tenant_connection()
        with transaction.atomic(using=connection.alias), inside(connection, get_public_schema_name()):
            _Cascade(connection, read_layout(connection), request, self.admin_site, page).show(objs)
        return page.to_delete, dict(page.counts), page.perms_needed, page.protected

    def delete_model(self, request: HttpRequest, obj: Model) -> None:  # noqa: ARG002 - ModelAdmin's own
        """Delete one object, in every schema."""
        delete_everywhere(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:  # noqa: ARG002 - as above
        """Delete the selected objects, in every schema."""
        delete_everywhere(queryset)


@dataclass(frozen=True)
class _Cascade:
    connection: TenantConnection
    layout: Layout
    request: HttpRequest
    site: Any
    page: Page

    def show(self, objs: Collection[Any]) -> None:
        shared = SharedNested(self.connection.alias, objs, tables=self.layout.of(self.layout.shared))
        shared.collect(objs)
        self._count(shared.model_objs.values())
        self.page.to_delete += _cut(shared.nested(), self._text)
        self.page.protected += _first(shared.protected, self._text)
        schemas = find_references(self.connection, self.layout, shared.data).schemas
        tenants = each_schema(self.connection, schemas, lambda schema: self._tenant(schema, shared, schemas))
        self._refuse({self.layout.shared: shared, **tenants})

    def _refuse(self, collectors: Mapping[str, SchemaCollector]) -> None:
        """What delete_everywhere would say is said before anybody confirms."""
        try:
            unchecked(self.connection, self.layout.shared, Changes.of(collectors))
        except TooFewLocks as error:
            self.page.protected.append(str(error))

    def _tenant(self, schema: str, shared: SharedNested, schemas: list[str]) -> TenantNested:
        tenant = TenantNested(self.connection.alias, tables=self.layout.of(schema))
        with releasing_locks(self.connection):
            tenant.follow(shared.data)
            self._show(schema, tenant, schemas)
        return tenant

    def _show(self, schema: str, tenant: TenantNested, schemas: list[str]) -> None:
        found = [objs for objs in tenant.model_objs.values() if tenant.holds(type(next(iter(objs))))]
        self._count(found)
        if schemas.index(schema) < _SCHEMAS:
            self._list(schema, found)
        elif schema == schemas[-1]:
            self.page.to_delete.append(f"and objects in {len(schemas) - _SCHEMAS} more tenants")
        # Protected objects are named however many tenants come before theirs: they are what is in the way.
        texts = _first(tenant.protected, _plain)
        self.page.protected += [f"{schema}: {text}" for text in texts]

    def _list(self, schema: str, found: Iterable[Collection[Model]]) -> None:
        objs = [obj for group in found for obj in group]
        if objs:
            heading = f"Tenant {schema}: {len(objs)} {'object' if len(objs) == 1 else 'objects'}"
            self.page.to_delete += [heading, _first(objs, _plain)]

    def _count(self, found: Iterable[Collection[Model]]) -> None:
        for objs in found:
            for obj in objs:
                self.page.counts[str(obj._meta.verbose_name_plural)] += 1
                self._ask(obj)

    def _ask(self, obj: Model) -> None:
        if not self.site.is_registered(type(obj)):
            return
        if not self.site.get_model_admin(type(obj)).has_delete_permission(self.request, obj):
            self.page.perms_needed.add(str(obj._meta.verbose_name))

    def _text(self, obj: Any) -> str:
        """With a link to a shared object's own page. A tenant's objects have none in this admin."""
        if not self.site.is_registered(type(obj)):
            return _plain(obj)
        name = f"{self.site.name}:{obj._meta.app_label}_{obj._meta.model_name}_change"
        try:
            url = reverse(name, None, (quote(obj.pk),))
        except NoReverseMatch:
            return _plain(obj)
        return format_html('{}: <a href="{}">{}</a>', capfirst(obj._meta.verbose_name), url, obj)


def _plain(obj: Any) -> str:
    return f"{capfirst(obj._meta.verbose_name)}: {obj}"


def _first(objs: Collection[Any], text: Any) -> list[str]:
    """The texts of the first few, by model and key, and how many more there are."""
    ordered = sorted(objs, key=lambda obj: (obj._meta.label, obj.pk))
    shown = [text(obj) for obj in ordered[:_OBJECTS]]
    return shown if len(ordered) <= _OBJECTS else [*shown, f"and {len(ordered) - _OBJECTS} more"]


def _cut(tree: list[Any], text: Any) -> list[Any]:
    """A tree of objects as texts, every branch cut after its first few objects."""
    shown: list[Any] = []
    objects = 0
    for node in tree:
        if isinstance(node, list):
            if objects <= _OBJECTS:
                shown.append(_cut(node, text))
            continue
        objects += 1
        if objects <= _OBJECTS:
            shown.append(text(node))
    return shown if objects <= _OBJECTS else [*shown, f"and {objects - _OBJECTS} more"]
