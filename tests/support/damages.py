"""Damage: every way of dropping or altering an object of a schema by hand, and what is then to be said of it.

What is to be said follows from the catalogue before and after, and from nothing that the code under test
knows: PostgreSQL itself has decided what went with what was dropped.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from .catalogue import Catalogue, Column, Constraint, Index
from .release import Database
from .schemas import quote

Said = tuple[str, str]  # a finding's id and object

BY_HAND, RENAMED = "_by_hand", "_again"  # what the new names of tables and columns, and of all else, end in
_LONGEST_NAME = 64
_HERE = "{here}"
_OTHER_TYPES = {
    "integer": "bigint",
    "bigint": "integer",
    "smallint": "integer",
    "text": "varchar(500)",
    "jsonb": "json",
    "uuid": "text",
    "timestamp with time zone": "timestamp without time zone",
    "numeric(10,2)": "numeric(12,2)",
    "numeric(8,2)": "numeric(8,3)",
}
_LOSING_ROWS = ("drop table", "rename table", "drop column", "rename column")
# Of a thing that an earlier damage has taken away already, nothing more can be.
_GONE = "undefined_table OR undefined_column OR undefined_object"


@dataclass(frozen=True)
class Damage:
    """A statement in which {here} is the schema."""

    kind: str
    sql: str

    @property
    def leaves_names(self) -> bool:
        """Whether something else has, afterwards, a name that Django would give."""
        return self.kind.startswith(("rename ", "other "))


def damages(of: Catalogue) -> list[Damage]:
    """All that can be done to each object of a schema; not to the records of its migrations."""
    kept = "django_migrations"
    found = [Damage("drop table", f"DROP TABLE {_HERE}.{quote(one)} CASCADE") for one in sorted(of.tables)]
    found += [Damage("rename table", _rename("TABLE", one, BY_HAND)) for one in sorted(of.tables)]
    for column in of.columns.values():
        found += [*_of_column(column, of)]
    for constraint in of.constraints:
        found += [*_of_constraint(constraint)]
    for index in of.indexes:
        found += [*_of_index(index)]
    return [one for one in found if f"{_HERE}.{quote(kept)}" not in one.sql]


def _rename(kind: str, one: str, ending: str) -> str:
    return f"ALTER {kind} {_HERE}.{quote(one)} RENAME TO {quote(one + ending)}"


def _of_column(one: Column, of: Catalogue) -> Iterator[Damage]:
    table, name = f"ALTER TABLE {_HERE}.{quote(one.table)}", quote(one.name)
    alter = f"{table} ALTER {name}"
    yield Damage("drop column", f"{table} DROP {name} CASCADE")
    yield Damage("rename column", f"{table} RENAME {name} TO {quote(one.name + BY_HAND)}")
    is_free = not _is_key(one, of)
    if is_free and not one.generated:
        yield Damage("null", f"{alter} {'DROP' if one.not_null else 'SET'} NOT NULL")
    if one.default:
        yield Damage("drop default", f"{alter} DROP DEFAULT")
        yield Damage("other default", f"{alter} SET DEFAULT {'false' if one.type == 'boolean' else '7'}")
    if one.counted:
        yield Damage("drop identity", f"{alter} DROP IDENTITY")
    if one.generated:
        yield Damage("drop expression", f"{alter} DROP EXPRESSION")
    if (other := _other_type(one)) and is_free and not _is_read(one, of):
        using = "" if one.generated else f" USING {name}::{other}"
        yield Damage("type", f"{alter} TYPE {other}{using}")
    if one.type.startswith(("character", "text")) and is_free:
        yield Damage("collation", f'{alter} TYPE {one.type} COLLATE "POSIX"')


def _other_type(one: Column) -> str:
    if one.type.startswith("character varying"):
        return "varchar(99)"
    return _OTHER_TYPES.get(one.type, "")


def _is_key(one: Column, of: Catalogue) -> bool:
    """Of the primary key, of a foreign key, or pointed to by one."""
    return one.counted or any(
        key.kind in "pf" and key.table == one.table and one.name in key.columns for key in of.constraints
    )


def _is_read(one: Column, of: Catalogue) -> bool:
    """By another column of the table."""
    return any(other.table == one.table and one.name in other.generated for other in of.columns.values())


def _of_constraint(one: Constraint) -> Iterator[Damage]:
    table, name = f"ALTER TABLE {_HERE}.{quote(one.table)}", quote(one.name)
    drop = f"{table} DROP CONSTRAINT {name}"

    def instead(kind: str, text: str) -> Damage:
        return Damage(kind, f"{drop} CASCADE, ADD CONSTRAINT {name} {text}")

    yield Damage(
        {"p": "drop key", "u": "drop unique", "f": "drop foreign key"}.get(one.kind, "drop check"),
        f"{drop} CASCADE",
    )
    if len(one.name + RENAMED) < _LONGEST_NAME:
        yield Damage("rename rule", f"{table} RENAME CONSTRAINT {name} TO {quote(one.name + RENAMED)}")
    if one.kind == "u":
        rest = "" if "DEFERRABLE" in one.text else " DEFERRABLE"
        yield instead("other unique", one.text.split(" DEFERRABLE")[0] + rest)
    if one.kind == "f":
        bare = one.text.split(" REFERENCES ")[0]
        own = f"{_HERE}.{quote(one.target)}" if "." not in one.target else one.target
        targets = f"({one.points_to.split('(')[1]})"
        yield instead("rules", f"{bare} REFERENCES {own}{targets} ON DELETE CASCADE")
        if "." not in one.target:
            yield instead("elsewhere", f"{bare} REFERENCES piraeus.{quote(one.target)}{targets} NOT VALID")
    if one.kind == "c":
        yield instead("other check", f"CHECK ({quote(one.columns[0])} IS NOT NULL)")
        yield instead("unchecked", f"{one.text} NOT VALID")


def _of_index(one: Index) -> Iterator[Damage]:
    name = f"{_HERE}.{quote(one.name)}"
    yield Damage("drop index", f"DROP INDEX {name}")
    if len(one.name + RENAMED) < _LONGEST_NAME:
        yield Damage("rename index", _rename("INDEX", one.name, RENAMED))
    other = f"CREATE INDEX {quote(one.name)} ON {_HERE}.{quote(one.table)} ({quote(one.columns[0])} DESC)"
    yield Damage("other index", f"DROP INDEX {name}; {other}")
    yield Damage(
        "invalid index",
        f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass('{name}')",
    )


def inflict(database: Database, schema: str, several: Sequence[Damage]) -> None:
    """One after the other; the first one must be possible."""
    first, *others = (one.sql.replace(_HERE, quote(schema)) for one in several)
    rest = (f"DO $d$ BEGIN {sql}; EXCEPTION WHEN {_GONE} THEN NULL; END $d$;" for sql in others)
    database.sql(f"{first}; {' '.join(rest)}")


def in_the_way(several: Sequence[Damage]) -> set[str]:
    """The SQLSTATEs with which a repair may undo itself: names are taken, rows point to lost ones."""
    taken = {"42P07", "42710", "42P16"} if any(one.leaves_names for one in several) else set()
    orphans = {"23503"} if any(one.kind in _LOSING_ROWS for one in several) else set()
    return taken | orphans


def explains(left: Collection[Said], fact: str) -> bool:
    """Whether a statement of pg_dump that is lost or new is about something that was left as it is."""
    words = set(re.findall(r"\w+", fact))
    return any(words.issuperset(re.findall(r"\w+", object.split(".")[0])) for _, object in left)


def to_be_said(before: Catalogue, after: Catalogue, shared: Catalogue) -> set[Said]:
    """Of one schema. Of a missing table or column, only that it is missing."""
    said = {
        ("table.masked" if one in shared.tables else "table.ghost", one)
        for one in before.tables - after.tables
    }
    said |= {("schema.odd", one) for one in after.tables - before.tables}
    both = before.tables & after.tables
    said |= {one for table in both for one in _of_columns(table, before, after)}
    for table in both:
        said |= {*_of_rules(table, before, after), *_of_indexes(table, before, after)}
    return said


def _of_rules(table: str, before: Catalogue, after: Catalogue) -> Iterator[Said]:
    left = {column.name for column in after.columns.values() if column.table == table}
    rules = [one for one in before.constraints if one.table == table]
    there = [one for one in after.constraints if one.table == table]
    for one in rules:
        if left.issuperset(one.columns):
            yield from _of_rule(one, there, after)
    yield from (("schema.odd", table) for one in there if _is_new(one, rules))


def _of_indexes(table: str, before: Catalogue, after: Catalogue) -> Iterator[Said]:
    left = {column.name for column in after.columns.values() if column.table == table}
    indexes = [one for one in before.indexes if one.table == table and left.issuperset(one.columns)]
    there = [one for one in after.indexes if one.table == table]
    texts, wanted = {one.text for one in there}, {one.text for one in indexes}
    yield from (_missing(one, before) for one in indexes if one.text not in texts)
    names = {one.name for one in there}
    renamed = [one for one in indexes if is_optional(one, before) and one.name not in names]
    yield from (("schema.odd", table) for _ in renamed)
    yield from (("schema.odd", table) for one in there if one.text not in wanted)
    yield from (("index.invalid", f"{table}.{one.name}") for one in there if not one.valid)


def _of_columns(table: str, before: Catalogue, after: Catalogue) -> Iterator[Said]:
    for (of, name), column in before.columns.items():
        if of != table:
            continue
        object = f"{table}.{name}"
        if not (now := after.columns.get((of, name))):
            yield "column.missing", object
            continue
        for part, id in (
            ("type", "type"),
            ("not_null", "null"),
            ("collation", "collation"),
            ("generated", "generated"),
            ("counted", "uncounted"),
        ):
            if getattr(column, part) != getattr(now, part):
                yield f"column.{id}", object
        if column.default != now.default and column.type == now.type:
            yield ("column.default", object) if column.default else ("schema.odd", table)
    for (of, name), column in after.columns.items():
        if of == table and (of, name) not in before.columns:
            fills = column.default or column.counted or column.generated or not column.not_null
            yield f"column.{'extra' if fills else 'in_the_way'}", f"{table}.{name}"


def _of_rule(one: Constraint, there: Sequence[Constraint], after: Catalogue) -> Iterator[Said]:
    # What excludes others has no text that could be compared: its name has to do.
    if alike := [
        each for each in there if each.rule == one.rule and (one.kind != "x" or each.name == one.name)
    ]:
        if all(each.text.endswith(" NOT VALID") for each in alike):
            yield "constraint.unchecked", f"{one.table}.{alike[0].name}"
        return
    listed = f"{one.table}({', '.join(one.columns)})"
    if one.kind in "pu":
        yield ("key.missing" if one.kind == "p" else "unique.missing"), listed
    elif one.kind == "f":
        yield from _of_foreign_key(one, listed, there, after)
    elif one.kind == "x":
        yield "exclusion.missing", f"{one.table}.{one.name}"
    elif one.is_unnamed:
        yield "check.missing", one.table
    else:
        is_there = one.name in {each.name for each in there}
        yield f"check.{'other' if is_there else 'missing'}", f"{one.table}.{one.name}"


def _of_foreign_key(
    one: Constraint, listed: str, there: Sequence[Constraint], after: Catalogue
) -> Iterator[Said]:
    alike = [each for each in there if each.kind == "f" and each.columns == one.columns]
    if not alike:
        if "." in one.target or one.target in after.tables:
            yield "foreign_key.missing", listed
        return
    yield f"foreign_key.{'rules' if alike[0].points_to == one.points_to else 'elsewhere'}", listed
    if alike[0].text.endswith(" NOT VALID"):
        yield "constraint.unchecked", f"{one.table}.{alike[0].name}"


def _is_new(one: Constraint, rules: Sequence[Constraint]) -> bool:
    """What replaces something is named as that."""
    if one.kind == "f":
        return one.columns not in {each.columns for each in rules if each.kind == "f"}
    names = {each.name for each in rules if each.kind in "cx" and not each.is_unnamed}
    return one.name not in names and (one.kind == "x" or one.rule not in {each.rule for each in rules})


def _missing(one: Index, before: Catalogue) -> Said:
    if is_optional(one, before):
        return "schema.odd", one.table
    keys = one.keys.replace("varchar_pattern_ops", "text_pattern_ops")
    return ("unique.missing" if one.unique else "index.missing"), f"{one.table}{keys}"


def is_optional(one: Index, of: Catalogue) -> bool:
    """Whether it serves LIKE over a foreign key, which Django makes, and forgets when the key's type changes.

    So no model tells of it, and schemas are compared with each other.
    """
    keys = [key.columns for key in of.constraints if key.kind == "f" and key.table == one.table]
    return "_pattern_ops" in one.text and one.columns in keys
