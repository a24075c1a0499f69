"""Deleting shared rows without PostgreSQL's own checks, once it is proven that nothing points at them.

Why the proof holds: the rows are locked, so every reference that others make waits for this transaction and
then fails its own check, and what was committed before is seen. No key can be added meanwhile either, since
the tables are locked against it. References that this transaction itself makes later are checked at COMMIT,
as ever. Triggers and rules of the project are not skipped: see railway_release.django.locks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import IntegrityError
from django.db.models import Model

from railway_release.django.collectors import Collected
from railway_release.django.references import Column, References
from railway_release.django.savepoints import in_batches
from railway_release.naming import table_of
from railway_release.postgres import foreign_keys, slots
from railway_release.postgres.foreign_keys import ForeignKey
from railway_release.postgres.session import clip, fetch, quote
from railway_release.topology import TenantConnection

_ROLE = "session_replication_role"
_RESTRICTING = ("a", "r")  # NO ACTION, RESTRICT
_ACTIONS = {
    "c": "DELETE FROM {only} {place} AS f USING ONLY {target} AS g WHERE {same} AND {gone}",
    "n": "UPDATE {only} {place} AS f SET {null} FROM ONLY {target} AS g WHERE {same} AND {gone}",
    "d": "UPDATE {only} {place} AS f SET {default} FROM ONLY {target} AS g WHERE {same} AND {gone}",
}
_GOING = "WITH going AS MATERIALIZED (SELECT * FROM ONLY {target} AS t WHERE {gone}) "
_ONE = "SELECT {number} WHERE EXISTS (SELECT FROM {only} {place} AS f JOIN going AS g ON {same}{but})"


@dataclass(frozen=True)
class _Gone:
    """The rows of one shared table that are deleted."""

    schema: str
    table: str
    column: str  # its primary key
    type: str
    keys: tuple[Any, ...]

    @property
    def place(self) -> str:
        """The table, for a statement with parameters."""
        return f"{_name(self.schema)}.{_name(self.table)}"

    def among(self, alias: str) -> str:
        """Whether a row is one of these; takes the keys as a parameter."""
        return f"{alias}.{_name(self.column)} = ANY(%s::{self.type}[])"

    def is_deleted_by(self, sql: str, params: Any) -> bool:
        """Whether it is the collector's own statement; what receivers of signals delete must be checked."""
        start = f"DELETE FROM {quote(self.table)} WHERE {quote(self.table)}.{quote(self.column)} IN ("  # noqa: S608 - compared
        return sql.startswith(start) and bool(params) and set(params) <= set(self.keys)


def lock_against_new_keys(connection: TenantConnection, shared: str, models: Collection[type[Model]]) -> None:
    """Nobody can add a key to these tables, nor a trigger; rows may be read and written."""
    places = sorted({f"{quote(shared)}.{quote(table_of(model))}" for model in models})
    if places:
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE ONLY {', ONLY '.join(places)} IN ROW EXCLUSIVE MODE")


@contextmanager
def without_checks(
    connection: TenantConnection, shared: str, data: Collected, tables: Collection[str], found: References
) -> Iterator[None]:
    """While entered, the collected rows of these tables are deleted so; other statements are as ever."""
    gone = {
        table_of(model): _gone(connection, shared, model, objs)
        for model, objs in data.items()
        if model._meta.pk.column  # not of several columns
    }
    tables = gone.keys() & tables
    unproven = set(tables)

    def execute(send: Callable[..., Any], sql: Any, params: Any, *rest: Any) -> Any:
        ours = (gone[name].is_deleted_by(str(sql), params) for name in tables)
        if connection.schema_name != shared or not any(ours):
            return send(sql, params, *rest)
        if unproven:
            # By now the shared rows that are no more than updated, or quickly deleted, are done with.
            _let_nothing_point_there(connection, gone, tables, found)
            unproven.clear()
        return _as_replica(connection, lambda: send(sql, params, *rest))

    with connection.execute_wrapper(execute):
        yield


def _gone(connection: TenantConnection, shared: str, model: type[Model], objs: Collection[Model]) -> _Gone:
    key: Any = model._meta.pk
    values = tuple(key.get_db_prep_value(obj.pk, connection, prepared=False) for obj in objs)
    return _Gone(shared, table_of(model), clip(key.column), key.db_type(connection), values)


def _let_nothing_point_there(
    connection: TenantConnection, gone: Mapping[str, _Gone], tables: Collection[str], found: References
) -> None:
    """Raises IntegrityError as PostgreSQL would, and does what it would do for ON DELETE."""
    size = slots.read(connection).batch
    for name in tables:
        keys = foreign_keys.pointing_at(connection, gone[name].schema, [name])
        unknown = [key for key in keys if not _is_unused(key, found)]
        for key in in_batches(connection, size, unknown, partial(_pointing, connection, gone)):
            if key.action in _RESTRICTING:
                raise IntegrityError(
                    f"update or delete on table {quote(name)} violates foreign key constraint"
                    f" {quote(key.name)} on table {quote(key.schema)}.{quote(key.table)}"
                )
            with connection.cursor() as cursor:
                cursor.execute(_action(key, gone[name]), [list(gone[name].keys)])


def _is_unused(key: ForeignKey, found: References) -> bool:
    """Whether no row of its columns points there, as was read when the shared rows were locked already."""
    pairs = zip(key.columns, key.targets, strict=True)
    return any(Column(key.schema, key.table, one, key.target, other) in found.unused for one, other in pairs)


def _pointing(
    connection: TenantConnection, gone: Mapping[str, _Gone], keys: Sequence[ForeignKey]
) -> list[ForeignKey]:
    """Which of these keys, of one table, a row is found by that stays."""
    target = gone[keys[0].target]
    params, parts = [list(target.keys)], []
    for number, key in enumerate(keys):
        stays = ""
        if (own := gone.get(key.table)) and own.schema == key.schema:
            stays = f" AND NOT {own.among('f')}"
            params.append(list(own.keys))
        parts.append(
            _ONE.format(number=number, only=_only(key), place=_place(key), same=_same(key), but=stays)
        )
    statement = _GOING.format(target=target.place, gone=target.among("t")) + " UNION ALL ".join(parts)
    return [keys[number] for (number,) in fetch(connection, statement, params)]


def _action(key: ForeignKey, gone: _Gone) -> str:
    """What PostgreSQL would do for this key."""
    return _ACTIONS[key.action].format(
        only=_only(key),
        place=_place(key),
        target=gone.place,
        same=_same(key),
        gone=gone.among("g"),
        null=", ".join(f"{_name(one)} = NULL" for one in key.set),
        default=", ".join(f"{_name(one)} = DEFAULT" for one in key.set),
    )


def _as_replica(connection: TenantConnection, send: Callable[[], Any]) -> Any:
    """After an error, the end of the transaction or savepoint puts the setting back."""
    ((before,),) = fetch(connection, f"SELECT current_setting('{_ROLE}')")
    fetch(connection, f"SELECT set_config('{_ROLE}', 'replica', true)")
    done = send()
    fetch(connection, f"SELECT set_config('{_ROLE}', %s, true)", [before])
    return done


def _only(key: ForeignKey) -> str:
    return "ONLY" if key.only else ""


def _place(key: ForeignKey) -> str:
    return f"{_name(key.schema)}.{_name(key.table)}"


def _same(key: ForeignKey) -> str:
    pairs = zip(key.columns, key.targets, strict=True)
    return " AND ".join(f"f.{_name(one)} = g.{_name(other)}" for one, other in pairs)


def _name(name: str) -> str:
    """Quoted, in a statement that has parameters."""
    return quote(name).replace("%", "%%")
