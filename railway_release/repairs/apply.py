"""Applying a repair plan: one transaction for a schema, committed only if its findings are gone by then."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence

from django.db.migrations.recorder import MigrationRecorder

from railway_release.engine.execution import Execution
from railway_release.engine.statements import record
from railway_release.migrations.plan import SchemaPlan
from railway_release.postgres import shapes
from railway_release.postgres.batch_reader import BatchReader
from railway_release.postgres.session import Connection, fetch, quote
from railway_release.postgres.shapes import Definitions
from railway_release.repairs.repair_plan import Named, RepairPlan
from railway_release.runtime.text import some
from railway_release.topology import search_path, tenant_connection
from railway_release.verification.expectations import Expectations
from railway_release.verification.findings import INDEX_INVALID
from railway_release.verification.structure import Deviation, Structure


class NotRepaired(Exception):
    """The repair of a schema was rolled back, or not begun; the message says why."""


class RepairTransaction:
    """Sends repairs on Django's connection to the tenants' database, under the timeouts of a release."""

    def __init__(self, expectations: Expectations, execution: Execution) -> None:
        self._expectations = expectations
        self._execution = execution
        self.refused: tuple[Named, ...] = ()  # the findings whose statement the server has refused

    def apply(self, one: SchemaPlan, repair_plan: RepairPlan, before: Sequence[Deviation]) -> None:
        """Carry out the plan; `before` is what the schema deviates in now.

        Raises NotRepaired, or the server's error; then the transaction was rolled back, and `refused` tells
        what the statement was for. Indexes follow, one by one: REINDEX CONCURRENTLY cannot run inside a
        transaction block.
        """
        tenant_connection().ensure_connection()
        connection: Connection = tenant_connection().connection
        if repair_plan.statements:
            with _transaction(connection, one.schema.name):
                _check(connection, one.schema.name, repair_plan, self._shared)
                for statement, owners in zip(repair_plan.statements, repair_plan.owners, strict=True):
                    self.refused = owners
                    self._send(connection, statement)
                self.refused = ()
                self._verify(connection, one, repair_plan, before)
        self._rebuild_indexes(connection, one.schema.name, repair_plan)
        if repair_plan.records:
            make_table_of_records(one)
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
        touched = {each.difference.table for each in before if _key(each) in repair_plan.repairs}
        compared = {*repair_plan.alters, *touched}
        left = {_key(each) for each in _deviations(connection, self._expectations, one, compared)}
        done = {key for key in repair_plan.repairs if key[0] != INDEX_INVALID}  # rebuilt after the COMMIT
        refused = {(each.id, each.object) for each in repair_plan.refusals}
        allowed = ({_key(each) for each in before} - done) | refused
        if wrong := sorted(left - allowed):
            text = some([f"{id} {object}" for id, object in wrong], 3)
            raise NotRepaired(f"undone, since this would still be wrong: {text}")

    def _rebuild_indexes(self, connection: Connection, schema: str, repair_plan: RepairPlan) -> None:
        for command, names in (
            ("DROP INDEX CONCURRENTLY", repair_plan.discards),
            ("REINDEX INDEX CONCURRENTLY", repair_plan.reindexes),
        ):
            for name in names:
                # Cancelled, it would leave another invalid index.
                self._execution.begin(("", name), atomic=False)
                self._send(connection, f"{command} {quote(schema)}.{quote(name)}")
                self._execution.end()


def make_table_of_records(one: SchemaPlan) -> None:
    """Create the schema's django_migrations if it is not there."""
    table = f"{quote(one.schema.name)}.django_migrations"
    ((found,),) = fetch(tenant_connection().connection, "SELECT to_regclass(%s)", (table,))
    if found:
        return
    # Alone on the path, or the shared schema's table would be taken for this one's.
    tenant_connection().set_schema(one.schema.name, tenant_type=one.schema.type, include_public=False)
    MigrationRecorder(tenant_connection()).ensure_schema()


def _key(one: Deviation) -> tuple[str, str]:
    return one.difference.id, one.difference.object


def _deviations(
    connection: Connection, expectations: Expectations, one: SchemaPlan, tables: Collection[str]
) -> Iterator[Deviation]:
    """What is wrong with these tables now; the others are only checked for being there."""
    definitions = Definitions(shapes.read(BatchReader(connection), [one.schema.name], "models", tables))
    structure = Structure(connection, expectations, [one], definitions, partly=True)
    yield from (*structure.missing_tables(), *structure.deviations())


@contextlib.contextmanager
def _transaction(connection: Connection, schema: str) -> Iterator[None]:
    """A transaction in which names are those of this schema, and after it of the rest of the search_path."""
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


def _check(connection: Connection, schema: str, repair_plan: RepairPlan, shared: str) -> None:
    """Lock the tables to be altered, and raise NotRepaired if one that has to be empty holds rows."""
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
