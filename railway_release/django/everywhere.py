"""delete_everywhere: shared objects and all that points at them, in every schema, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import OperationalError, transaction
from django.db.models import Model, ProtectedError, QuerySet, RestrictedError
from django_tenants.utils import get_public_schema_name, get_tenant_model

from railway_release.django.collectors import LockingCollector, TenantCollector
from railway_release.django.layout import Layout, inside, read_layout, tenant_rows
from railway_release.django.locks import Changes, ran_out, unchecked
from railway_release.django.references import find_references
from railway_release.django.savepoints import releasing_locks
from railway_release.django.unchecked import lock_against_new_keys, without_checks
from railway_release.naming import table_of
from railway_release.postgres import foreign_keys, slots
from railway_release.topology import TenantConnection, tenant_connection

T = TypeVar("T")

_NAMED = 10


@dataclass(frozen=True)
class Deletion:
    """How many rows were deleted: schema to model label to number, tenants first.

    It unpacks to what Django's delete() returns: ``total, per_model = delete_everywhere(user)``. Like
    there, rows that were updated, or that the database deletes on its own, are not counted.
    """

    schemas: Mapping[str, Mapping[str, int]]

    @property
    def total(self) -> int:
        """The number of rows, over all schemas and models."""
        return sum(self.models.values())

    @property
    def models(self) -> dict[str, int]:
        """Model label to number of rows, over all schemas."""
        counted: Counter[str] = Counter()
        for models in self.schemas.values():
            counted.update(models)
        return dict(counted)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.total, self.models))


class _InSchemas(Exception):
    """Rows of some schemas forbid the deletion."""

    by_schema: Mapping[str, Collection[Model]]

    def __str__(self) -> str:
        """Without the objects, whose own texts may need their schema's tables."""
        return str(self.args[0])


class ProtectedInSchemas(_InSchemas, ProtectedError):
    """PROTECT forbids the deletion. `by_schema` has the protected objects of each schema.

    Objects of different schemas may have the same key, so `protected_objects` is a list here.
    """


class RestrictedInSchemas(_InSchemas, RestrictedError):
    """RESTRICT forbids the deletion. `by_schema` has the restricted objects of each schema."""


def delete_everywhere(target: Model | QuerySet[Any]) -> Deletion:
    """Delete shared objects, and in every tenant's schema what Django would delete or update for them.

    CASCADE, PROTECT, RESTRICT, SET_NULL, SET_DEFAULT, SET and DO_NOTHING mean what they mean to Django,
    across all schemas; pre_delete and post_delete are sent with the row's schema active. Everything is
    collected before anything is deleted. Then the tenants' rows go, and after them the shared ones, in
    one transaction, or in the caller's if there is one. The active schema is restored.

    The shared rows are locked first (SELECT … FOR UPDATE), so that a tenant's new reference to them waits
    and then fails. A reference that still gets in between fails the transaction, by its foreign key, as a
    whole: at COMMIT, for Django's keys are deferred. Only keys without a constraint in the database
    (``db_constraint=False``, generic relations) can leave an orphan there.

    PostgreSQL locks every table that points at what is deleted, to check it at COMMIT. Where the server has
    no room for so many locks, the shared rows are deleted without those checks, having proven that nothing
    points at them, by a role that may set session_replication_role. Any other role is refused.

    Raises TooFewLocks (an OperationalError) for that, before anything is deleted; ProtectedInSchemas (a
    ProtectedError) or RestrictedInSchemas (a RestrictedError), naming the schemas; IntegrityError for what
    the database itself refuses; TypeError for something that is no model instance or queryset of them;
    ValueError for an object that is not in the shared schema, and for tenants, whose own delete() is the one
    that drops their schema.
    """
    connection = tenant_connection()
    try:
        return _in_one_transaction(connection, target)
    except OperationalError as error:
        if not slots.ran_out(error):
            raise
        raise ran_out(connection) from error


def _in_one_transaction(connection: TenantConnection, target: Model | QuerySet[Any]) -> Deletion:
    model = _model(target)
    active = connection.schema_name
    with transaction.atomic(using=connection.alias), inside(connection, get_public_schema_name()):
        layout = read_layout(connection)
        _refuse_what_is_not_shared(model, layout, active)
        shared = LockingCollector(
            connection.alias,
            target,
            tables=layout.of(layout.shared),
            referenced=foreign_keys.referenced(connection, layout.shared),
        )
        shared.collect(_objects(target, connection.alias))
        _refuse_tenants(shared)
        lock_against_new_keys(connection, layout.shared, shared.with_keys)
        return _delete(connection, layout, shared, target)


def each_schema(
    connection: TenantConnection, schemas: Collection[str], do: Callable[[str], T]
) -> dict[str, T]:
    """What `do` gives for each schema, with that schema active, and its tenant if it has one."""
    tenants = tenant_rows(connection, schemas)
    done = {}
    for schema in schemas:
        with inside(connection, schema, tenants.get(schema)):
            done[schema] = do(schema)
    return done


