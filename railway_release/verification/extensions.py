"""Extensions that a pending migration would create in a tenant's schema, where no other finds them.

A database has each extension once. Without SCHEMA, CREATE EXTENSION puts it into the first schema of the
search path, which is the first tenant's own; the others then find it created, and nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.db.migrations.operations.base import Operation

from railway_release.migrations.operations import database_operations
from railway_release.migrations.outcome import Key, dotted
from railway_release.migrations.plan import Plan, SchemaPlan
from railway_release.postgres.session import Connection, fetch, quote
from railway_release.verification.capacity import belonging

_CREATES = re.compile(
    r"\bCREATE\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<name>\"[^\"]+\"|\w+)(?![^;]*\bSCHEMA\b)",
    re.IGNORECASE,
)
# Some say themselves where they belong.
_MOVABLE = """
SELECT DISTINCT v.name::text FROM pg_catalog.pg_available_extension_versions v
WHERE v.name = ANY(%s) AND v.schema IS NULL
AND NOT EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = v.name)
"""


@dataclass(frozen=True)
class MisplacedExtension:
    """A pending migration that would create an extension in a tenant's own schema."""

    step: Key
    extension: str
    shared: str  # the schema in which every tenant finds it

    @property
    def message(self) -> str:
        """Which migration would create what."""
        return (
            f"{dotted(self.step)} would create the extension {self.extension} in the first tenant's schema, "
            "where no other finds it"
        )

    @property
    def hint(self) -> str:
        """How to create it where all find it."""
        statement = f"CREATE EXTENSION {quote(self.extension)} SCHEMA {quote(self.shared)}"
        return f"{statement}; then run again."


def misplaced_extensions(connection: Connection, plan: Plan) -> dict[str, MisplacedExtension]:
    """The tenants with such a migration. The server is asked only if a migration creates extensions."""
    created: dict[object, dict[str, Key]] = {}
    for one in plan.pending:
        kind = _kind(one)
        if kind not in created:
            created[kind] = dict(_created(one))
    by_shared = created.get(_kind(plan.shared), {})
    names = {name for found in created.values() for name in found} - by_shared.keys()
    movable = {name for (name,) in fetch(connection, _MOVABLE, (sorted(names),))} if names else set()
    return {
        one.schema.name: MisplacedExtension(created[_kind(one)][first], first, plan.shared.schema.name)
        for one in plan.pending
        if (first := next((name for name in created[_kind(one)] if name in movable), ""))
    }


def _kind(one: SchemaPlan) -> object:
    return one.cohort.applied, one.schema.role, one.schema.type


def _created(one: SchemaPlan) -> Iterator[tuple[str, Key]]:
    graph, belongs = one.cohort.graph, belonging(one.schema)
    for key in one.cohort.to_apply:
        for operation in database_operations(graph.graph.nodes[key]):
            for name in _names(operation):
                if belongs(key[0], "", operation):
                    yield name, key


def _names(operation: Operation) -> Iterator[str]:
    """By the name of its class, since importing that could fail in some projects; or by its SQL."""
    if any(kind.__name__ == "CreateExtension" for kind in type(operation).__mro__):
        yield str(getattr(operation, "name", ""))
    for match in _CREATES.finditer(str(getattr(operation, "sql", ""))):
        yield match["name"].strip('"')
