"""Capacity: the schemas in which a pending migration takes more locks than the server has room for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import router

from railway_release.migrations.outcome import Key, dotted
from railway_release.migrations.plan import Plan, SchemaPlan
from railway_release.migrations.weights import IsMigrated, Weight, weights
from railway_release.postgres import foreign_keys, slots
from railway_release.postgres.session import Connection
from railway_release.postgres.slots import Slots
from railway_release.topology import Schema, tenant_connection

_FEW = 64  # what PostgreSQL makes room for, by default, for each session


@dataclass(frozen=True)
class TooHeavy:
    """A migration that cannot be a transaction on this server as it is now."""

    step: Key
    locks: int
    slots: Slots

    @property
    def message(self) -> str:
        """Which migration takes how many locks, and how many there are."""
        return f"{dotted(self.step)} takes at least {self.locks} locks in one transaction; {self.slots}"

    @property
    def hint(self) -> str:
        """How to raise the setting."""
        raised = slots.statement_to_raise(self.slots.setting_for(self.locks))
        return f"{raised}; or split the migration. Then run again."


def too_heavy(connection: Connection, plan: Plan) -> dict[str, TooHeavy]:
    """The schemas with such a migration. The server is asked only if a migration takes many locks."""
    shared = plan.shared.schema.name
    weighed = {one.schema.name: (one, found) for one, found in _weighed(plan)}
    dropped = {table for weight in weighed.get(shared, (None, []))[1] for table in weight.dropped}
    keys = foreign_keys.counts(connection, shared, dropped)
    heaviest = {
        name: _heaviest(its, keys if one is plan.shared else {}) for name, (one, its) in weighed.items()
    }
    heavy = {name: (step, locks) for name, (step, locks) in heaviest.items() if locks > _FEW}
    free = slots.read(connection) if heavy else None
    return {name: TooHeavy(*found, free) for name, found in heavy.items() if free and found[1] > free.most}


def _heaviest(found: list[Weight], keys: Mapping[str, int]) -> tuple[Key, int]:
    return max(((one.step, one.locks(keys)) for one in found), key=lambda one: one[1])


def _weighed(plan: Plan) -> Iterator[tuple[SchemaPlan, list[Weight]]]:
    """Weights by cohort, role and type: the same for all schemas that share these."""
    known: dict[object, list[Weight]] = {}
    for one in plan.pending:
        kind = (one.cohort.applied, one.schema.role, one.schema.type)
        if kind not in known:
            known[kind] = weights(one.cohort, belonging(one.schema))
        if known[kind]:
            yield one, known[kind]


def belonging(schema: Schema) -> IsMigrated:
    """A function that asks the routers whether an operation runs in this schema, as the operation does."""
    connection = tenant_connection()

    def belongs(app: str, model: str, operation: Any) -> bool:
        connection.set_schema(schema.name, tenant_type=schema.type)
        hints = getattr(operation, "hints", None)
        if hints is not None:
            return bool(router.allow_migrate(connection.alias, app, **hints))
        return bool(router.allow_migrate(connection.alias, app, model_name=model))

    return belongs
