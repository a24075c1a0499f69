"""What a restore would do with each schema, and why some are refused; nothing is written."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from railway_release.backup.extensions import fixed
from railway_release.backup.manifest import Manifest
from railway_release.config.config import Config
from railway_release.errors import UnknownName
from railway_release.postgres.followers import followers
from railway_release.postgres.put_aside import name_aside
from railway_release.postgres.roles import lacked, role_names
from railway_release.postgres.session import Connection, clip, fetch, literal, quote
from railway_release.runtime.text import count, some

_NOT_MANY = 10  # to be named in one line


@dataclass(frozen=True)
class SchemaRestore:
    """What is to become of one schema."""

    schema: str
    present: bool  # whether there is one now
    aside: str  # the name that the present one gets; for a moment only, with `into`
    into: str  # the name of a copy beside it
    tables: int
    rows: int  # of the tables that were counted
    refusals: tuple[str, ...] = ()  # why not, each with what would allow it
    remarks: tuple[str, ...] = ()  # what a person should know before


def chosen_schemas(manifest: Manifest, config: Config) -> tuple[str, ...]:
    """The schemas to restore: those that are named, or all tenants that it holds; raises UnknownName."""
    named = tuple(clip(name) for name in config.schema)
    if strange := [name for name in named if name not in manifest.schemas]:
        raise UnknownName(
            f"The backup {manifest.name} does not hold {some(strange)}.",
            f"It holds {some(manifest.schemas, _NOT_MANY)}.",
        )
    wanted = named or config.shared_only
    return tuple(
        name
        for name in manifest.schemas
        if config.includes(name, shared=(is_shared := name == manifest.shared_schema))
        if wanted or not is_shared
    )


@dataclass(frozen=True)
class RestorePlanner:
    """Looks at the database as it is now; `later` are the schemas that a newer backup holds, too."""

    connection: Connection
    manifest: Manifest
    later: Collection[str]
    config: Config
    is_of_here: bool  # whether the backup is one of this database
    in_table: Collection[str] | None  # the names of all tenants with a row; None if that cannot be known

    def plan(self, schemas: Sequence[str]) -> list[SchemaRestore]:
        """What is to be done with each schema."""
        taken = {
            name for (name,) in fetch(self.connection, "SELECT nspname::text FROM pg_catalog.pg_namespace")
        }
        return [self._plan(name, taken) for name in schemas]

    def _plan(self, name: str, taken: set[str]) -> SchemaRestore:
        present, contents, into = name in taken, self.manifest.contents[name], clip(self.config.into)
        aside = name_aside(name, self.manifest.run_id, taken) if present else ""
        refusals = tuple(self._refusals(name, into, present=present, into_taken=into in taken))
        taken.add(aside)
        remarks = tuple(self._remarks(name, into))
        rows = sum(one.rows or 0 for one in contents.values())
        return SchemaRestore(name, present, aside, into, len(contents), rows, refusals, remarks)

    def _refusals(self, name: str, into: str, *, present: bool, into_taken: bool) -> Iterator[str]:
        config = self.config
        yield from self._lacked(name)
        if present and (found := fixed(self.connection, name)):
            text = f"{some(found)} cannot be moved to a schema of another name"
            yield f"{text}: --into-database restores into another database, from which rows can be taken"
        if into:
            if into.startswith("pg_"):
                yield "the server keeps names that begin with pg_ for itself"
            if into_taken:
                yield f"there is a schema {into} already"
        elif present:
            if not config.replace_newer and (why := self._newer(name)):
                yield f"a later release {why}; what it did would be undone: --replace-newer allows that"
            if not config.leave_followers and (found := followers(self.connection, name)):
                what = f"{count(len(found), 'object')} outside of it ({some(found)})"
                text = f"{what} would go on pointing at what is put aside: --leave-followers allows that"
                copy = "; --into NAME makes a copy, from which rows can be taken"
                yield text + (copy if name == self.manifest.shared_schema else "")

    def _lacked(self, name: str) -> Iterator[str]:
        """What the role lacks, and what helps."""
        owners = {one.owner for one in self.manifest.contents[name].values()}
        me, others, database = lacked(self.connection, owners)
        if database:
            yield f"{me} may make no schema: GRANT CREATE ON DATABASE {quote(database)} TO {quote(me)};"
        if others:
            theirs = f"what belonged to {some(others)}, which {me} is not"
            yield f"only a superuser or a member can give back {theirs}: RELEASE_DATABASE_URL may name one"

    def _remarks(self, name: str, into: str) -> Iterator[str]:
        shared = self.manifest.shared_schema
        if not into and name != shared and self.in_table is not None and name not in self.in_table:
            row = "the tenants table has no row for it, so that it is no tenant"
            held = shared in self.manifest.schemas
            yield f"{row}; --schema {shared} --into NAME makes a copy of that table, too" if held else row
        if not self.is_of_here:
            yield f"the backup is of another database, {self.manifest.database}, or of another server"
        contents = self.manifest.contents[name]
        if uncounted := [table for table, one in contents.items() if one.kind == "r" and one.rows is None]:
            yield f"the rows of {some(uncounted)} were not counted, so they cannot be compared"
        if gone := sorted({one.owner for one in contents.values()} - role_names(self.connection)):
            yield f"what belonged to {some(gone)}, no role here, will belong to the role that restores"

    def _newer(self, name: str) -> str:
        """What a later release has done with a schema."""
        records = _records_since(self.connection, name, self.manifest.taken_at)
        if strange := [record for record in records if record not in self.manifest.migrations]:
            return f"has applied {some(strange)} since"
        return "was about to change it, and backed it up" if name in self.later else ""


def _records_since(connection: Connection, schema: str, since: datetime) -> list[str]:
    there = fetch(connection, "SELECT to_regclass(%s)::text", (f"{quote(schema)}.django_migrations",))
    if there[0][0] is None:
        return []
    # Without parameters, since a percent sign in the name would be taken for one.
    sql = (
        f"SELECT app || '.' || name FROM {quote(schema)}.django_migrations "  # noqa: S608 - quoted
        f"WHERE applied > {literal(since.isoformat())}::timestamptz ORDER BY id"
    )
    return [record for (record,) in fetch(connection, sql)]
