"""Conflicts: rows because of which a statement that adds a rule to a table fails, as queries that list them.

Read are the statements that Django sends and SQL of the same form; of others nothing is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from railway_release.postgres.batch_reader import BatchReader, escaped
from railway_release.postgres.failures import describe
from railway_release.postgres.session import quote
from railway_release.runtime.log import get_logger

_NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_]\w*+)'
_TABLE = rf"(?:{_NAME}\.)?{_NAME}"
_ALTER = re.compile(rf"\s*ALTER\s+TABLE\s+(?:ONLY\s+)?(?P<table>{_TABLE})\s+(?P<rest>.*)", re.I | re.S)
_UNIQUE_INDEX = re.compile(
    rf"\s*CREATE\s+UNIQUE\s+INDEX\s.*?\bON\s+(?:ONLY\s+)?(?P<table>{_TABLE})\s*(?:USING\s+\w+\s*)?(?P<rest>\(.*)",
    re.I | re.S,
)
_RULE = re.compile(
    rf"ADD\s+(?:CONSTRAINT\s+{_NAME}\s+)?(?P<kind>UNIQUE|PRIMARY\s+KEY|FOREIGN\s+KEY|CHECK)\b(?P<rest>.*)",
    re.I | re.S,
)
_NEW_COLUMN = re.compile(rf"ADD\s+COLUMN\s+(?P<column>{_NAME})\s+(?P<rest>.*)", re.I | re.S)
_NOT_NULL = re.compile(rf"ALTER\s+(?:COLUMN\s+)?(?P<column>{_NAME})\s+SET\s+NOT\s+NULL", re.I)
_TYPE = re.compile(
    rf"ALTER\s+(?:COLUMN\s+)?(?P<column>{_NAME})\s+(?:SET\s+DATA\s+)?TYPE\s+"
    r"(?P<type>varchar|character varying|numeric|integer|smallint)\s*(?:\((?P<size>[\d, ]+)\))?(?P<rest>.*)",
    re.I | re.S,
)
_REFERENCES = re.compile(rf"REFERENCES\s+(?P<target>{_TABLE})\s*\((?P<columns>[^)]*)\)", re.I)
_DEFAULT = re.compile(r"\bDEFAULT\s+(?!AS\b)(?P<value>'(?:[^']|'')*'|-?[\w.]++(?!\s*\())", re.I)
_NULLS_EQUAL = re.compile(r"\bNULLS\s+NOT\s+DISTINCT\b", re.I)
_WHERE = re.compile(r"\bWHERE\s+(?P<condition>.*)", re.I | re.S)
_KEY = re.compile(rf"(?P<key>{_NAME})(?!\s*\()")
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_LARGEST = {"smallint": 32767, "integer": 2147483647}


@dataclass(frozen=True)
class Table:
    """A table as a statement names it: quoted, and with a schema or without."""

    name: str
    schema: str = ""

    def within(self, schema: str) -> str:
        """The name for a statement, in that schema unless it has its own; without any where that is empty."""
        return ".".join(filter(None, (self.schema or (schema and quote(schema)), quote(self.name))))


@dataclass(frozen=True)
class Conflict:
    """Rows that a rule forbids."""

    what: str  # ``duplicates in shop_item(code)``
    table: Table
    select: str  # the query, with <table> and <target> for the tables
    target: Table | None = None  # what a foreign key points to
    delete: str = ""  # the statement that deletes them, of duplicates all but the first; empty if unknown
    lookup: str = ""  # the part of both that looks for a key's target
    column: str = ""  # the column whose NULLs they are, quoted as in the statement

    def query(self, schema: str = "", target_schema: str = "") -> str:
        """The query that lists the rows in a schema; without one, in the first on the search path."""
        return self._named(self.select, schema, target_schema)

    def deletion(self, schema: str, target_schema: str = "") -> str:
        """The statement that deletes the rows of a schema; empty if nobody can say which."""
        return self._named(self.delete, schema, target_schema)

    def without_target(self) -> Conflict:
        """The same where the table that a foreign key points to is not there yet, and so has no row."""
        select, delete = (text.replace(self.lookup, "") for text in (self.select, self.delete))
        return replace(self, select=select, delete=delete)

    def _named(self, text: str, schema: str, target_schema: str) -> str:
        text = text.replace("<table>", self.table.within(schema))
        return text.replace("<target>", self.target.within(target_schema)) if self.target else text


def schemas_with(
    reader: BatchReader, conflict: Conflict, schemas: Sequence[str], target_schema: str = ""
) -> list[str]:
    """The schemas with such rows; where they cannot be read, nothing is known.

    The target of a foreign key is in `target_schema`, or in each schema itself if that is empty.
    """

    def select(schema: str) -> str:
        return (
            f"(SELECT {{literal}} WHERE EXISTS ({escaped(conflict.query(schema, target_schema or schema))}))"
        )

    unreadable: dict[str, str] = {}
    try:
        found = [name for (name,) in reader.read(schemas, select, unreadable)]
    except Exception as error:  # noqa: BLE001 - a cast, or a function of an index, may fail on any row
        found, unreadable = [], {"": describe(error)}
    for why in unreadable.values():
        get_logger().debug("rows.unread", message=f"{conflict.what}: {why}")
    return found


def conflicts(statement: str) -> Iterator[Conflict]:
    """What may be in the way of a statement."""
    statement = statement.partition("; SET CONSTRAINTS")[0].rstrip("; \n")
    if match := _UNIQUE_INDEX.match(statement):
        yield from _duplicates(_table(match["table"]), match["rest"])
    elif match := _ALTER.match(statement):
        for clause in _split(match["rest"]):
            yield from _of_clause(_table(match["table"]), clause)


def _of_clause(table: Table, clause: str) -> Iterator[Conflict]:
    if re.search(r"\bNOT\s+VALID\b", clause, re.I):
        return
    if match := _NEW_COLUMN.match(clause):
        yield from _of_new_column(table, match["column"], match["rest"])
    elif match := _NOT_NULL.match(clause):
        yield _nulls(table, match["column"])
    elif match := _TYPE.match(clause):
        yield from _of_type(table, match)
    elif match := _RULE.match(clause):
        kind, rest = " ".join(match["kind"].upper().split()), match["rest"]
        if kind == "CHECK":
            rule = _inside(rest)
            yield _selecting(table, f"rows of {table.name} that break CHECK ({rule})", f"NOT ({rule})")
        elif kind == "FOREIGN KEY":
            yield from _orphans(table, rest)
        else:
            yield from _duplicates(table, rest, needs_values=kind == "PRIMARY KEY")


def _duplicates(table: Table, rest: str, *, needs_values: bool = False) -> Iterator[Conflict]:
    """Of a unique constraint or index; ``needs_values`` if it allows no NULL either."""
    keys = [_key(one) for one in _split(_inside(rest))]
    if not all(keys):
        return
    found = _WHERE.search(rest)
    where = [f"({found['condition']})"] if found else []
    if not _NULLS_EQUAL.search(rest):
        where += [f"{key} IS NOT NULL" for key in keys]
    listed, numbers = ", ".join(keys), ", ".join(str(number + 1) for number in range(len(keys)))
    condition = f" WHERE {' AND '.join(where)}" if where else ""
    select = f"SELECT {listed}, count(*) FROM <table>{condition} GROUP BY {numbers} HAVING count(*) > 1"  # noqa: S608 - of a statement that is sent
    is_simple = found is None and all(re.fullmatch(_NAME, key) for key in keys)
    same = " AND ".join(f"kept.{key} = r.{key}" for key in keys)
    delete = f"DELETE FROM <table> AS r USING <table> AS kept WHERE kept.ctid < r.ctid AND {same}"  # noqa: S608 - the same
    what = f"duplicates in {table.name}({_plain(listed)})"
    yield Conflict(what, table, select, delete=delete if is_simple else "")
    if needs_values:
        for key in keys:
            yield _nulls(table, key)


def _orphans(table: Table, rest: str) -> Iterator[Conflict]:
    if not (found := _REFERENCES.search(rest)):
        return
    columns, target = _split(_inside(rest)), _table(found["target"])
    pairs = zip(columns, _split(found["columns"]), strict=False)
    same = " AND ".join(f"t.{there} = r.{here}" for here, there in pairs)
    listed = ", ".join(columns)
    filled = " AND ".join(f"{column} IS NOT NULL" for column in columns)
    lookup = f" AND NOT EXISTS (SELECT FROM <target> AS t WHERE {same})"
    rows = f"FROM <table> AS r WHERE {filled}{lookup}"
    what = f"values of {table.name}({_plain(listed)}) that {target.name} does not have"
    select = f"SELECT {listed}, count(*) {rows} GROUP BY {listed}"
    yield Conflict(what, table, select, target, f"DELETE {rows}", lookup)


def _of_new_column(table: Table, column: str, rest: str) -> Iterator[Conflict]:
    """Rows there are in the way of a column that needs a value, or another one in each row."""
    default, name = _DEFAULT.search(rest), _dotted(table, column)
    bare = _QUOTED.sub("", rest)
    filled = re.search(r"\b(DEFAULT|GENERATED|serial|bigserial|smallserial)\b", bare, re.I)
    if not filled and re.search(r"\bNOT\s+NULL\b", bare, re.I):
        yield Conflict(f"rows of {table.name} that would have no {name}", table, "SELECT * FROM <table>")
    if default is None or default["value"].upper() == "NULL":
        return
    if re.search(r"\b(UNIQUE|PRIMARY\s+KEY)\b", bare, re.I):
        what = f"several rows of {table.name}, which would all have the same {name}"
        yield Conflict(what, table, "SELECT * FROM <table> OFFSET 1")
    if (found := _REFERENCES.search(rest)) and "%" not in default["value"]:
        target, value = _table(found["target"]), default["value"]
        missing = f"NOT EXISTS (SELECT FROM <target> WHERE {found['columns']} = {value})"
        what = f"rows of {table.name} that would point to {value}, which {target.name} does not have"
        yield Conflict(what, table, f"SELECT * FROM <table> WHERE {missing}", target)  # noqa: S608 - the same


def _of_type(table: Table, match: re.Match[str]) -> Iterator[Conflict]:
    """Values that do not fit into a smaller type; a cast to text of some length cuts them instead."""
    column, type, size = match["column"], match["type"].lower(), match["size"] or ""
    name = _dotted(table, column)
    if type in ("varchar", "character varying"):
        if size and not re.search(r"\bUSING\b", match["rest"], re.I):
            long = f"char_length(rtrim({column}::text, ' ')) > {size}"
            yield _selecting(table, f"values of {name} that are longer than {size}", long)
    elif type == "numeric" and size:
        digits, places = [int(part) for part in f"{size},0".split(",")][:2]
        large = f"abs(round({column}::numeric, {places})) >= 1e{digits - places}"
        yield _number(table, column, f"numeric({digits},{places})", large)
    elif type in _LARGEST:
        largest = _LARGEST[type]
        large = f"round({column}::numeric) NOT BETWEEN {-largest - 1} AND {largest}"
        yield _number(table, column, type, large, whole=True)


def _number(table: Table, column: str, type: str, large: str, *, whole: bool = False) -> Conflict:
    """Values that are no numbers of this type: text that says none, and numbers that are too large."""
    form = r"'^\s*[-+]?\d+\s*$'" if whole else r"'^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$'"
    is_text = f"pg_typeof({column})::text IN ('text', 'character varying', 'character')"
    wrong = f"CASE WHEN {is_text} AND {column}::text !~* {form} THEN true ELSE {large} END"
    return _selecting(table, f"values of {_dotted(table, column)} that are no {type}", wrong)


def _nulls(table: Table, column: str) -> Conflict:
    found = _selecting(table, f"NULL in {_dotted(table, column)}", f"{column} IS NULL")
    return replace(found, column=column)


def _selecting(table: Table, what: str, condition: str) -> Conflict:
    rows = f"FROM <table> WHERE {condition}"
    return Conflict(what, table, f"SELECT * {rows}", delete=f"DELETE {rows}")


def _table(text: str) -> Table:
    *schema, name = re.findall(_NAME, text)
    return Table(_plain(name), schema[0] if schema else "")


def _dotted(table: Table, column: str) -> str:
    return f"{table.name}.{_plain(column)}"


def _plain(name: str) -> str:
    """Names without their quotes, for people."""
    return name.replace('"', "")


def _key(text: str) -> str:
    """What an index is on, without order, collation and operator class; empty if that is not understood."""
    text = text.strip()
    if text.startswith("("):
        return f"({_inside(text)})"
    if match := _KEY.match(text):
        return match["key"]
    end = text.find("(")
    return f"{text[:end]}({_inside(text[end:])})" if end > 0 else ""


def _inside(text: str) -> str:
    """What stands between the first parenthesis and the one that closes it."""
    start = depth = 0
    for place, sign in _signs(text):
        if sign == "(":
            depth += 1
            start = start or place + 1
        elif sign == ")":
            depth -= 1
            if not depth:
                return text[start:place]
    return ""


def _split(text: str) -> list[str]:
    """The parts between commas that stand in no parentheses."""
    depth, cuts = 0, [-1]
    for place, sign in _signs(text):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and not depth:
            cuts.append(place)
    return [text[start + 1 : end].strip() for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def _signs(text: str) -> Iterator[tuple[int, str]]:
    """Parentheses and commas with their places, but for those within quotes."""
    blank = _QUOTED.sub(lambda match: " " * len(match[0]), text)
    return ((match.start(), match[0]) for match in re.finditer(r"[(),]", blank))
