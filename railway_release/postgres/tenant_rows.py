"""Reading the tenants' table by SQL, with no more columns than are needed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from railway_release.postgres.catalog import columns
from railway_release.postgres.session import Queryable, fetch, quote

_MOST_RECORDS = 20  # schemas whose newest record is looked at: any of them is new enough


@dataclass(frozen=True)
class Column:
    """A column of a table in the shared schema."""

    table: str
    name: str


@dataclass(frozen=True)
class TenantsTable:
    """Where tenants are written down, and what saving one does."""

    shared: str  # the schema
    name: Column  # of the tenant's schema
    key: Column
    type: Column | None  # of django-tenants' tenant type, if there are types
    domain: Column | None  # what points from the domains to the tenants
    creates_schemas: bool  # whether saving a tenant creates its schema


def rows_by_name(connection: Queryable, table: TenantsTable) -> list[tuple[str, str | None]] | None:
    """Name and type of each tenant, in the order of the names; None if a column for that is not there."""
    wanted = [one for one in (table.name, table.type) if one]
    there = columns(connection, {one.table for one in wanted}, {one.name for one in wanted})
    if any((table.shared, one.table, one.name) not in there for one in wanted):
        return None
    if len({one.table for one in wanted}) > 1:
        return None
    type = quote(table.type.name) if table.type else "NULL"
    select = f"SELECT {quote(table.name.name)}, {type} FROM {_table(table, table.name)} ORDER BY 1"  # noqa: S608 - quoted
    return [(name, type) for name, type in fetch(connection, select)]


def had_schemas(
    connection: Queryable, table: TenantsTable, names: Sequence[str], with_records: Collection[str]
) -> frozenset[str]:
    """Which of these tenants, whose schemas are not there, have had one, as far as two of three things tell.

    That saving a tenant creates its schema, that it has a domain, and that its row is older than a migration:
    a row without any may be that of a tenant that somebody is just creating.
    """
    if not names:
        return frozenset()
    schemas = sorted(with_records, key=lambda name: name != table.shared)[:_MOST_RECORDS]
    records = " UNION ALL ".join(f"SELECT age(xmin) FROM {quote(name)}.django_migrations" for name in schemas)  # noqa: S608 - quoted
    older = f"age(t.xmin) > (SELECT min(age) FROM ({records}) AS r (age))" if records else "false"  # noqa: S608 - quoted
    signs = [str(table.creates_schemas).lower(), older, _has_domain(table)]
    counted = " + ".join(f"coalesce({one}, false)::int" for one in signs)
    name = f"t.{quote(table.name.name)}"
    select = f"SELECT {name} FROM {_table(table, table.name)} AS t WHERE {name} = ANY(%s) AND {counted} >= 2"  # noqa: S608 - quoted
    try:
        return frozenset(found for (found,) in fetch(connection, select, (list(names),)))
    except Exception:  # noqa: BLE001 - a view in the table's place, or no right to read: nothing is known
        return frozenset()


def _has_domain(table: TenantsTable) -> str:
    if table.domain is None or table.key.table != table.name.table:
        return "false"
    column = f"d.{quote(table.domain.name)}"
    return (
        f"EXISTS (SELECT FROM {_table(table, table.domain)} AS d WHERE {column} = t.{quote(table.key.name)})"
    )


def _table(table: TenantsTable, column: Column) -> str:
    return f"{quote(table.shared)}.{quote(column.table)}"
