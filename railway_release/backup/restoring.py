"""Brings one schema back from an archive in one transaction; others see the present one until its commit.

The present schema is renamed, never dropped. What is restored is compared with the manifest before that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile

from railway_release.backup import keys
from railway_release.backup.archive import Tools, decrypted, listing, script
from railway_release.backup.counting import prepare
from railway_release.backup.destination import Destination
from railway_release.backup.extensions import bring_along
from railway_release.backup.manifest import Manifest
from railway_release.backup.sql_script import Definition, Part, definitions, has_statements, parts
from railway_release.backup.toc import Entry, entries, lines_about
from railway_release.errors import RestoreFailed
from railway_release.postgres.copying import copy_in
from railway_release.postgres.default_privileges import usual_privileges
from railway_release.postgres.failures import describe
from railway_release.postgres.put_aside import aside_words, comment_on, copy_words
from railway_release.postgres.roles import role_names, space_names
from railway_release.postgres.session import Connection, fetch, quote
from railway_release.postgres.table_contents import counts, relations
from railway_release.runtime.log import get_logger
from railway_release.runtime.text import some

_FOREIGN_KEY, _SCHEMA = "FK CONSTRAINT", "SCHEMA"
_ROWS = ("TABLE DATA", "SEQUENCE SET")


@dataclass(frozen=True)
class ArchivedSchema:
    """A schema in a stored backup."""

    destination: Destination
    tools: Tools
    manifest: Manifest
    name: str

    def archive(self) -> Iterator[bytes]:
        """The archive that holds it, from its beginning."""
        stored = self.destination.read(self.manifest.piece_of(self.name).name)
        return decrypted(self.tools, stored, encrypted=self.manifest.encrypted)

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """What the archive holds of it."""
        # Only its own name is looked for: no other in this archive can be taken for it.
        text = lines_about(listing(self.tools, self.archive()), self.name)
        return tuple(entries(text, [self.name]))

    @cached_property
    def definitions(self) -> tuple[Definition, ...]:
        """What is to be run before its rows and after them, first the settings."""
        # Read at once: each start of pg_restore reads the list of the whole archive.
        return tuple(definitions(self._script("pre-data", "post-data"), self.entries))

    def precedes_rows(self, one: Definition) -> bool:
        """Whether this is to be run before its rows: archives are in that order."""
        return one.entry in self._before_rows

    def data(self) -> Iterator[Part]:
        """What is to be run for its rows."""
        return parts(self._script("data"))

    @cached_property
    def _before_rows(self) -> frozenset[Entry]:
        return frozenset(takewhile(lambda one: one.kind not in _ROWS, self.entries))

    def _script(self, *sections: str) -> Iterator[bytes]:
        return script(self.tools, self.archive(), self.entries, *sections) if self.entries else iter(())


@dataclass(frozen=True)
class Placement:
    """Where a schema is restored, and what becomes of the present one."""

    aside: str = ""  # the name that the present one gets; empty if there is none
    into: str = ""  # the name of the copy, while the present one keeps its own; empty to take its place
    exists: bool = False  # whether there is an empty one, which is filled
    not_valid: bool = False  # whether keys may be added NOT VALID
    lock_timeout: float = 3.0  # seconds
    check: Callable[[], None] = field(default=lambda: None)  # raises when the work has to stop


@dataclass(frozen=True)
class Restored:
    """What was brought back."""

    tables: int
    rows: int
    not_valid: tuple[keys.Orphans, ...]  # keys that were added NOT VALID, since these rows are gone


def restore_schema(connection: Connection, archived: ArchivedSchema, where: Placement) -> Restored:
    """Restore a schema and commit, or raise RestoreFailed and leave everything as it was."""
    with _transaction(connection, where), usual_privileges(connection):
        _put_aside(connection, archived, where)
        _define(connection, archived, where)
        _fill(connection, archived, where)
        rows = _compared(connection, archived)
        orphans = _finish(connection, archived, where)
        _put_in_place(connection, archived, where)
        where.check()
    _analyze(connection, archived, where.into or archived.name)
    return Restored(len(archived.manifest.contents[archived.name]), rows, tuple(orphans))


@contextlib.contextmanager
def _transaction(connection: Connection, where: Placement) -> Iterator[None]:
    cursor = connection.cursor()
    # The rest of what a database may have otherwise is set by the scripts.
    limit = f"lock_timeout = {round(where.lock_timeout * 1000)}"
    cursor.execute(f"BEGIN; SET LOCAL {limit}; SET LOCAL array_nulls = on")
    try:
        yield
        cursor.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(Exception):  # a lost connection has no transaction any more
            connection.cursor().execute("ROLLBACK")
        raise


def _put_aside(connection: Connection, archived: ArchivedSchema, where: Placement) -> None:
    if not where.aside:
        return
    sql = f"ALTER SCHEMA {quote(archived.name)} RENAME TO {quote(where.aside)}"
    connection.cursor().execute(sql)
    if not where.into:
        text = aside_words(archived.manifest.name, archived.name)
        connection.cursor().execute(comment_on(where.aside, text))


def _put_in_place(connection: Connection, archived: ArchivedSchema, where: Placement) -> None:
    """Give the copy its own name, and the present schema its own back."""
    if not where.into:
        return
    cursor = connection.cursor()
    cursor.execute(f"ALTER SCHEMA {quote(archived.name)} RENAME TO {quote(where.into)}")
    cursor.execute(comment_on(where.into, copy_words(archived.manifest.name, archived.name)))
    if where.aside:
        cursor.execute(f"ALTER SCHEMA {quote(where.aside)} RENAME TO {quote(archived.name)}")
        bring_along(connection, archived.manifest.extensions, where.into, archived.name)


def _define(connection: Connection, archived: ArchivedSchema, where: Placement) -> None:
    """Create the schema and what needs no rows."""
    for one in _in_turn(connection, archived, where, before_rows=True):
        if one.kind != _SCHEMA:
            _execute(connection, one.sql)
        elif not where.exists:
            _execute(connection, one.sql)
            bring_along(connection, archived.manifest.extensions, where.aside, archived.name)
        elif archived.name != archived.manifest.shared_schema:
            _, owned, owner = one.sql.partition(b"\nALTER SCHEMA ")
            _execute(connection, owned + owner)


def _fill(connection: Connection, archived: ArchivedSchema, where: Placement) -> None:
    for part in archived.data():
        where.check()
        if part.rows is None:
            _execute(connection, part.sql)
            _look_around(connection, archived)
        else:
            copy_in(connection, part.sql, _checked(part.rows, where.check))


def _finish(connection: Connection, archived: ArchivedSchema, where: Placement) -> list[keys.Orphans]:
    """Add indexes, keys, triggers and the like; raises RestoreFailed for keys to rows that are gone."""
    orphans: list[keys.Orphans] = []
    for one in _in_turn(connection, archived, where, before_rows=False):
        if one.kind == _FOREIGN_KEY:
            orphans += keys.add(connection, one.sql)
        else:
            _execute(connection, one.sql)
    keys.check(orphans, where.not_valid)
    return orphans


def _in_turn(
    connection: Connection, archived: ArchivedSchema, where: Placement, *, before_rows: bool
) -> Iterator[Definition]:
    """The definitions that are to be run before the rows, or after them, fit for the roles that are here."""
    roles, spaces = role_names(connection), space_names(connection)
    settings, *others = (one.for_spaces(spaces) for one in archived.definitions)
    _execute(connection, settings.sql)
    _look_around(connection, archived)
    for one in others:
        if archived.precedes_rows(one) == before_rows:
            where.check()
            yield one.for_roles(roles)


def _execute(connection: Connection, sql: bytes) -> None:
    if has_statements(sql):
        connection.cursor().execute(sql)  # type: ignore[arg-type]  # bytes, in the archive's own encoding


def _look_around(connection: Connection, archived: ArchivedSchema, name: str = "") -> None:
    """Let functions of checks, generated columns and indexes find what they find in the tenant.

    A script leaves the path empty: all that it says itself names its schema.
    """
    manifest = archived.manifest
    path = [name or archived.name, manifest.shared_schema, *(one.schema for one in manifest.extensions)]
    names = ", ".join(quote(name) for name in dict.fromkeys(path))
    fetch(connection, "SELECT pg_catalog.set_config('search_path', %s, false)", (names,))


def _checked(rows: Iterator[bytes], check: Callable[[], None]) -> Iterator[bytes]:
    for chunk in rows:
        check()
        yield chunk


def _compared(connection: Connection, archived: ArchivedSchema) -> int:
    """The number of rows that are counted; raises RestoreFailed if they are not those of the backup.

    Before row security hides some from their owner; what it sets of the session is undone.
    """
    connection.cursor().execute("SAVEPOINT compared")
    prepare(connection)
    expected = archived.manifest.contents[archived.name]
    there = {one.name: one for one in relations(connection, [archived.name])}
    if missing := [name for name in expected if name not in there]:
        raise RestoreFailed(f"{archived.name} was not restored: {some(missing)} is not in the archive.")
    counted = {name: one for name, one in expected.items() if one.digest is not None}
    found = counts(connection, [there[name] for name in counted])
    wrong = [
        name
        for (name, one), (rows, digest) in zip(counted.items(), found, strict=True)
        if (one.rows, one.digest) != (rows, digest)
    ]
    if wrong:
        raise RestoreFailed(f"{archived.name} was not restored: the rows of {some(wrong)} are others.")
    connection.cursor().execute("ROLLBACK TO SAVEPOINT compared")
    return sum(rows for rows, _ in found)


def _analyze(connection: Connection, archived: ArchivedSchema, schema: str) -> None:
    """Gather statistics; it is restored, whether that can be done or not."""
    try:
        _look_around(connection, archived, schema)
        tables = [one for one in relations(connection, [schema]) if one.kind in "rpm"]
        if tables:
            names = ", ".join(f"{quote(one.schema)}.{quote(one.name)}" for one in tables)
            connection.cursor().execute(f"ANALYZE {names}")
    except Exception as error:  # noqa: BLE001 - as the driver calls it
        text = f"{schema} is restored, but ANALYZE failed there: {describe(error)}"
        get_logger().warning("restore.not_analyzed", message=text)
