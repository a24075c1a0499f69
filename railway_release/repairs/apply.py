"""Mend: one schema's remedy, in one transaction that is committed only if all is as it should be then."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from railway_release.engine.execution import Execution
from railway_release.engine.statements import record
from railway_release.migrations.plan import SchemaPlan
from railway_release.postgres.batch_reader import BatchReader
from railway_release.postgres.session import Connection, fetch, quote
from railway_release.repairs.repair_plan import RepairPlan
from railway_release.runtime.text import some
from railway_release.topology import search_path, tenant_connection
from railway_release.verification.expectations import Expectations
from railway_release.verification.findings import INDEX_INVALID
from railway_release.verification.structure import Deviation, Structure


class NotRepaired(Exception):
    """It was undone, since something would not have been as it should."""


class RepairTransaction:
    """At work on Django's connection to the tenants' database, which is watched and has its timeouts."""

    def __init__(self, expectations: Expectations, execution: Execution) -> None:
        self._expectations = expectations
        self._execution = execution

    def apply(self, one: SchemaPlan, repair_plan: RepairPlan, before: Sequence[Deviation]) -> None:
        """Raises NotMended, or what the server says; then the schema is as it was before.

        Indexes come last, by themselves: REINDEX CONCURRENTLY knows no transaction.
        """
        tenant_connection().ensure_connection()
        connection: Connection = tenant_connection().connection
        if repair_plan.statements:
            with _transaction(connection, one.schema.name):
                _check(connection, one.schema.name, repair_plan, self._shared)
                for statement in repair_plan.statements:
                    self._send(connection, statement)
                self._verify(connection, one, repair_plan, before)
        self._mend_indexes(connection, one.schema.name, repair_plan)
        if repair_plan.records:
            self._send(connection, record(one.schema.name, repair_plan.records))

    @property
    def _shared(self) -> str:
        return self._expectations.levels.plan.shared.schema.name

    def _send(self, connection: Connection, statement: str) -> None:
        self._execution.send(statement)
        connection.cursor().execute(statement)

    def _verify(
        self, connection: Connection, one: SchemaPlan, repair_plan: RepairPlan, before: Sequence[Deviation]
    ) -> None:
        touched = {each.difference.table for each in before if _key(each) in repair_plan.mends}
        compared = {*repair_plan.alters, *touched}
        left = {_key(each) for each in _deviations(connection, self._expectations, one, compared)}
        done = {key for key in repair_plan.mends if key[0] != INDEX_INVALID}  # those come after the COMMIT
        allowed = {_key(each) for each in before} - done
        if wrong := sorted(left - allowed):
            text = some([f"{id} {object}" for id, object in wrong], 3)
            raise NotRepaired(f"undone, since this would still be wrong: {text}")

    def _mend_indexes(self, connection: Connection, schema: str, repair_plan: RepairPlan) -> None:
        for words, names in (
            ("DROP INDEX CONCURRENTLY", repair_plan.discards),
            ("REINDEX INDEX CONCURRENTLY", repair_plan.reindexes),
        ):
            for name in names:
                # Cancelled, it would leave another invalid index.
                self._execution.begin(("", name), atomic=False)
                self._send(connection, f"{words} {quote(schema)}.{quote(name)}")
                self._execution.end()


def _key(one: Deviation) -> tuple[str, str]:
    return one.difference.id, one.difference.object


def _deviations(
    connection: Connection, expectations: Expectations, one: SchemaPlan, tables: Collection[str]
) -> Iterator[Deviation]:
    """What these tables lack: those that were made or altered, and by that those that point there."""
    structure = Structure(BatchReader(connection), expectations, [one], "models", tables)
    yield from (*structure.missing_tables(), *structure.deviations())


@contextlib.contextmanager
def _transaction(connection: Connection, schema: str) -> Iterator[None]:
    """Tables are made in this schema, and point to its own before the shared one's."""
    path = ", ".join(map(quote, dict.fromkeys((schema, *search_path()))))
    connection.cursor().execute(f"BEGIN; SET LOCAL search_path = {path}")
    try:
        yield
    except BaseException:
        # After an error of the connection itself there is nothing left to undo.
        with contextlib.suppress(Exception):
            connection.cursor().execute("ROLLBACK")
        raise
    connection.cursor().execute("COMMIT")


def _check(connection: Any, schema: str, repair_plan: RepairPlan, shared: str) -> None:
    """Lock what is to be altered, so that nothing is found in its place, and see that nothing is lost."""
    if repair_plan.alters:
        tables = ", ".join(f"{quote(schema)}.{quote(table)}" for table in repair_plan.alters)
        connection.cursor().execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
    _check_empty(connection, schema, repair_plan.must_be_empty)
    if repair_plan.shared_must_be_empty:
        tables = ", ".join(f"{quote(shared)}.{quote(table)}" for table in repair_plan.shared_must_be_empty)
        connection.cursor().execute(f"LOCK TABLE {tables} IN SHARE MODE")
        _check_empty(connection, shared, repair_plan.shared_must_be_empty)


def _check_empty(connection: Connection, schema: str, tables: Collection[str]) -> None:
    for table in tables:
        if fetch(connection, f"SELECT FROM {quote(schema)}.{quote(table)} LIMIT 1"):
            raise NotRepaired(f"undone: {quote(schema)}.{quote(table)} holds rows by now")