def _delete(connection: TenantConnection, layout: Layout, shared: LockingCollector, target: Any) -> Deletion:
    """Everything is collected before the first row goes."""
    found = find_references(connection, layout, shared.data)
    collectors = _collected(connection, layout, shared, found.schemas, target)
    changes = Changes.of({layout.shared: shared, **collectors})
    tables = unchecked(connection, layout.shared, changes) & {table_of(model) for model in shared.with_keys}
    counts = each_schema(connection, found.schemas, lambda schema: collectors[schema].delete()[1])
    with without_checks(connection, layout.shared, shared.data, tables, found):
        last = {layout.shared: shared.delete()[1]}
    return Deletion({schema: rows for schema, rows in counts.items() if rows} | last)


def _collected(
    connection: TenantConnection, layout: Layout, shared: LockingCollector, schemas: list[str], target: Any
) -> dict[str, TenantCollector]:
    """What goes in each tenant's schema; raises one error for all schemas whose rows forbid it."""
    blocked: dict[str, ProtectedError | RestrictedError] = {}

    def collect(schema: str) -> TenantCollector:
        collector = TenantCollector(connection.alias, target, tables=layout.of(schema))
        with releasing_locks(connection):
            try:
                collector.follow(shared.data)
            except (ProtectedError, RestrictedError) as error:
                blocked[schema] = error
            else:
                collector.let_go(shared.data)
        return collector

    collectors = each_schema(connection, schemas, collect)
    if blocked:
        raise _all_in_one(_model(target), blocked)
    return collectors


def _all_in_one(
    model: type[Model], blocked: Mapping[str, ProtectedError | RestrictedError]
) -> ProtectedInSchemas | RestrictedInSchemas:
    """One error that names the schemas; protected rows come first, since more tells no more."""
    protected = {s: set(e.protected_objects) for s, e in blocked.items() if isinstance(e, ProtectedError)}
    restricted = {s: set(e.restricted_objects) for s, e in blocked.items() if isinstance(e, RestrictedError)}
    by_schema = protected or restricted
    objects = [obj for objs in by_schema.values() for obj in objs]
    kind = "protected" if protected else "restricted"
    message = (
        f"Cannot delete some instances of model {model.__name__!r} because they are referenced through {kind}"
        f" foreign keys in {_name(by_schema)}. Nothing was deleted."
    )
    error = (ProtectedInSchemas if protected else RestrictedInSchemas)(message, objects)  # type: ignore[arg-type]  # the stubs want a set, in which objects of two schemas with one key would be one
    error.by_schema = by_schema
    return error


def _name(by_schema: Mapping[str, Collection[Model]]) -> str:
    """The schemas and what is in the way there; the first few, and how many more."""
    texts = []
    for schema, objs in list(by_schema.items())[:_NAMED]:
        counted = Counter(obj._meta.label for obj in objs)
        texts.append(f"{schema} ({', '.join(f'{label}: {n}' for label, n in sorted(counted.items()))})")
    more = len(by_schema) - len(texts)
    return ", ".join(texts) + (f" and {more} more schemas" if more else "")


def _model(target: Any) -> type[Model]:
    if isinstance(target, QuerySet):
        return target.model
    if isinstance(target, Model):
        return type(target)
    raise TypeError(f"a model instance or a queryset can be deleted, not {type(target).__name__}")


def _objects(target: Model | QuerySet[Any], alias: str) -> list[Model]:
    objs = list(target.using(alias)) if isinstance(target, QuerySet) else [target]
    if not all(isinstance(obj, Model) for obj in objs):
        raise TypeError("a queryset of values() or values_list() cannot be deleted")
    if any(obj.pk is None for obj in objs):
        raise ValueError(
            f"{_model(target)._meta.label} has no primary key: it was never saved, or is deleted"
        )
    return objs


def _refuse_what_is_not_shared(model: type[Model], layout: Layout, active: str) -> None:
    label, name = model._meta.label, table_of(model)
    if issubclass(model, get_tenant_model()):
        raise ValueError(f"{label} is a tenant: its own delete() also drops its schema where that is wanted")
    if name not in layout.of(layout.shared):
        raise ValueError(
            f"{label} has no table in the shared schema {layout.shared!r}: delete it with its own delete(),"
            " in its tenant's context"
        )
    if active != layout.shared and name in layout.of(active):
        raise ValueError(
            f"{label} has a table in the active schema {active!r} too, so the object may be the tenant's own:"
            f" call this with the shared schema {layout.shared!r} active"
        )


def _refuse_tenants(shared: LockingCollector) -> None:
    """Django's collector would delete the row and leave the schema."""
    tenant = get_tenant_model()
    rows = [len(objs) for model, objs in shared.data.items() if issubclass(model, tenant)]
    rows += [found.count() for found in shared.fast_deletes if issubclass(found.model, tenant)]
    if sum(rows):
        raise ValueError(
            f"this would delete {sum(rows)} {tenant._meta.label} as well, and leave their schemas: delete the"
            " tenants first, each with its own delete()"
        )
