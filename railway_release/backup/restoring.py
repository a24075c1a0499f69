"""Brings one schema back from an archive in one transaction; others see the present one until its commit.

The present schema is renamed, never dropped. What is restored is compared with the manifest before that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from railway_release.backup import keys
from railway_release.backup.archive import Tools, decrypted, listing, script
from railway_release.backup.counting import prepare
from railway_release.backup.destination import Destination
from railway_release.backup.manifest import Manifest
from railway_release.backup.sql_script import commands, for_roles, parts, with_keys_apart
from railway_release.backup.toc import Entry, entries, lines_about
from railway_release.errors import RestoreFailed
from railway_release.postgres.copying import copy_in
from railway_release.postgres.put_aside import comment_on
from railway_release.postgres.roles import role_names
from railway_release.postgres.session import Connection, quote
from railway_release.postgres.table_contents import counts, relations
from railway_release.runtime.text import some


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

    def script(self, section: str, *, but: Collection[str] = ()) -> Iterator[bytes]:
        """The SQL of a section, but for some kinds of objects."""
        wanted = [one for one in self.entries if one.kind not in but]
        return script(self.tools, self.archive(), wanted, section) if wanted else iter(())


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
    with _transaction(connection, where):
        _put_aside(connection, archived, where)
        _run(connection, archived.script("pre-data", but=["SCHEMA"] if where.exists else ()), where)
        _run(connection, archived.script("data"), where)
        orphans = tuple(_run_with_keys(connection, archived.script("post-data"), where))
        keys.check(orphans, where.not_valid)
        rows = _compared(connection, archived)
        _put_in_place(connection, archived, where)
        where.check()
    _analyze(connection, where.into or archived.name)
    return Restored(len(archived.manifest.contents[archived.name]), rows, orphans)


@contextlib.contextmanager
def _transaction(connection: Connection, where: Placement) -> Iterator[None]:
    cursor = connection.cursor()
    cursor.execute(f"BEGIN; SET LOCAL lock_timeout = {round(where.lock_timeout * 1000)}")
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
        text = f"put aside by the restore of {archived.manifest.name}; it was {archived.name}"
        connection.cursor().execute(comment_on(where.aside, text))


def _put_in_place(connection: Connection, archived: ArchivedSchema, where: Placement) -> None:
    """Give the copy its own name, and the present schema its own back."""
    if not where.into:
        return
    cursor = connection.cursor()
    cursor.execute(f"ALTER SCHEMA {quote(archived.name)} RENAME TO {quote(where.into)}")
    cursor.execute(comment_on(where.into, f"a copy of {archived.name} from {archived.manifest.name}"))
    if where.aside:
        cursor.execute(f"ALTER SCHEMA {quote(where.aside)} RENAME TO {quote(archived.name)}")


def _run(connection: Connection, text: Iterator[bytes], where: Placement) -> None:
    cursor, roles = connection.cursor(), role_names(connection)
    for part in parts(text):
        where.check()
        if part.rows is not None:
            copy_in(connection, part.sql, _checked(part.rows, where.check))
        elif sql := for_roles(part.sql, roles).strip():
            cursor.execute(sql)  # type: ignore[arg-type]  # bytes, in the archive's own encoding


def _run_with_keys(connection: Connection, text: Iterator[bytes], where: Placement) -> Iterator[keys.Orphans]:
    """Run what follows the rows, in order; returns the rows for which keys were added NOT VALID."""
    roles = role_names(connection)
    for is_key, sql in with_keys_apart(commands(text)):
        where.check()
        if is_key:
            yield from keys.add(connection, sql)
        elif rest := for_roles(sql, roles).strip():
            connection.cursor().execute(rest)  # type: ignore[arg-type]  # bytes, in the archive's own encoding


def _checked(rows: Iterator[bytes], check: Callable[[], None]) -> Iterator[bytes]:
    for chunk in rows:
        check()
        yield chunk


def _compared(connection: Connection, archived: ArchivedSchema) -> int:
    """The number of rows that are counted; raises RestoreFailed if they are not those of the backup."""
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
    return sum(rows for rows, _ in found)


def _analyze(connection: Connection, schema: str) -> None:
    tables = [one for one in relations(connection, [schema]) if one.kind in "rpm"]
    if tables:
        names = ", ".join(f"{quote(one.schema)}.{quote(one.name)}" for one in tables)
        connection.cursor().execute(f"ANALYZE {names}")
